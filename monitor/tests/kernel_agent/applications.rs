//! What real programs do, as both ends of them see it.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
};

use monitor::clock::Stopwatch;
use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, HERE, HERE6, Running, THERE, THERE6, cable, pause},
    capture::{self, Capture, Sent, Table},
    exposition::Page,
    netns::{Namespace, wait_for},
    traffic::{self, Ending},
};

/// Sums of what one address sent to or from a port.
fn sent(table: &Table, protocol: u8, from: &str, port: Option<u16>) -> Sent {
    let from: IpAddr = from.parse().expect("an address");
    let mut sum = Sent::default();
    for (key, sent) in table {
        if key.0 == protocol && key.1 == from && port.is_none_or(|p| key.2 == p || key.4 == p) {
            sum.packets += sent.packets;
            sum.bytes += sent.bytes;
            sum.syn += sent.syn;
            sum.syn_ack += sent.syn_ack;
            sum.fin += sent.fin;
            sum.rst += sent.rst;
            sum.psh += sent.psh;
        }
    }
    sum
}

/// The flags on the page are those that the capture has.
fn assert_flags(page: &Page, direction: &str, sent: Sent) {
    for (flag, count) in [
        ("syn", sent.syn),
        ("syn_ack", sent.syn_ack),
        ("fin", sent.fin),
        ("rst", sent.rst),
        ("psh", sent.psh),
    ] {
        let labels = [("flag", flag), ("direction", direction)];
        assert_eq!(page.sum("weir_tcp_flags_total", &labels), count as f64, "{flag} {direction}");
    }
}

/// Waits until somebody listens on a port.
fn wait_for_listener(ns: &Namespace, port: u16) {
    wait_for("a listener", || (!ns.sh(&format!("ss -Hlnt 'sport = :{port}'")).is_empty()).then_some(()));
}

#[test]
fn both_ends_of_http_requests_agree_with_the_wire() {
    const REQUESTS: f64 = 5.0;
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("page"), vec![b'p'; 200_000]).expect("a page");
    let path = directory.path().to_str().expect("a path");
    let _server = Running::start(
        there.command("python3", &["-m", "http.server", "8080", "--bind", THERE, "--directory", path]),
    );
    wait_for_listener(&there, 8080);
    let service = "--services=8080/tcp=pages";
    let client = Agent::start(&here, &["--interface=eth0", service]);
    let server = Agent::start(&there, &["--interface=eth1", service]);
    let capture = Capture::start(&here, "eth0");
    let clock = Stopwatch::start();
    for _ in 0..REQUESTS as u32 {
        here.sh(&format!("curl -sf -o /dev/null http://{THERE}:8080/page"));
    }
    let all = clock.elapsed().as_secs_f64();
    let table = capture.finish(|| capture::mark(&here, THERE));
    let (up, down) = (sent(&table, 6, HERE, Some(8080)), sent(&table, 6, THERE, Some(8080)));
    assert!(down.bytes > 1_000_000 && up.fin >= 5, "{up:?} {down:?}");
    for (agent, role, outwards, inwards) in [(&client, "client", up, down), (&server, "server", down, up)] {
        let labels = |direction| {
            [
                ("transport", "tcp"),
                ("server_port", "8080"),
                ("service", "pages"),
                ("role", role),
                ("direction", direction),
            ]
        };
        agent.wait_for_sum("weir_service_io_bytes_total", &labels("transmit"), outwards.bytes as f64);
        agent.wait_for_sum("weir_service_io_bytes_total", &labels("receive"), inwards.bytes as f64);
        let attempts = [("role", role), ("result", "established")];
        let page = agent.wait_for_sum("weir_tcp_connection_attempts_total", &attempts, REQUESTS);
        assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[]), REQUESTS);
        assert_eq!(page.sum("weir_service_io_packets_total", &labels("receive")), inwards.packets as f64);
        assert_flags(&page, "transmit", outwards);
        assert_flags(&page, "receive", inwards);
        // A peer in the same network, one observation a connection.
        let peer = [("role", role), ("scope", "local")];
        for name in ["weir_tcp_handshake_seconds", "weir_tcp_first_response_seconds"] {
            assert_eq!(page.sum(&format!("{name}_count"), &peer), REQUESTS, "{name}");
            assert_eq!(page.sum(&format!("{name}_count"), &[]), REQUESTS, "{name}");
            let sum = page.sum(&format!("{name}_sum"), &peer);
            assert!(sum > 0.0 && sum < all, "{name}: {sum} of {all}");
        }
        let samples = page.sum("weir_tcp_rtt_seconds_count", &peer);
        assert!(samples >= 1.0, "no round trip at the {role}");
        assert!(page.sum("weir_tcp_rtt_seconds_sum", &peer) / samples < all);
    }
}

