//! TCP health, DNS, services and events show what was done, as others count it.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
};

use monitor::clock::Stopwatch;

use crate::{
    agent::{Agent, Running, THERE, cable, plain},
    names::wait_for_listener,
    netns::{DEADLINE, Namespace, poll, uninterrupted, wait_for},
    traffic,
};

use super::rig::{Page, Site, agent};

/// Numbers of a row's cells by what the row is called, rows of the same name one after the other.
type Rows = Vec<(String, Vec<f64>)>;

/// The facts of a panel.
fn facts(page: &Page<'_>, panel: &str) -> Rows {
    let facts = page.value(&format!(
        "[...document.querySelectorAll('.{panel} .facts > div')].map(row => [row.querySelector('dt').textContent, \
         [...row.querySelectorAll('data')].map(data => Number(data.value))])"
    ));
    serde_json::from_value(facts).expect("facts")
}

fn number(rows: &Rows, name: &str) -> Option<f64> {
    rows.iter().find(|(row, _)| row == name)?.1.first().copied()
}

/// Waits until each of these rows has the number.
fn wait_for_rows(page: &Page<'_>, panel: &str, expected: &[(&str, f64)]) {
    let mut rows = Rows::new();
    let seen = poll(DEADLINE, || {
        rows = page.rows(panel);
        expected.iter().all(|(name, n)| number(&rows, name) == Some(*n)).then_some(())
    });
    assert!(seen.is_some(), "{panel}: {rows:?}, not {expected:?}");
}

/// A counter of TCP as the kernel of a namespace has it.
fn kernel(ns: &Namespace, name: &str) -> f64 {
    let text = ns.sh("grep ^Tcp: /proc/net/snmp");
    let mut lines = text.lines().map(str::split_whitespace);
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    names.zip(values).find(|(known, _)| *known == name).expect("the counter").1.parse().expect("a number")
}

#[test]
fn connections_are_those_of_the_kernel_and_attempts_those_that_were_made() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let _agent = agent(&here);
    let page = Page::open(&here, "");
    let _open = [site.receive("one.example.org"), site.receive("two.example.org")];
    for _ in 0..7 {
        traffic::refused(&here, THERE);
    }
    let now = || here.sh(&format!("ss -Htn state established dst {THERE}")).lines().count() as f64;
    wait_for("two connections", || (now() == 2.0).then_some(()));
    wait_for_rows(&page, "tcp", &[("established", 2.0), ("refused", 7.0)]);
    let attempts = page.value(
        "[...[...document.querySelectorAll('.tcp table.tally')].at(-1).querySelectorAll('data')].map(d => Number(d.value))",
    );
    assert_eq!(attempts, serde_json::json!([7, 2]), "refused and established");
    assert_eq!(page.complaints(), [""; 0]);
}

/// A server behind a router with a queue that is slow and short, and the way to it.
const FAR: &str = "10.8.0.2";

fn far(here: &Namespace, router: &Namespace) -> Namespace {
    let far = Namespace::new();
    router.join("far0", &far, "eth2", 8);
    plain(router, "far0");
    plain(&far, "eth2");
    router.sh("sysctl -qw net.ipv4.ip_forward=1");
    here.ip("route add 10.8.0.0/24 via 10.7.0.2");
    far.ip("route add 10.7.0.0/24 via 10.8.0.1");
    router.sh("tc qdisc add dev far0 root tbf rate 8mbit burst 8k limit 40k");
    far
}

#[test]
fn loss_and_round_trips_are_those_of_the_kernel() {
    let (here, router) = cable();
    let far = far(&here, &router);
    let _agent = agent(&here);
    let page = Page::open(&here, "");
    let (_open, trip) = upload(&here, &far);
    let again = kernel(&here, "RetransSegs");
    // What was lost did not arrive.
    let ratio = again / (kernel(&far, "InSegs") + kernel(&far, "OutSegs") + again);
    assert!(ratio > 0.002, "no loss: {ratio}");
    let mut shown = Rows::new();
    let near = |name: &str, shown: &Rows, truth: f64, part: f64| {
        number(shown, name).is_some_and(|shown| (shown - truth).abs() <= part * truth)
    };
    let seen = poll(DEADLINE, || {
        shown = facts(&page, "tcp");
        // One is the middle by segments, the other by time: near each other, and far from the handshake's, which met
        // an empty queue.
        let is = near("Retransmissions", &shown, ratio, 0.2)
            && near("RTT, median", &shown, trip, 0.6)
            && number(&shown, "Handshake, median").is_some_and(|handshake| handshake < trip / 4.0);
        is.then_some(())
    });
    assert!(seen.is_some(), "{shown:?}: {ratio} were sent again, a round trip took {trip} s");
    assert_eq!(page.complaints(), [""; 0]);
}

