//! What happens when weir is away.

use nix::sys::signal::Signal;

use crate::{agent::cable, webdriver::missing};

use super::rig::{Page, Site, agent};

#[test]
fn the_page_says_that_weir_is_away_and_goes_on_when_it_is_back() {
    if missing() {
        return;
    }
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let mut first = agent(&here);
    let page = Page::open(&here, "#window=60");
    site.fetch("one.example.org", 1);
    page.wait_for("an area", "document.querySelectorAll('.treemap li.domain').length === 1");
    first.process.signal(Signal::SIGTERM);
    first.process.end();
    page.wait_for_status("No answer since");
    assert_eq!(
        page.value("document.querySelectorAll('.treemap li.domain').length"),
        1,
        "what was known stays"
    );
    let _second = agent(&here);
    page.wait_for_status("Live");
    site.fetch("two.example.net", 1);
    page.wait_for(
        "the new one's traffic alone",
        "document.querySelector('.treemap')?.innerText.includes('example.net') && \
         document.querySelectorAll('.treemap li.domain').length === 1",
    );
    // Pause holds the picture, and the stream is closed; the view has stayed.
    page.browser.click(".controls > .button");
    page.wait_for_status("Paused");
    site.fetch("three.example.com", 1);
    page.browser.click(".controls > .button");
    page.wait_for("what came meanwhile", "document.querySelectorAll('.treemap li.domain').length === 2");
    assert_eq!(page.value("location.hash"), "#window=60");
    // That nobody answered is all that it may complain of.
    let complaints = page.complaints();
    assert!(complaints.iter().all(|message| message.contains("net::ERR_")), "{complaints:?}");
}
