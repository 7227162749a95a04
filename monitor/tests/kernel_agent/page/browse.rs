//! Finding one's way: drill-down, filter, sort, and what happens when weir is away.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    agent::{Agent, cable},
    netns::wait_for,
};

use super::rig::{ENTER, Page, Site, agent};

const TAB: &str = "\u{e004}";
const ESCAPE: &str = "\u{e00c}";

/// Presses Tab until what has the focus is as it should be.
fn tab_to(page: &Page<'_>, what: &str, condition: &str) {
    for _ in 0..80 {
        if page.value(&format!("(focused => {condition})(document.activeElement)")) == true {
            return;
        }
        page.browser.keys(TAB);
    }
    panic!("no way to {what} by keyboard");
}

#[test]
fn a_domain_leads_to_its_flows_and_a_flow_to_its_timeline_by_keyboard_alone() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    let _slow = site.receive("slow.example.org");
    let _other = site.receive("slow.example.net");
    let page = Page::open(&here, "");
    page.wait_for("two areas", "document.querySelectorAll('.treemap li.domain').length === 2");
    tab_to(&page, "a domain", "focused.closest('.treemap') && focused.innerText.includes('example.org')");
    page.browser.keys(ENTER);
    page.wait_for("the domain", "document.activeElement.matches('h2[data-place]')");
    assert_eq!(page.text("h2[data-place]"), "example.org");
    page.wait_for("its flow alone", "document.querySelectorAll('.flows tbody tr').length === 1");
    assert_eq!(page.text(".flows tbody th a"), "slow.example.org");
    tab_to(&page, "a flow", "!!focused.closest('.flows tbody')");
    page.browser.keys(ENTER);
    page.wait_for("its timeline", "!!document.querySelector('.throughput canvas')");
    assert!(page.text("h2[data-place]").starts_with("slow.example.org"));
    page.show_table("throughput");
    // The steps that are over sum up to what passed in them: no more than all, and the better part of it.
    wait_for("a timeline that grows", || {
        let steps = page.rows("throughput");
        let drawn: f64 = steps.iter().skip(1).map(|(_, numbers)| numbers[0]).sum();
        let passed = "Number(document.querySelectorAll('.sides tbody tr')[1].querySelector('data').value)";
        let passed = page.value(passed).as_f64().unwrap_or_default();
        (steps.len() > 4 && drawn > passed / 2.0 && drawn <= passed).then_some(())
    });
    page.browser.keys(ESCAPE);
    page.wait_for("the domain again", "document.querySelector('h2[data-place]').innerText === 'example.org'");
    page.browser.keys(ESCAPE);
    page.wait_for("all traffic again", "!!document.querySelector('.treemap') && location.hash === ''");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_name_without_a_domain_leads_to_its_flows_too() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    let _short = site.receive("router");
    let _other = site.receive("slow.example.net");
    let page = Page::open(&here, "");
    page.wait_for("two areas", "document.querySelectorAll('.treemap li.domain').length === 2");
    page.press(".treemap a[href='#domain=router']");
    page.wait_for("its flow alone", "document.querySelectorAll('.flows tbody tr').length === 1");
    assert_eq!(page.text(".flows tbody th a"), "router");
    assert_eq!(page.complaints(), [""; 0]);
}

/// Counts streams and what they say without news, and gives a silent one up after two thirds of the time.
const WATCHED: &str = "window.streams = 0; window.quiet = 0; const Real = EventSource; \
    window.EventSource = class extends Real { constructor(...all) { super(...all); streams += 1; \
    this.addEventListener('quiet', () => { quiet += 1; }); } }; const later = setTimeout; \
    window.setTimeout = (what, time, ...all) => later(what, time === 30000 ? 20000 : time, ...all);";

/// It lasts 30 s, most of which it waits: so long it takes to see that nothing is given up.
#[test]
fn a_stream_whose_drains_are_rare_is_not_given_up() {
    let (here, _there) = cable();
    let _agent = Agent::start(&here, &["--interface=eth0", "--drain-interval=60s"]);
    let page = Page::open(&here, "");
    page.browser.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WATCHED }));
    page.browser.devtools("Page.reload", &json!({}));
    page.wait_for("three events without news", "window.quiet >= 3");
    assert_eq!(page.value("streams"), 1);
    page.wait_for_status("Live");
}

/// Keeps the streams, and what each said last.
const KEPT: &str = "window.streams = []; const Real = EventSource; window.EventSource = class extends Real { \
    constructor(...all) { super(...all); streams.push(this); \
    this.addEventListener('live', message => { this.said = message.data; }); } };";

#[test]
fn a_clock_that_was_set_back_has_the_whole_hour_told_anew() {
    let (here, _there) = cable();
    let _agent = agent(&here);
    let page = Page::open(&here, "");
    page.browser.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": KEPT }));
    page.browser.devtools("Page.reload", &json!({}));
    // Steps that follow open nothing.
    let steps = "JSON.parse(window.streams?.[0]?.said ?? '{}').history?.received_bytes_per_second.length > 0";
    page.wait_for("a step", steps);
    assert_eq!(page.value("streams.length"), 1);
    // What weir says once its clock was set back by an hour; without a machine of one's own nobody may set it.
    page.browser.script(
        "const live = JSON.parse(streams[0].said); \
         live.history.start = new Date(new Date(live.history.start) - 3600e3).toISOString(); \
         streams[0].dispatchEvent(new MessageEvent('live', { data: JSON.stringify(live) }));",
    );
    page.wait_for("another stream that says something", "streams.length === 2 && !!streams[1].said");
    page.wait_for_status("Live");
    assert_eq!((page.value("streams[0].readyState"), page.complaints()), (json!(2), vec![]));
}

#[test]
fn the_filter_of_the_api_chooses_and_headings_sort() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    let _big = site.receive("big.example.org");
    let page = Page::open(&here, "");
    // It is ahead by more than a second's bytes before the other begins.
    page.wait_for(
        "its bytes",
        "Number(document.querySelector('.flows tbody td:nth-child(7) data')?.value) > 200000",
    );
    let _slow = site.receive("slow.example.net");
    page.wait_for("both flows", "document.querySelectorAll('.flows tbody tr').length === 2");
    page.focus("#filter");
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
        page.press(&format!(".flows thead th:nth-child({sort}) button"));
        let heading = format!(".flows thead th:nth-child({sort})[aria-sort]");
        page.wait_for("the order", &format!("!!document.querySelector('{heading}')"));
        wait_for("the first flow", || (page.text(".flows tbody th a") == first).then_some(()));
    };
    sorted("7", "big.example.org");
    sorted("12", "slow.example.net");
    sorted("8", "big.example.org");
}

#[test]
fn the_page_says_that_weir_is_away_and_goes_on_when_it_is_back() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let mut first = agent(&here);
    let page = Page::open(&here, "#window=60");
    site.fetch("one.example.org", 1);
    page.wait_for("an area", "document.querySelectorAll('.treemap li.domain').length === 1");
    first.process.signal(Signal::SIGTERM);
    first.process.end();
    page.wait_for_status("Disconnected since");
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
    page.press(".controls > .button");
    page.wait_for_status("Paused");
    site.fetch("three.example.com", 1);
    page.press(".controls > .button");
    page.wait_for("what came meanwhile", "document.querySelectorAll('.treemap li.domain').length === 2");
    assert_eq!(page.value("location.hash"), "#window=60");
    // That nobody answered is all that it may complain of.
    let complaints = page.complaints();
    assert!(complaints.iter().all(|message| message.contains("net::ERR_")), "{complaints:?}");
}
