//! The page for everybody: axe-core finds nothing, in light and dark, on a desk and on a phone.

use std::{env, fs};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::agent::cable;

use super::rig::{Page, Site, agent};

/// axe-core's source; `cargo xtask page` brings it.
fn axe() -> String {
    let path = env::var("WEIR_TEST_AXE").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../target/page/node_modules/axe-core/axe.min.js").to_owned()
    });
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}; `cargo xtask test` brings it"))
}

fn show(page: &Page<'_>, scheme: &str, width: u32) {
    let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    page.browser.devtools("Emulation.setEmulatedMedia", &media);
    let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
    page.browser.devtools("Emulation.setDeviceMetricsOverride", &size);
    page.wait_for(
        "the width",
        &format!("innerWidth === {width} && matchMedia('(prefers-color-scheme: {scheme})').matches"),
    );
}

/// Everything that axe finds, and what does not fit the width.
fn assert_accessible(page: &Page<'_>, what: &str) {
    let found = page.browser.script_later(
        "const done = arguments[arguments.length - 1]; \
         axe.run(document).then(result => done(result.violations.flatMap(violation => \
         violation.nodes.map(node => [violation.id, node.html.slice(0, 200), node.failureSummary]))), error => done(String(error)))",
    );
    assert_eq!(found, json!([]), "{what}");
    assert_eq!(
        page.value("document.documentElement.scrollWidth <= innerWidth"),
        true,
        "{what}: wider than the window"
    );
}

#[test]
fn axe_finds_no_violation_in_light_and_dark_on_desk_and_phone() {
    let axe = axe();
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let mut agent = agent(&here);
    for name in ["www.example.org", "example.net", "a.long.name.of.a.site.that.does.not.fit.example.com"] {
        site.fetch(name, 1);
    }
    let _slow = site.receive("slow.example.org");
    let page = Page::open(&here, "");
    page.wait_for("areas", "document.querySelectorAll('.treemap li.domain').length === 3");
    // Half a minute, as the driver has it, is not enough for axe where many others want the processor too.
    page.browser.post("/timeouts", &json!({ "script": 300_000 }));
    page.browser.script(&axe);
    for (scheme, width) in [("light", 1400), ("light", 390), ("dark", 390), ("dark", 1400)] {
        show(&page, scheme, width);
        assert_accessible(&page, &format!("all traffic, {scheme}, {width}"));
    }
    for panel in ["throughput", "domains", "map"] {
        page.show_table(panel);
    }
    assert_accessible(&page, "tables");
    page.browser.script("location.hash = '#domain=example.org&filter=bytes %3E'");
    page.wait_for("a domain", "!!document.querySelector('.wrong')");
    assert_accessible(&page, "a domain and an error, dark");
    show(&page, "light", 390);
    page.browser.script("location.hash = '#domain=example.org'");
    // The one that goes on: another may have ended when it is asked for.
    let flow =
        "[...document.querySelectorAll('.flows tbody a')].find(a => a.innerText === 'slow.example.org')";
    page.wait_for("a flow", &format!("!!{flow}"));
    page.browser.script(&format!("{flow}.click()"));
    page.wait_for("its timeline", "!!document.querySelector('.sides')");
    assert_accessible(&page, "a flow, light, 390");
    agent.process.signal(Signal::SIGTERM);
    agent.process.end();
    page.wait_for_status("Disconnected since");
    assert_accessible(&page, "weir is away");
}