/// Sends two million bytes. Returns the open connection, and the round trip in seconds that its kernel has in the
/// middle of the time.
fn upload(here: &Namespace, there: &Namespace) -> (TcpStream, f64) {
    const BYTES: usize = 2_000_000;
    let listener = there.enter(|| TcpListener::bind((FAR, 9100))).expect("a listener");
    let client = here.enter(|| TcpStream::connect((FAR, 9100))).expect("a connection");
    let mut sender = client.try_clone().expect("the connection");
    let sent = std::thread::spawn(move || {
        let (mut server, _) = listener.accept().expect("the connection");
        std::thread::scope(|scope| {
            scope.spawn(|| server.read_exact(&mut vec![0; BYTES]).expect("all bytes"));
            sender.write_all(&vec![0; BYTES]).expect("room");
        });
    });
    let mut trips = Vec::new();
    wait_for("all bytes to be sent", || {
        let told = here.sh(&format!("ss -Htin dst {FAR} dport = :9100"));
        let trip = told.split(" rtt:").nth(1).and_then(|rest| rest.split('/').next()?.parse::<f64>().ok());
        trips.extend(trip);
        sent.is_finished().then_some(())
    });
    sent.join().expect("all bytes");
    trips.sort_by(f64::total_cmp);
    (client, trips[trips.len() / 2] / 1000.0)
}

/// Asks for the address of a name; nobody waits for the answer.
fn ask(socket: &UdpSocket, id: u16, name: &str) {
    let mut query = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    socket.send_to(&query, (THERE, 53)).expect("a query");
}

