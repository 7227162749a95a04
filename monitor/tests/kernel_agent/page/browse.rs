//! Finding one's way: filter, sort, and what happens when weir is away.

use nix::sys::signal::Signal;

use crate::{agent::cable, netns::wait_for, webdriver::missing};

use super::rig::{Page, Site, agent};

const ENTER: &str = "\u{e007}";

#[test]
fn the_filter_of_the_api_chooses_and_headings_sort() {
    if missing() {
        return;
    }
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    let _big = site.receive("big.example.org");
    let page = Page::open(&here, "");
    // It is ahead by more than a second's bytes before the other begins.
    page.wait_for(
        "its bytes",
        "Number(document.querySelector('.flows tbody td:nth-child(6) data')?.value) > 200000",
    );
    let _slow = site.receive("slow.example.net");
    page.wait_for("both flows", "document.querySelectorAll('.flows tbody tr').length === 2");
    page.browser.click("#filter");
    page.browser.keys(&format!("bytes > 150k and domain example.org{ENTER}"));
    page.wait_for("one flow", "document.querySelectorAll('.flows tbody tr').length === 1");
    assert_eq!(page.text(".flows tbody th a"), "big.example.org");
    assert_eq!(
        page.value("new URLSearchParams(location.hash.slice(1)).get('filter')"),
        "bytes > 150k and domain example.org"
    );
    assert_eq!(page.complaints(), [""; 0]);
    // What is wrong is said in the words of the API, and the flows are still there.
    page.browser.script("location.hash = '#filter=' + encodeURIComponent('byte > 1')");
    page.wait_for("an error", "!!document.querySelector('.wrong[role=alert]')");
    assert!(page.text(".wrong").contains("bytes"), "{}", page.text(".wrong"));
    page.wait_for("both flows again", "document.querySelectorAll('.flows tbody tr').length === 2");
    page.browser.script("location.hash = '#'");
    let sorted = |sort: &str, first: &str| {
        page.browser.click(&format!(".flows thead th:nth-child({sort}) button"));
        let heading = format!(".flows thead th:nth-child({sort})[aria-sort]");
        page.wait_for("the order", &format!("!!document.querySelector('{heading}')"));
        wait_for("the first flow", || (page.text(".flows tbody th a") == first).then_some(()));
    };
    sorted("6", "big.example.org");
    sorted("10", "slow.example.net");
    sorted("7", "big.example.org");
}

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
