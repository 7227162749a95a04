//! Grafana's boards and Prometheus' rules over a real network: the demo's, with Weir on four hosts.

mod demo;
mod expected;
mod panels;
mod router;

use std::{os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use nix::sys::signal::Signal;

use demo::Demo;
use expected::{ALERTS, ALWAYS_ZERO, EXPECTED};
use panels::{Question, choices, questions};

use crate::netns::{DEADLINE, poll, wait_at_most, wait_for};

/// Until everything that the traffic does has happened, and the range of every query is full of it, which takes a
/// minute of its own.
const PATIENCE: Duration = Duration::from_mins(4);

/// What every board should show while all is well; else the queries that stay dark.
fn lit<'q>(demo: &Demo, questions: &'q [Question], patience: Duration) -> Result<(), Vec<[&'q str; 3]>> {
    let may_be_dark = |name: [&str; 3]| ALWAYS_ZERO.iter().any(|(known, _)| *known == name);
    let mut left: Vec<&Question> = questions.iter().collect();
    let all = poll(patience, || {
        // What was lit once need not stay so: a scan or a new name is over soon.
        left.retain(|question| !question.is_lit(demo));
        left.iter().all(|question| may_be_dark(question.name())).then_some(())
    });
    all.ok_or_else(|| left.iter().map(|question| question.name()).collect())
}

#[test]
fn every_panel_shows_what_the_traffic_did_and_nothing_without_weir() {
    let demo = Demo::start(&[]);
    let questions = questions();
    assert!(questions.len() > 128, "{}", questions.len());
    // A configuration that cannot be read is shown too.
    let settings = std::fs::read_to_string(demo.settings("router")).expect("settings");
    std::fs::write(demo.settings("router"), "no such thing").expect("settings");
    demo.signal("router", Signal::SIGHUP);
    // A host that was there and is silent now shows as such only once it is: last of all.
    let silent = ["weir-hosts", "Down", "silent"];
    let (silent, others): (Vec<_>, Vec<_>) =
        questions.into_iter().partition(|question| question.name() == silent);
    lit(&demo, &others, PATIENCE).unwrap_or_else(|dark| panic!("dark: {dark:?}"));
    for (name, why) in ALWAYS_ZERO {
        let question = others.iter().find(|question| question.name() == *name).expect("a query");
        let shown: Vec<f64> = question.ask(&demo, ".*").iter().map(|series| series.value).collect();
        assert_eq!(shown, [0.0], "{name:?}: {why}");
    }
    std::fs::write(demo.settings("router"), settings).expect("settings");
    for expected in EXPECTED {
        expected.wait_for(&demo, &others);
    }
    for (variable, values) in choices(&demo) {
        let must = match variable.as_str() {
            "job" => "weir",
            "instance" => "router",
            "interface" => "wan0",
            "domain" => "video.example",
            other => panic!("{other}: {values:?}"),
        };
        assert!(values.contains(must), "{variable}: {values:?}");
    }
    for record in demo.rules().lines().filter_map(|line| line.trim().strip_prefix("- record: ")) {
        wait_for(record, || (!demo.ask(record).is_empty()).then_some(()));
    }
    for (alert, instance) in ALERTS {
        wait_for_alert(&demo, alert, instance);
    }

    let held = demo.hold_drains("web");
    wait_for_alert(&demo, "WeirNotDraining", "web");
    drop(held);

    demo.signal("router", Signal::SIGKILL);
    wait_for("a silent host", || (silent[0].ask(&demo, ".*").first()?.value == 1.0).then_some(()));
    wait_for_alert(&demo, "WeirDown", "router");

    for host in ["desk", "laptop", "web"] {
        demo.signal(host, Signal::SIGKILL);
    }
    wait_at_most(PATIENCE, "the dark", || {
        others.iter().all(|question| !question.is_lit(&demo)).then_some(())
    });
    // The very check from above.
    let dark = lit(&demo, &others, Duration::ZERO).expect_err("light without Weir");
    assert_eq!(dark.len(), others.len());
}

fn wait_for_alert(demo: &Demo, alert: &str, instance: &str) {
    let expression =
        format!("ALERTS{{alertname=\"{alert}\", instance=\"{instance}\", alertstate=\"firing\"}}");
    let fires = poll(DEADLINE, || (!demo.ask(&expression).is_empty()).then_some(()));
    fires.unwrap_or_else(|| panic!("{expression} is not among {:?}", demo.ask("ALERTS")));
}

/// The processes in these network namespaces.
fn processes(networks: &[u64]) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
    let is_in = |process: &PathBuf| {
        std::fs::metadata(process.join("ns/net")).is_ok_and(|network| networks.contains(&network.ino()))
    };
    all.filter(is_in).collect()
}

#[test]
fn a_demo_ends_after_its_seconds_and_leaves_nothing() {
    // Long enough for four scrapes on a machine that does much else.
    let mut demo = Demo::start(&["--seconds=30"]);
    let up = || demo.ask("count(up{job=\"weir\"} == 1)").first().map(|series| series.value);
    wait_for("four hosts", || (up() == Some(4.0)).then_some(()));
    let places = demo.places();
    assert!(places.len() == 5 && places.iter().all(|place| place.exists()), "{places:?}");
    let networks = demo.networks();
    assert!(!processes(&networks).is_empty(), "its hosts run something");
    demo.end();
    assert!(places.iter().all(|place| !place.exists()), "{places:?}");
    wait_for("nothing of it to run", || processes(&networks).is_empty().then_some(()));
    let said = demo.process.stdout();
    for part in ["http://127.0.0.1:", "Dashboards > New > Import", "/dashboards"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