#[test]
fn dns_is_what_was_asked_and_answered() {
    let (here, there) = cable();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel_agent/page/answers.py");
    let _server = Running::start(there.command("python3", &[script, THERE]));
    wait_for_listener(&there, "u", 53);
    let _agent = agent(&here);
    let page = Page::open(&here, "");
    let socket = here.enter(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
    let names = [
        ("ok.example.org", 6),
        ("missing.example.net", 3),
        ("broken.example.com", 2),
        ("mute.example.org", 1),
    ];
    let all = names.iter().flat_map(|(name, times)| std::iter::repeat_n(*name, *times));
    let asked = Stopwatch::start();
    for (id, name) in all.enumerate() {
        ask(&socket, id as u16, name);
    }
    // Whoever asks waits longer for the last answer than is seen on the wire of any.
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    for _ in 0..6 + 3 + 2 {
        uninterrupted(|| socket.recv(&mut [0; 512])).expect("an answer");
    }
    let longest = asked.elapsed().as_secs_f64();
    // Codes, and names with how often they were asked for.
    wait_for_rows(
        &page,
        "dns",
        &[
            ("NOERROR", 6.0),
            ("NXDOMAIN", 3.0),
            ("SERVFAIL", 2.0),
            ("ok.example.org", 6.0),
            ("missing.example.net", 3.0),
            ("broken.example.com", 2.0),
            ("mute.example.org", 1.0),
        ],
    );
    let rows = page.rows("dns");
    for (name, errors) in [("ok.example.org", 0.0), ("missing.example.net", 3.0), ("broken.example.com", 2.0)]
    {
        let row = rows.iter().find(|(row, _)| row == name).expect("a name");
        assert_eq!(row.1[1], errors, "{name}");
    }
    let shown = facts(&page, "dns");
    for fact in ["Response time, median", "Response time, p95"] {
        let latency = number(&shown, fact).expect("a time");
        // What is shown lies anywhere in a bucket, whose bounds are 2.5 apart.
        assert!((0.15..2.5 * longest).contains(&latency), "{fact}: {shown:?}, {longest}");
    }
    // It takes ten seconds until nobody waits for an answer any more.
    wait_for("the query without an answer", || {
        (number(&facts(&page, "dns"), "Unanswered") == Some(1.0)).then_some(())
    });
    assert_eq!(page.complaints(), [""; 0]);
}

/// Bytes on the wire from and to a port, as netfilter counted them.
fn counted(here: &Namespace, port: u16) -> f64 {
    let json = here.sh("nft -j list counters");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let counters = json["nftables"].as_array().expect("counters").iter().map(|entry| &entry["counter"]);
    let of = counters.filter(|counter| counter["name"] == format!("port-{port}"));
    // The frame around each packet is not netfilter's.
    of.map(|c| c["bytes"].as_f64().unwrap_or(0.0) + 14.0 * c["packets"].as_f64().unwrap_or(0.0)).sum()
}

#[test]
fn services_have_the_bytes_that_netfilter_counts() {
    const SERVICES: [(&str, u16, u32); 3] =
        [("http-alt", 8080, 4), ("28001", 28_001, 2), ("28002", 28_002, 1)];
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let rules = |chain: &str, side: &str| {
        let rule = |port| format!("add rule inet count {chain} tcp {side} {port} counter name port-{port};");
        SERVICES.map(|(_, port, _)| rule(port)).concat()
    };
    let counters = SERVICES.map(|(_, port, _)| format!("add counter inet count port-{port};")).concat();
    here.sh(&format!(
        "nft 'add table inet count; {counters} add chain inet count in {{ type filter hook input priority 0; }}; \
         add chain inet count out {{ type filter hook output priority 0; }}; {} {}'",
        rules("in", "sport"),
        rules("out", "dport"),
    ));
    // The same pages over other ports.
    for (_, port, _) in &SERVICES[1..] {
        there.sh(&format!(
            "nft 'add table ip ports; add chain ip ports in {{ type nat hook prerouting priority -100; }}; \
             add rule ip ports in tcp dport {port} redirect to :8080'"
        ));
    }
    let _agent = agent(&here);
    let page = Page::open(&here, "");
    for (_, port, times) in SERVICES {
        for _ in 0..times {
            site.fetch_from(port, "www.example.org");
        }
    }
    let mut rows = Rows::new();
    let seen = poll(DEADLINE, || {
        rows = page.rows("services");
        let same = |(name, port, _): &(&str, u16, u32)| {
            let row = rows.iter().find(|(row, _)| row == name);
            row.is_some_and(|(_, numbers)| numbers[1] == counted(&here, *port))
        };
        (SERVICES.iter().all(same) && rows.len() == SERVICES.len()).then_some(())
    });
    let truth = SERVICES.map(|(_, port, _)| counted(&here, port));
    assert!(seen.is_some(), "{rows:?}, not {truth:?}");
    let all: f64 = truth.iter().sum();
    for ((name, ..), bytes) in SERVICES.iter().zip(truth) {
        let (_, numbers) = rows.iter().find(|(row, _)| row == name).expect("a row");
        assert!((numbers[0] - bytes / all).abs() < 1e-9, "{name}: {rows:?}");
    }
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn events_tell_each_thing_once() {
    let (here, _there) = cable();
    let _agent = Agent::start(
        &here,
        &["--interface=eth*", "--drain-interval=1s", "--fanout.ports=20", "--fanout.window=60s"],
    );
    let page = Page::open(&here, "");
    let events = || -> Vec<(String, String)> {
        let rows = page.value(
            "[...document.querySelectorAll('.events .log li')].map(li => [li.className, li.querySelector('bdi').textContent])",
        );
        serde_json::from_value(rows).expect("events")
    };
    let times = |kind: &str, text: &str| {
        events().iter().filter(|(class, said)| class == kind && said.contains(text)).count()
    };
    here.ip("link add eth7 type veth peer name other7");
    wait_for("the new interface", || (times("info", "eth7 is counted") == 1).then_some(()));
    here.ip("link del eth7");
    // Each is refused.
    here.enter(|| {
        for port in 3000..3100 {
            assert!(TcpStream::connect((THERE, port)).is_err());
        }
    });
    let expected = [
        ("info", "eth0 is counted"),
        ("info", "eth7 is counted"),
        ("info", "eth7 is no longer counted"),
        ("warning", "10.7.0.1 reached"),
        ("warning", "a second refused"),
    ];
    wait_for("all events, once", || expected.iter().all(|(kind, text)| times(kind, text) == 1).then_some(()));
    let told = events();
    let reached = told.iter().find(|(_, text)| text.contains("reached")).expect("the scan");
    let ports: u32 =
        reached.1.split(' ').find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{reached:?}"));
    assert!((20..=100).contains(&ports), "{reached:?}");
    assert_eq!(page.complaints(), [""; 0]);
}
