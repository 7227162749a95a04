//! Whose the traffic is.

use super::*;
use crate::view::live::OwnerRow;

fn owner(unit: &str, process: &str, bytes: u64) -> OwnerRow {
    OwnerRow {
        owner: "user".to_owned(),
        unit: Some(unit.to_owned()),
        process: Some(process.to_owned()),
        received_bytes: bytes,
        share: 0.5,
        ..OwnerRow::default()
    }
}

#[test]
fn enter_on_an_owner_shows_its_flows() {
    let mut top = top(3);
    let mut news = live(3);
    let kernel = OwnerRow { owner: "kernel".to_owned(), share: 0.1, ..OwnerRow::default() };
    news.snapshot.owners = vec![owner("nginx.service", "nginx", 5_000), kernel];
    top.news(News::Live(news));
    press(&mut top, "8");
    let lines = screen(&mut top, 80, 24);
    let line = &lines[row(&lines, "nginx.service")];
    assert!(line.contains("50.0 %") && line.contains("5.0 kB"), "{line}");
    press(&mut top, "\n");
    assert_eq!((top.tab, top.filter()), (Tab::Flows, "unit nginx.service and process nginx"));
    press(&mut top, "8j\n");
    assert_eq!(top.filter(), "owner kernel");
}

#[test]
fn names_that_strangers_chose_stay_text_and_in_their_columns() {
    let mut top = top(3);
    let mut news = live(3);
    news.snapshot.owners =
        vec![owner(&"u".repeat(200), HOSTILE, 1), owner(HOSTILE, "\u{202e}x", 2), owner("", "", 3)];
    top.news(News::Live(news));
    press(&mut top, "8");
    for width in [44, 80, 200] {
        for line in screen(&mut top, width, 24) {
            assert!(!line.contains(['\x1b', '\u{202e}', '\r', '\n']), "{line:?}");
        }
    }
}

#[test]
fn a_flow_shows_its_process_and_opens_with_all_of_its_owner() {
    let mut top = top(1);
    let mut news = live(1);
    for (field, value) in [("owner", "user"), ("process", "curl"), ("unit", "cron.service")] {
        news.flows[0].owned.insert(field.to_owned(), value.into());
    }
    top.news(News::Live(news));
    let lines = screen(&mut top, 160, 24);
    assert!(lines[row(&lines, "CLIENT")].contains("PROCESS"), "{lines:?}");
    assert!(lines[row(&lines, "n1.example.com")].contains("curl"), "{lines:?}");
    press(&mut top, "\n");
    let lines = screen(&mut top, 160, 40);
    row(&lines, "cron.service");
}

#[test]
fn a_capture_says_that_it_knows_no_owners() {
    let mut top =
        Top::new(Viewed::Capture("a.pcap".to_owned()), Tab::Owners, String::new(), Window::default());
    top.news(News::Live(live(0)));
    row(&screen(&mut top, 80, 24), "a capture does not say whose its flows are");
}
