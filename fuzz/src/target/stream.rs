//! The stream of an instance, as `weir top` reads and shows it: whoever answers at an address may be anybody.

use monitor::{
    client::events,
    view::top::{News, Tab, Top, Viewed, plain},
};
use monitor_core::live::Window;

/// Columns of the picture.
const WIDE: u16 = 120;

pub(crate) fn run(bytes: &[u8]) {
    let events = events([bytes.to_vec()]);
    for size in [1, 7] {
        assert_eq!(
            monitor::client::events(bytes.chunks(size).map(<[u8]>::to_vec)),
            events,
            "in pieces of {size}"
        );
    }
    let viewed = Viewed::Instance("http://127.0.0.1:10058".to_owned());
    let mut top = Top::new(viewed, Tab::Flows, String::new(), Window::default());
    let read =
        events.iter().filter_map(|event| News::read(&event.name, event.data.as_bytes()).ok().flatten());
    if read.map(|news| top.news(news)).count() == 0 {
        return;
    }
    let text = plain(&mut top, &Tab::ALL, WIDE);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}
