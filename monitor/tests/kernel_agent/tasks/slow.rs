//! "Is this connection slow, and whose fault": a network that is long, one that loses, a server and a client
//! that take their time.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use nix::sys::socket::{setsockopt, sockopt::RcvBuf};

use super::{Servers, addresses, fetch, page::Page, prompt, script};
use crate::{
    agent::{Agent, HERE, Running, THERE, plain},
    netns::{DEADLINE, Namespace, uninterrupted, wait_for},
};

const FAR: &str = "10.7.0.13";
const LOSSY: &str = "10.7.0.14";
const UNREAD: &str = "10.7.0.15";
/// Each way.
const DISTANCE_MS: u32 = 125;
const THOUGHT_MS: u32 = 300;

/// `here` and `there` with a road between them; see the script.
fn road() -> (Namespace, Namespace, Namespace, Running) {
    let (here, between, there) = (Namespace::new(), Namespace::new(), Namespace::new());
    for (ns, device, end, address) in [(&here, "eth0", "left", HERE), (&there, "eth1", "right", THERE)] {
        ns.ip(&format!("link add {device} type veth peer name {end} netns {}", between.name()));
        for (ns, device) in [(ns, device), (&between, end)] {
            ns.ip(&format!("link set {device} addrgenmode none"));
            ns.ip(&format!("link set {device} up"));
            plain(ns, device);
        }
        addresses(ns, device, &[address]);
    }
    let (script, distance) = (script("road.py"), DISTANCE_MS.to_string());
    let arguments = [&*script, "left", "right", FAR, &distance, LOSSY, "6"];
    let road = Running::start(prompt(&between, &arguments));
    wait_for("the road to open", || road.stdout().contains("open").then_some(()));
    (here, between, there, road)
}

/// A client that asks for more than it reads, until the server has waited for it some times.
fn read_late(here: &Namespace, there: &Namespace, name: &str) {
    let mut stream = here.enter(|| TcpStream::connect((UNREAD, 80))).expect("connect");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    // So that the kernel does not take in all of it for the client.
    setsockopt(&stream, RcvBuf, &65_536).expect("a small buffer");
    let request = format!("GET /2000000/0 HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    wait_for("the server to ask for the third time whether there is room", || {
        let sockets = there.sh(&format!("ss -HtnoiO state established 'src {UNREAD}'"));
        let (_, socket) = sockets.split_once("timer:(persist,")?;
        let (_, backoff) = socket.split_once("backoff:")?;
        let times: u32 = backoff.split_whitespace().next()?.parse().ok()?;
        (times >= 2).then_some(())
    });
    stream.read_to_end(&mut Vec::new()).expect("the answer");
}

/// The row of a name in the table of the slowest.
fn row<'a>(report: &'a str, name: &str) -> Vec<&'a str> {
    let line = report.lines().find(|line| line.trim_start().starts_with(name));
    line.unwrap_or_else(|| panic!("no row of {name} in\n{report}")).split_whitespace().collect()
}

fn longest_wait(life: &str) -> &str {
    life.lines()
        .find(|line| line.starts_with("waited "))
        .unwrap_or_else(|| panic!("nobody waited in\n{life}"))
}

#[test]
fn whose_fault_it_is_is_told_for_server_network_loss_and_client() {
    let (here, _between, there, _road) = road();
    addresses(&there, "eth1", &["10.7.0.11", "10.7.0.12", FAR, LOSSY, UNREAD]);
    let _servers = Servers::start(&there, &["443", "80"]);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let mut page = Page::open("slow-connection");
    let mut open = None;
    page.capture(&here, THERE, || {
        for _ in 0..3 {
            fetch(&here, "www.example.com", 443, "10.7.0.11", 50_000, 0);
            fetch(&here, "api.example.com", 80, "10.7.0.12", 2_000, THOUGHT_MS);
            fetch(&here, "far.example.net", 443, FAR, 20_000, 0);
        }
        fetch(&here, "shop.example.com", 443, "10.7.0.12", 2_000, THOUGHT_MS);
        fetch(&here, "download.example.org", 443, LOSSY, 400_000, 0);
        read_late(&here, &there, "video.example.net");
        // For those who ask what is going on now.
        let mut stream = here.enter(|| TcpStream::connect((FAR, 80))).expect("connect");
        stream.write_all(b"GET /1000/0 HTTP/1.1\r\nHost: far.example.net\r\n\r\n").expect("a request");
        let _ = uninterrupted(|| stream.read(&mut [0; 2_000])).expect("an answer");
        open = Some(stream);
    });
    agent.wait_for_drains();
    let outputs = page.follow(&here);
    for (name, whose) in [
        ("www.example.com", "OK"),
        ("api.example.com", "server"),
        ("far.example.net", "network"),
        ("download.example.org", "loss"),
        // What it takes for a page is hidden by TLS, but not from those who look at one connection.
        ("shop.example.com", "OK"),
        ("video.example.net", "client"),
    ] {
        assert_eq!(row(&outputs[0], name).last(), Some(&whose), "{name}:\n{}", outputs[0]);
    }
    let [_report, records, thinking, reading, live] = &outputs[..] else {
        panic!("{} commands", outputs.len())
    };
    for record in records.lines() {
        let record: serde_json::Value = serde_json::from_str(record).expect(record);
        let seconds = |key: &str| record[key].as_f64().expect(key);
        assert!(seconds("first_response_seconds") >= f64::from(THOUGHT_MS) / 1e3, "{record}");
        assert!(seconds("handshake_seconds") < seconds("first_response_seconds") / 3.0, "{record}");
    }
    assert_eq!(records.lines().count(), 3, "{records}");
    assert!(longest_wait(thinking).ends_with("for the server"), "{thinking}");
    assert!(longest_wait(reading).ends_with("for the client to read"), "{reading}");
    assert!(live.contains("far.example.net") && !live.contains("www.example.com"), "{live}");
    drop(open);
}
