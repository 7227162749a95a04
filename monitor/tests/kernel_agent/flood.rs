//! Floods: more flows than the table holds, from addresses that nobody has, and a process that is not
//! there to read them. The sums are exact all the same.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    agent::{Agent, HERE, THERE, cable, get, pause},
    exposition::Page,
    frames::{Raw, ethernet, ipv4, tcp, udp},
    netns::Namespace,
    traffic::{self, Ending},
};

/// Length of each frame of a flood: Ethernet's shortest, which is also what is counted.
const FRAME: u32 = 60;

/// The n-th frame of a flood: to one port of the victim, and every fourth a SYN to one of many.
fn spoofed(n: u32) -> Vec<u8> {
    let [_, a, b, c] = n.to_be_bytes();
    let port = 1024 + (n % 60_000) as u16;
    let (protocol, body) = if n.is_multiple_of(4) {
        (6, tcp(port, 1 + (n / 4 % 1000) as u16, n, 0, 0x02, b""))
    } else {
        (17, udp(port, 80, b"spoofed"))
    };
    ethernet(0x0800, &ipv4([11, a, b, c], [10, 7, 0, 1], protocol, &body))
}

fn flood(there: &Namespace, from: u32, to: u32) {
    let raw = Raw::open(there, "eth1");
    for n in from..to {
        raw.send(&spoofed(n));
    }
}

fn resident(page: &Page) -> f64 {
    page.sum("process_resident_memory_bytes", &[])
}

