//! What helps one to find, keep and read: search, completion, keys, files, units, columns.

use serde_json::json;

use crate::{agent::cable, netns::wait_for};

use super::rig::{ENTER, Page, Site, agent};

const ESCAPE: &str = "\u{e00c}";

/// Notes what the page gives the browser to save.
const NOTE_FILES: &str = "window.files = []; const make = URL.createObjectURL; \
    URL.createObjectURL = blob => { const file = { type: blob.type, size: blob.size, text: '' }; \
    blob.text().then(text => { file.text = text; }); window.files.push(file); return make.call(URL, blob); };";

/// Words within tables that stand on more than one line.
const BROKEN: &str = "[...document.querySelectorAll('table th, table td')].flatMap(cell => { \
    const found = []; \
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT); \
    for (let node = walker.nextNode(); node; node = walker.nextNode()) { \
      for (const word of node.data.matchAll(/[A-Za-z0-9]{2,}/g)) { \
        const range = document.createRange(); \
        range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length); \
        if (new Set([...range.getClientRects()].map(rect => Math.round(rect.top))).size > 1) found.push(word[0]); \
      } \
    } \
    return found; })";

#[test]
fn a_word_finds_flows_and_keys_and_completion_help_to_write_it() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    let _one = site.receive("shop.example.org");
    let _other = site.receive("slow.example.net");
    let page = Page::open(&here, "");
    page.wait_for("both flows", "document.querySelectorAll('.flows tbody tr').length === 2");
    // The host is what a tab is told from another by.
    page.wait_for("the title", "/^\\S+ – Weir$/.test(document.title)");
    page.browser.keys("?");
    page.wait_for("help", "!!document.querySelector('[role=dialog], dialog[open]')");
    page.browser.keys(ESCAPE);
    page.wait_for("no help", "!document.querySelector('[role=dialog], dialog[open]')");
    page.browser.keys("/");
    page.wait_for("the filter", "document.activeElement.id === 'filter'");
    page.browser.keys("dom");
    page.wait_for(
        "a completion",
        "[...document.querySelectorAll('#filter-words option')].some(option => option.value === 'domain ')",
    );
    // A word that is no filter is looked for in names, addresses and all other texts.
    page.browser.script("document.getElementById('filter').select()");
    page.browser.keys(&format!("shop{ENTER}"));
    page.wait_for("one flow", "document.querySelectorAll('.flows tbody tr').length === 1");
    assert_eq!(page.text(".flows tbody th a"), "shop.example.org");
}

#[test]
fn flows_are_saved_as_csv_the_chart_as_png_and_the_unit_is_kept() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    let _one = site.receive("shop.example.org");
    let page = Page::open(&here, "");
    page.wait_for("a flow", "document.querySelectorAll('.flows tbody tr').length === 1");
    page.browser.script(NOTE_FILES);
    page.press(".flows .export button");
    page.wait_for("a table", "window.files.some(file => file.type === 'text/csv' && file.text)");
    let table = page.value("window.files[0].text");
    let lines: Vec<&str> = table.as_str().expect("a text").lines().collect();
    assert!(lines[0].starts_with("start,last,interface,transport,client_ip"), "{lines:?}");
    assert!(lines.len() == 2 && lines[1].contains("shop.example.org"), "{lines:?}");
    page.press(".throughput .export button");
    page.wait_for("a picture", "window.files.some(file => file.type === 'image/png' && file.size > 1000)");

    let unit = || page.text(".throughput .hero .unit");
    assert!(unit().ends_with("bit/s"), "{}", unit());
    page.press("button[aria-pressed=false].quiet");
    wait_for("bytes", || unit().ends_with("B/s").then_some(()));
    page.browser.script("location.reload()");
    page.wait_for_status("Live");
    wait_for("bytes again", || unit().ends_with("B/s").then_some(()));
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn no_column_breaks_a_word_at_1280_pixels_and_on_a_phone() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    for name in ["www.example.org", "a.long.name.of.a.site.that.does.not.fit.example.com"] {
        site.fetch(name, 2);
    }
    let _slow = site.receive("slow.example.net");
    let page = Page::open(&here, "");
    page.wait_for("areas", "document.querySelectorAll('.treemap li.domain').length === 3");
    for width in [1280, 390] {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        page.browser.devtools("Emulation.setDeviceMetricsOverride", &size);
        page.wait_for("the width", &format!("innerWidth === {width}"));
        assert_eq!(page.value(BROKEN), json!([]), "{width}");
        assert_eq!(page.value("document.documentElement.scrollWidth <= innerWidth"), true, "{width}");
    }
}