#[test]
fn latencies_are_those_of_the_path() {
    // A request that waits 300 ms for its answer.
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let address = SocketAddr::new(THERE.parse().expect("an address"), 7000);
    let listener = there.enter(|| TcpListener::bind(address)).expect("listen");
    let (mut connecting, mut all) = (0.0, 0.0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            there.enter(|| {
                let (mut stream, _) = listener.accept().expect("accept");
                stream.read_exact(&mut [0; 7]).expect("the request");
                // The time that a server takes is what is measured here.
                pause(std::time::Duration::from_millis(300));
                stream.write_all(b"answer").expect("answer");
            });
        });
        here.enter(|| {
            let begin = Stopwatch::start();
            let mut stream = TcpStream::connect(address).expect("connect");
            connecting = begin.elapsed().as_secs_f64();
            stream.write_all(b"request").expect("ask");
            stream.read_exact(&mut [0; 6]).expect("the answer");
            all = begin.elapsed().as_secs_f64();
        });
    });
    let name = "weir_tcp_first_response_seconds";
    let page = agent.wait_for_sum(&format!("{name}_count"), &[], 1.0);
    let seconds = page.sum(&format!("{name}_sum"), &[]);
    // Whoever asks waits longer than is seen on the wire.
    assert!((0.29..all).contains(&seconds), "{seconds} of {all}");
    assert!(page.quantile(name, &[], 1.0) >= 0.3);
    let handshake = page.sum("weir_tcp_handshake_seconds_sum", &[]);
    assert!(handshake > 0.0 && handshake <= connecting, "{handshake} of {connecting}");
}

#[test]
fn iperf3_in_all_directions_agrees_with_the_wire() {
    let (here, there) = cable();
    let _server = Running::start(there.command("iperf3", &["-s", "-B", THERE]));
    wait_for_listener(&there, 5201);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let capture = Capture::start(&here, "eth0");
    for mode in ["-n 4M", "-n 4M -R", "-u -b 100M -n 1M -l 1200", "-u -b 100M -n 1M -l 1200 -R"] {
        here.sh(&format!("iperf3 -c {THERE} {mode}"));
    }
    let table = capture.finish(|| capture::mark(&here, THERE));
    for (transport, protocol) in [("tcp", 6), ("udp", 17)] {
        for (direction, from) in [("transmit", HERE), ("receive", THERE)] {
            let theirs = sent(&table, protocol, from, Some(5201));
            assert!(theirs.bytes > 1_000_000, "{transport} {direction}: {theirs:?}");
            for (unit, count) in [("bytes", theirs.bytes), ("packets", theirs.packets)] {
                let name = format!("weir_service_io_{unit}_total");
                let labels = [
                    ("transport", transport),
                    ("server_port", "5201"),
                    ("role", "client"),
                    ("direction", direction),
                ];
                agent.wait_for_sum(&name, &labels, count as f64);
            }
        }
    }
    let page = agent.wait_for_drains();
    assert_eq!(page.unaccounted(), 0.0);
    // A control connection and a data connection each, and in UDP mode the control connection alone.
    let attempts = [("role", "client"), ("result", "established")];
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &attempts), 6.0);
}

#[test]
fn a_port_scan_is_refused_attempts_and_no_series() {
    let (here, there) = cable();
    let scanner = Agent::start(&here, &["--interface=eth0"]);
    let scanned = Agent::start(&there, &["--interface=eth1"]);
    let capture = Capture::start(&here, "eth0");
    here.sh(&format!("nmap -sS -n -Pn --max-retries 2 --disable-arp-ping -p 1-300 {THERE}"));
    here.sh(&format!("nping --tcp --flags syn -p 401-420 -c 1 --rate 200 -q {THERE}"));
    let table = capture.finish(|| capture::mark(&here, THERE));
    let here: IpAddr = HERE.parse().expect("an address");
    // nping may ask one port twice: that is one attempt.
    let attempts = table.keys().filter(|key| key.0 == 6 && key.1 == here).count() as f64;
    assert!(attempts > 310.0, "{attempts}");
    for (agent, role) in [(&scanner, "client"), (&scanned, "server")] {
        let refused = [("role", role), ("result", "refused")];
        let page = agent.wait_for_sum("weir_tcp_connection_attempts_total", &refused, attempts);
        assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[]), attempts);
        assert_eq!(page.values("weir_service_io_bytes_total", "server_port").len(), 1, "only other");
        let other = page.sum("weir_service_io_packets_total", &[("server_port", "other")]);
        assert!(other >= 2.0 * attempts, "{other}");
        assert_eq!(page.unaccounted(), 0.0);
    }
}

