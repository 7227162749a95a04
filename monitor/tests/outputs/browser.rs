//! The page of a report in a real browser.

use std::fs;

use serde_json::json;

use super::{
    Place, capture, text,
    webdriver::{Browser, missing},
    weir,
};

const HOSTILE: [&str; 8] = [
    "<script>document.title='owned'</script>.example",
    "\"><img src=x onerror=console.error(1)>.example",
    "' onclick='console.error(2)",
    "javascript:console.error(3)",
    "</title></style></script><b id=owned>",
    "&lt;b&gt;.example",
    "\u{202e}moc.elpmaxe",
    "www.example.com",
];

#[test]
fn a_page_opens_without_complaint_whatever_names_are_in_it() {
    if missing() {
        return;
    }
    let place = Place::new();
    let (hostile, page) = (place.path("hostile.pcap"), place.path("page.html"));
    fs::write(&hostile, capture::named(&HOSTILE)).unwrap();
    let output = weir(&["pcap", &hostile, "--html", &page]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output.stderr));
    let browser = Browser::start();
    browser.open(&format!("file://{page}"));
    assert_eq!(browser.console(), json!([]));
    assert_eq!(browser.get("/title"), json!("Network report: hostile.pcap"));
    assert!(browser.elements("#owned, img, svg script, main a").is_empty());
    let domains = browser.texts("#domains tbody td:first-child");
    for name in ["www.example.com", "<script>document.title='owned'</script>.example"] {
        assert!(domains.iter().any(|domain| domain == name), "{name}: {domains:?}");
    }
    assert!(browser.elements("figure svg").len() >= 4);
}

#[test]
fn headings_sort_their_table_and_rows_below_go_with_theirs() {
    if missing() {
        return;
    }
    let place = Place::new();
    let (named, page) = (place.path("named.pcap"), place.path("page.html"));
    fs::write(&named, capture::named(&["a.one.com", "a.two.com", "b.two.com", "a.three.com"])).unwrap();
    assert!(weir(&["pcap", &named, "--html", &page]).status.success());
    let browser = Browser::start();
    browser.open(&format!("file://{page}"));
    let rows = || browser.texts("#domains tbody td:first-child");
    let by_bytes = rows();
    assert_eq!(
        by_bytes,
        ["two.com", "b.two.com", "a.two.com", "three.com", "a.three.com", "one.com", "a.one.com"]
    );
    browser.click("#domains th:first-child button");
    assert_eq!(
        rows(),
        ["one.com", "a.one.com", "three.com", "a.three.com", "two.com", "b.two.com", "a.two.com"]
    );
    assert_eq!(browser.elements("#domains th[aria-sort=ascending]").len(), 1);
    browser.click("#domains th:nth-child(4) button");
    assert_eq!(rows(), by_bytes);
    assert_eq!(browser.console(), json!([]));
}
