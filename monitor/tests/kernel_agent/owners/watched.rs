//! Owners where people look: the live snapshot, the terminal, the filter, and what is said of them beforehand.

use serde_json::Value;

use super::{ALL, Group, Maker, flow, maker, text};
use crate::agent::{Agent, THERE, cable, weir};
use crate::netns::{Namespace, wait_for};

fn live(agent: &Agent<'_>) -> Value {
    serde_json::from_str(&agent.get("/api/v1/live?window=300", "").body).expect("JSON")
}

fn of<'a>(live: &'a Value, rows: &str, field: &str, name: &str) -> Vec<&'a Value> {
    let rows = live[rows].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter(|row| row[field].as_str().is_some_and(|text| text.ends_with(name))).collect()
}

fn bytes(row: &Value) -> f64 {
    ["received_bytes", "transmitted_bytes"].iter().filter_map(|field| row[*field].as_f64()).sum()
}

#[test]
fn the_snapshot_has_every_byte_by_unit_and_process_and_the_map_begins_with_them() {
    let (Some(web), Some(cron)) = (Group::new("web.service"), Group::new("cron.service")) else { return };
    let (here, there) = cable();
    // What asks for the numbers passes lo, and changes them.
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    for (group, name) in [(&web, "nginx"), (&web, "php"), (&cron, "curl")] {
        Maker::of(group.within(&maker(&here, &[name, "tcp", THERE, "7001"]))).ended();
    }
    let snapshot = wait_for("three owners", || {
        let live = live(&agent);
        let snapshot = live.get("snapshot").unwrap_or(&live).clone();
        (of(&snapshot, "owners", "unit", "cron.service").len() == 1
            && of(&snapshot, "owners", "unit", "web.service").len() == 2
            && of(&snapshot, "map", "unit", "cron.service").len() == 1)
            .then_some(snapshot)
    });
    let [curl] = &of(&snapshot, "owners", "unit", "cron.service")[..] else { panic!("{snapshot:#}") };
    assert_eq!((curl["process"].as_str(), curl["connections"].as_u64()), (Some("curl"), Some(1)), "{curl:#}");
    let found = flow(&agent, "process curl");
    assert_eq!(
        bytes(curl),
        found["sent"]["bytes"].as_f64().expect("bytes") + found["received"]["bytes"].as_f64().expect("bytes")
    );
    let [path] = &of(&snapshot, "map", "process", "curl")[..] else { panic!("{snapshot:#}") };
    assert_eq!(path["bytes"].as_f64(), Some(bytes(curl)));
    // Every byte is somebody's, and all shares are one.
    let page = agent.wait_for_drains();
    let all: f64 = live_rows(&agent).iter().map(bytes).sum();
    assert_eq!(all, page.sum("weir_owner_io_bytes_total", &[]));
    let shares: f64 = live_rows(&agent).iter().filter_map(|row| row["share"].as_f64()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    let once = weir(&here, &["top", "--once", "--tab=owners"]).output().expect("weir top");
    let shown = String::from_utf8_lossy(&once.stdout);
    assert!(shown.contains("cron.service") && shown.contains("curl"), "{shown}");
}

fn live_rows(agent: &Agent<'_>) -> Vec<Value> {
    let live = live(agent);
    live.get("snapshot").unwrap_or(&live)["owners"].as_array().cloned().unwrap_or_default()
}

#[test]
fn the_kernel_s_flows_are_found_by_a_word_and_text_finds_processes() {
    let (here, there) = cable();
    let agent = Agent::start(&here, ALL);
    super::make_refused(&there);
    let refused = flow(&agent, "owner kernel");
    assert_eq!(refused["server_port"].as_u64(), Some(7009), "{refused:#}");
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    super::make(&here, &["needle", "tcp", THERE, "7001"]);
    assert_eq!(text(&flow(&agent, "\"needle\""), "process"), "needle");
}

#[test]
fn where_owners_are_off_nothing_is_shown_of_them() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--owners.enabled=false"]);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    super::make(&here, &["someone", "tcp", THERE, "7001"]);
    flow(&agent, "server port 7001");
    assert_eq!(live_rows(&agent), [Value::Null; 0]);
}

/// What is said of something, by all that `weir check` says.
fn said(ns: &Namespace, arguments: &[&str]) -> impl Fn(&str) -> Option<(String, String)> {
    let output = weir(ns, &[&["check", "--json"][..], arguments].concat()).output().expect("weir check");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    move |name| {
        let found = report["checks"].as_array()?.iter().find(|check| check["name"] == name)?;
        Some((text(found, "outcome").to_owned(), text(found, "detail").to_owned()))
    }
}

#[test]
fn check_says_what_of_owners_this_host_allows() {
    let (here, _there) = cable();
    let whole = said(&here, &[]);
    let (outcome, detail) = whole("owners").expect("a line");
    assert!(outcome == "ok" && detail.contains("control groups"), "{detail}");
    assert_eq!(whole("owners: processes").expect("a line").0, "ok");
    assert_eq!(whole("owners: sockets").expect("a line").0, "ok");
    let (outcome, detail) = said(&here, &["--ingress=xdp"])("owners").expect("a line");
    assert!(outcome == "limited" && detail.contains("--ingress tc"), "{detail}");
    let off = said(&here, &["--owners.enabled=false"]);
    let (outcome, detail) = off("owners").expect("a line");
    assert!(outcome == "limited" && detail.contains("owners.enabled"), "{detail}");
    assert_eq!(off("owners: processes"), None);
}