fn json(agent: &Agent<'_>, path: &str) -> Value {
    let answer = agent.get(path, "");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

#[test]
fn a_scan_flood_of_made_up_sources_costs_no_count_no_memory_and_no_connection() {
    const WARM: u32 = 100_000;
    const ALL: u32 = 400_000;
    let (here, there) = cable();
    // The connection is silent as long as the flood lasts, whatever that is on this machine.
    let arguments = ["--interface=eth0", "--max-flows=4096", "--timeout.pressure=1h"];
    let agent = Agent::start(&here, &arguments);
    let listener = here.enter(|| TcpListener::bind((HERE, 8443))).expect("listen");
    let mut client = there.enter(|| TcpStream::connect((HERE, 8443))).expect("connect");
    let (mut server, _) = listener.accept().expect("accept");
    client.write_all(&[b'u'; 1000]).expect("write");
    server.read_exact(&mut [0; 1000]).expect("read");
    agent.wait_for_drains();

    let received = |transport| [("interface", "eth0"), ("direction", "receive"), ("transport", transport)];
    let name = "weir_network_io_packets_total";
    flood(&there, 0, WARM);
    let warm = agent.wait_for_sum(name, &received("udp"), f64::from(WARM - WARM / 4));
    flood(&there, WARM, ALL);
    agent.wait_for_sum(name, &received("udp"), f64::from(ALL - ALL / 4));
    let page = agent.wait_for_drains();

    // Totals, to the packet and byte.
    let bytes = page.sum("weir_network_io_bytes_total", &received("udp"));
    assert_eq!(bytes, f64::from(ALL - ALL / 4) * f64::from(FRAME));
    let syn = page.sum("weir_network_io_packets_total", &received("tcp"));
    let connection = json(&agent, "/api/v1/flows?filter=port%208443");
    let flow = &connection["flows"][0];
    let its = |way: &str| flow[way]["packets"].as_f64().expect("a number");
    assert_eq!(syn, f64::from(ALL / 4) + its("sent"), "{flow}");
    assert_eq!((page.unaccounted(), page.sum("weir_conservation_violations_total", &[])), (0.0, 0.0));
    let overflow = page.sum("weir_overflow_packets_total", &[]);
    assert!(overflow > f64::from(ALL) / 10.0, "{overflow}");

    // The victim, although most of the flood had no slot; and not behind the ports that were scanned.
    let victims = json(&agent, "/api/v1/overflow");
    assert_eq!(victims["packets"].as_f64(), Some(overflow), "{victims}");
    let first = &victims["servers"][0];
    assert_eq!((&first["server_ip"], &first["server_port"]), (&HERE.into(), &80.into()), "{victims}");
    assert_eq!(first["transport"], "udp");
    assert_eq!(first["interface"], "eth0");

    // The connection was silent all the while, and is the same flow.
    assert_eq!(flow["state"], "established", "{flow}");
    client.write_all(&[b'u'; 234]).expect("write");
    server.read_exact(&mut [0; 234]).expect("read");
    agent.wait_for("the connection to go on", |_| {
        json(&agent, "/api/v1/flows?filter=port%208443")["flows"][0]["sent"]["payload_bytes"] == 1234
    });

    // Memory and descriptors: those of the table, not of the flood.
    let grown = resident(&page) - resident(&warm);
    assert!(grown < 8e6, "{grown} bytes more after three times as many");
    let descriptors = |page: &Page| page.sum("process_open_fds", &[]);
    agent.wait_for("the descriptors from before", |page| descriptors(page) <= descriptors(&warm));
    assert!(page.sum("weir_flows_active", &[]) <= 4096.0);
    assert!(!agent.process.stderr().contains("ERROR"), "{}", agent.process.stderr());
}

/// A query for `x.example` with an identifier.
fn query(n: u32) -> Vec<u8> {
    let [high, low] = (n as u16).to_be_bytes();
    let name = b"\x01x\x07example\0\0\x01\0\x01";
    let message = [&[high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name].concat();
    ethernet(0x0800, &ipv4([10, 7, 0, 2], [10, 7, 0, 1], 17, &udp(40_000 + (n % 8) as u16, 53, &message)))
}

/// Stops an agent with SIGSTOP while more comes than ring and table hold. What it lost is counted.
fn stands_still(at_least: Duration) {
    const QUERIES: u32 = 60_000;
    const FLOOD: u32 = 20_000;
    let (here, there) = cable();
    let agent = Agent::start(
        &here,
        &["--interface=eth0", "--max-flows=1024", "--samples.per-second=1M", "--samples.udp-packets=0"],
    );
    let raw = Raw::open(&there, "eth1");
    // Their flows have slots before the table is full.
    (0..8).for_each(|n| raw.send(&query(n)));
    let queries = |page: &Page| page.sum("weir_dns_queries_total", &[]);
    let lost = |page: &Page, reason| page.sum("weir_lost_samples_total", &[("reason", reason)]);
    agent.wait_for("the first queries", |page| queries(page) == 8.0);
    let before = agent.wait_for_drains();

    let stopped = monitor::clock::Stopwatch::start();
    agent.process.signal(Signal::SIGSTOP);
    // Who asks meanwhile is answered afterwards.
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| here.enter(|| get(crate::agent::ADDRESS, "/-/healthy", "")));
        (8..QUERIES).for_each(|n| raw.send(&query(n)));
        (0..FLOOD).for_each(|n| raw.send(&spoofed(n)));
        pause(at_least.saturating_sub(stopped.elapsed()));
        agent.process.signal(Signal::SIGCONT);
        asked.join().expect("no panic")
    });
    assert_eq!(asked.map(|answer| answer.status), Some(200));

    let udp = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
    let sent = QUERIES + FLOOD - FLOOD / 4;
    agent.wait_for_sum("weir_network_io_packets_total", &udp, f64::from(sent));
    let page = agent.wait_for_drains();
    assert_eq!((page.unaccounted(), page.sum("weir_conservation_violations_total", &[])), (0.0, 0.0));
    assert!(page.sum("weir_overflow_packets_total", &[]) > 10_000.0, "{}", page.not_zero());
    // Each message was read or is counted as lost.
    let gone = lost(&page, "ring_full") - lost(&before, "ring_full");
    assert!(gone > 0.0 && queries(&page) > 8.0, "{}", page.not_zero());
    assert_eq!(queries(&page) + gone, f64::from(QUERIES), "{}", page.not_zero());
    assert_eq!((lost(&page, "over_budget"), lost(&page, "unreadable")), (0.0, 0.0));

    // From now on nothing is lost.
    (0..100).for_each(|n| raw.send(&query(n)));
    let after = agent.wait_for("the next queries", |after| queries(after) == queries(&page) + 100.0);
    assert_eq!(lost(&after, "ring_full"), lost(&page, "ring_full"));
    traffic::tcp(&here, &there, THERE, 10, 10, Ending::Client);
    agent.wait_for("a connection", |page| {
        page.sum("weir_tcp_connection_attempts_total", &[("result", "established")]) >= 1.0
    });
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_process_that_stood_still_counts_its_losses_exactly_and_goes_on() {
    stands_still(Duration::ZERO);
}

#[test]
#[ignore = "takes half a minute; `cargo xtask soak` stops its agent for as long"]
fn so_does_one_that_stood_still_for_half_a_minute() {
    stands_still(Duration::from_secs(30));
}