#[test]
fn attempts_end_each_in_their_own_way_and_open_connections_are_a_gauge() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--timeout.tcp=2s", "--timeout.fin=1s"]);
    for address in [THERE, THERE6] {
        traffic::refused(&here, address);
    }
    // Nobody has this address: the peer's stack drops what comes for it.
    here.sh("ip neigh replace 10.7.0.9 lladdr 02:00:00:00:00:99 dev eth0");
    let nobody: SocketAddr = "10.7.0.9:80".parse().expect("an address");
    let patience = std::time::Duration::from_millis(200);
    here.enter(|| assert!(TcpStream::connect_timeout(&nobody, patience).is_err()));
    traffic::tcp(&here, &there, THERE, 10, 10, Ending::Client);
    traffic::tcp(&there, &here, HERE, 10, 10, Ending::Reset);
    for (role, result, count) in [
        ("client", "refused", 2.0),
        ("client", "timed_out", 1.0),
        ("client", "established", 1.0),
        ("server", "established", 1.0),
    ] {
        let labels = [("role", role), ("result", result)];
        agent.wait_for_sum("weir_tcp_connection_attempts_total", &labels, count);
    }
    let page = agent.page();
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[]), 5.0);

    let established = [("state", "established")];
    let address = SocketAddr::new(HERE6.parse().expect("an address"), 7000);
    let listener = here.enter(|| TcpListener::bind(address)).expect("listen");
    let open = there.enter(|| TcpStream::connect(address)).expect("connect");
    let (accepted, _) = listener.accept().expect("accept");
    agent.wait_for("an open connection", |page| {
        // Nor is it idle for two seconds while a busy machine takes its time.
        (&open).write_all(b"on").expect("write");
        // What is left unread would make the close a reset.
        (&accepted).read_exact(&mut [0; 2]).expect("read");
        page.sum("weir_tcp_connections", &established) == 1.0
    });
    drop((open, accepted));
    agent.wait_for_sum("weir_tcp_connections", &[], 0.0);
    agent.wait_for_sum("weir_flows_active", &[("transport", "tcp")], 0.0);
    let page = agent.page();
    assert_eq!(
        page.sum("weir_flows_started_total", &[("transport", "tcp")]),
        page.sum("weir_flows_ended_total", &[("transport", "tcp")])
    );
    assert!(page.sum("weir_flows_ended_total", &[("transport", "tcp"), ("reason", "fin")]) >= 2.0);
    assert!(page.sum("weir_flows_ended_total", &[("transport", "tcp"), ("reason", "rst")]) >= 2.0);
    agent.stop(Signal::SIGTERM);
}
/// Retransmissions that tshark finds in what one address sent.
fn retransmissions(captured: &capture::Captured, from: &str) -> f64 {
    let filter = format!(
        "ip.src == {from} && (tcp.analysis.retransmission || tcp.analysis.fast_retransmission || \
         tcp.analysis.spurious_retransmission)"
    );
    let file = captured.file.to_str().expect("a path");
    let output = crate::netns::run("tshark", &["-n", "-r", file, "-Y", &filter]);
    String::from_utf8_lossy(&output.stdout).lines().count() as f64
}

#[test]
fn retransmissions_after_real_loss_are_those_that_tshark_finds() {
    let (here, there) = cable();
    // A bottleneck that drops: loss happens before the device `here`, which sees gaps and repairs.
    there.sh("tc qdisc add dev eth1 root tbf rate 40mbit burst 8k limit 12k");
    let _server = Running::start(there.command("iperf3", &["-s", "-B", THERE]));
    wait_for_listener(&there, 5201);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let capture = Capture::start(&here, "eth0");
    here.sh(&format!("iperf3 -c {THERE} -R -n 8M -P 2"));
    let captured = capture.end(|| capture::mark(&here, THERE));
    let theirs = retransmissions(&captured, THERE);
    assert!(theirs > 20.0, "no loss: {theirs}");
    let page = agent.wait_for_drains();
    let ours = page.sum("weir_tcp_retransmitted_packets_total", &[("direction", "receive")]);
    assert!(
        (ours - theirs).abs() <= 0.05 * theirs,
        "{ours} here, {theirs} in the capture: {}",
        page.not_zero()
    );
    assert!(page.sum("weir_tcp_duplicate_acks_total", &[("direction", "transmit")]) > 0.0);
}
