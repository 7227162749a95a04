use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use monitor_common::abi::{Address, Direction, Flow, FlowKey, HookCounters, Side};
use monitor_core::engine::EngineConfig;
use monitor_core::payload::{Payload, Talks, TcpHeader};
use monitor_core::totals::{InterfaceTotals, Io};

use super::families::{ALL, NETWORK_PACKETS, TCP_COUNTERS};
use super::series;
use super::*;
use crate::telemetry::{MapUse, ProgramRuns};

fn whole_page(format: Format) -> String {
    let kernel = KernelStatus {
        attached: vec![("eth0".to_owned(), "tc_ingress")],
        differences: vec![("eth0".to_owned(), Direction::Receive, -1.0)],
        programs: vec![ProgramRuns { name: "tc_ingress".to_owned(), runs: 7, seconds: 0.25 }],
        maps: vec![MapUse { name: "FLOWS".to_owned(), entries: 3, max_entries: 64 }],
        lost_samples: vec![("ring_full", 2)],
    };
    let own = Own::new().unwrap();
    own.drain_seconds.observe(0.003);
    let events = Events::default();
    let context = Context {
        kernel: &kernel,
        own: &own,
        events: &events,
        created: true,
        config_ok: true,
        undirected: Some(4),
    };
    let mut engine =
        Engine::new(EngineConfig { peers: true, owners: every_owner(), ..EngineConfig::default() }, 0);
    conversation(&mut engine);
    String::from_utf8(write(&engine, &context, format, Vec::new())).unwrap()
}

/// A query of DNS that cannot be read to its end, and a request with a password.
fn conversation(engine: &mut Engine) {
    let mut talks = Talks::default();
    let mut say = |slot: u32, protocol: u8, port: u16, bytes: &[u8]| {
        let flow = Flow::default();
        flow.head.key.set(&FlowKey {
            lower: Address::from_v4_octets([10, 0, 0, 1]),
            upper: Address::from_v4_octets([10, 0, 0, 2]),
            lower_port: 40_000,
            upper_port: port,
            protocol,
            ip_version: 4,
            ..FlowKey::default()
        });
        let tcp = (protocol == 6).then_some(TcpHeader { seq: 1, ack: None, syn: false, urgent: 0 });
        let length = bytes.len() as u32;
        let payload = Payload { time: 1, sender: Side::Lower, bytes, length, tcp };
        engine.payload(slot, &flow, &payload, &mut talks);
    };
    say(0, 17, 53, b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x41\0\x01");
    say(1, 17, 53, b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x07exam");
    say(2, 6, 80, b"GET /<script> HTTP/1.1\r\nHost: a\r\n\r\n");
    say(3, 6, 80, b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2VjcmV0\r\n\r\n");
}

#[test]
fn protocols_are_on_the_page_in_known_words() {
    let page = whole_page(Format::Text);
    for line in [
        "weir_dns_queries_total{kind=\"dns\",qtype=\"HTTPS\"} 1\n",
        "weir_parse_failures_total{protocol=\"dns\",reason=\"truncated\"} 1\n",
        "weir_http_requests_total{method=\"GET\"} 2\n",
        "weir_findings_total{kind=\"cleartext_credentials\"} 1\n",
        "weir_findings_total{kind=\"old_tls\"} 0\n",
        "weir_fanout_sources{kind=\"hosts\",scope=\"local\"} 0\n",
        "weir_dns_latency_seconds_count 0\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    assert!(!page.contains("c2VjcmV0") && !page.contains("<script"), "{page}");
}

#[test]
fn an_interface_shows_what_it_has_counted_and_one_series_from_the_start() {
    let mut page = Page::new(Format::Text, Vec::new());
    let mut interfaces = ["eth0", "silent"].map(|name| InterfaceTotals::new(name.to_owned(), None));
    let icmp = HookCounters::class(58, 6);
    interfaces[0].io[Direction::Receive.index()][icmp] = Io { packets: 2, bytes: 200 };
    totals::network(&mut page, &NETWORK_PACKETS, &interfaces, |io| io.packets);
    let page = String::from_utf8(page.finish()).unwrap();
    let shown: Vec<_> = page.lines().filter(|l| l.starts_with("weir_network_io_packets_total{")).collect();
    let labels = |interface, direction, transport, version| {
        format!(
            "interface=\"{interface}\",direction=\"{direction}\",transport=\"{transport}\",ip_version=\"{version}\""
        )
    };
    let expected = [
        format!("weir_network_io_packets_total{{{}}} 0", labels("eth0", "receive", "tcp", 4)),
        format!("weir_network_io_packets_total{{{}}} 2", labels("eth0", "receive", "icmpv6", 6)),
        format!("weir_network_io_packets_total{{{}}} 0", labels("eth0", "transmit", "tcp", 4)),
        format!("weir_network_io_packets_total{{{}}} 0", labels("silent", "receive", "tcp", 4)),
        format!("weir_network_io_packets_total{{{}}} 0", labels("silent", "transmit", "tcp", 4)),
    ];
    assert_eq!(shown, expected);
}

/// All that is counted by owner.
fn every_owner() -> monitor_core::engine::OwnerConfig {
    monitor_core::engine::OwnerConfig {
        units: true,
        processes: true,
        users: true,
        containers: true,
        unit_domains: true,
        container_domains: true,
    }
}

#[test]
fn every_family_has_help_and_is_there_once() {
    let page = whole_page(Format::OpenMetrics);
    let mut seen = BTreeSet::new();
    for line in page.lines().filter(|l| l.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(seen.insert(name.to_owned()), "{name} twice");
        assert!(page.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
    for family in ALL.iter().chain(series::ALL).chain(owners::ALL).chain(TCP_COUNTERS.iter().flatten()) {
        assert!(seen.contains(family.name), "{} is not on the page", family.name);
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn samples_stand_under_their_own_family() {
    for format in [Format::Text, Format::OpenMetrics] {
        let page = whole_page(format);
        let mut family = String::new();
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                rest.split(' ').next().unwrap().clone_into(&mut family);
            } else if !line.starts_with('#') {
                assert!(line.starts_with(&family), "{line} under {family}");
            }
        }
    }
}

/// Debian's package prometheus has promtool; in CI its absence is a failure.
#[test]
fn promtool_finds_nothing_to_say() {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
            let mut out = std::io::stderr();
            writeln!(out, "skipped: promtool is not installed (package prometheus)").unwrap();
            return;
        }
        Err(e) => panic!("promtool: {e}"),
    };
    child.stdin.take().unwrap().write_all(whole_page(Format::Text).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
