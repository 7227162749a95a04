//! What is one connection and what are many: silence longer than the timeout, and ports that are used again at once.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
};

use nix::sys::{
    signal::Signal,
    socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket,
        sockopt::{Linger, ReuseAddr},
    },
};

use crate::{
    agent::{Agent, THERE, THERE6, cable},
    netns::Namespace,
};

/// Ports that say nothing of who serves.
const SERVER: u16 = 50_000;

/// A connection in which a request of HTTP was answered.
fn opened(here: &Namespace, there: &Namespace, address: &str) -> [TcpStream; 2] {
    let address = SocketAddr::new(address.parse().expect("an address"), SERVER);
    let listener = there.enter(|| TcpListener::bind(address)).expect("listen");
    let mut client = here.enter(|| TcpStream::connect(address)).expect("connect");
    let (mut server, _) = listener.accept().expect("accept");
    let request = b"GET /events HTTP/1.1\r\nHost: events.example.org\r\n\r\n";
    client.write_all(request).expect("write");
    server.read_exact(&mut vec![0; request.len()]).expect("read");
    let response = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    server.write_all(response).expect("write");
    client.read_exact(&mut vec![0; response.len()]).expect("read");
    [client, server]
}

#[test]
fn a_connection_that_the_server_resumes_after_the_timeout_is_the_one_that_it_was() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let records = directory.path().join("records.json");
    let arguments = [
        "--interface=eth0",
        "--timeout.tcp=2s",
        "--timeout.fin=1s",
        &format!("--json={}", records.display()),
    ];
    let agent = Agent::start(&here, &arguments);
    let mut connections = [THERE, THERE6].map(|address| opened(&here, &there, address));
    let tcp = [("transport", "tcp")];
    let idle = [("transport", "tcp"), ("reason", "idle")];
    agent.wait_for_sum("weir_flows_ended_total", &idle, 2.0);
    assert_eq!(agent.wait_for_drains().sum("weir_flows_remembered", &[]), 2.0);
    for [client, server] in &mut connections {
        server.write_all(b"data: late\n\n").expect("write");
        client.read_exact(&mut [0; 12]).expect("read");
    }
    let page = agent.wait_for_sum("weir_flows_resumed_total", &[], 2.0);
    assert_eq!(page.sum("weir_flows_started_total", &tcp), 2.0, "no second connection");
    assert_eq!(page.sum("weir_domain_connections_total", &[]), 2.0);
    drop(connections);
    agent.wait_for_sum("weir_flows_ended_total", &[("transport", "tcp"), ("reason", "fin")], 2.0);
    let page = agent.wait_for_drains();
    assert_eq!(page.unaccounted(), 0.0);
    assert_eq!(page.sum("weir_unresolved_io_bytes_total", &tcp), 0.0);
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[]), 2.0);
    agent.stop(Signal::SIGTERM);

    let text = std::fs::read_to_string(&records).expect("records");
    let flows: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter(|record| record["record"] == "flow" && record["transport"] == "tcp")
        .collect();
    for flow in &flows {
        assert_eq!(flow["server_port"], SERVER, "{flow}");
        assert_eq!(flow["name"], "events.example.org", "{flow}");
    }
    for address in [THERE, THERE6] {
        let of: Vec<_> = flows.iter().filter(|flow| flow["server_ip"] == address).collect();
        assert!(of.len() >= 2, "{text}");
        assert!(of.iter().all(|flow| flow["id"] == of[0]["id"] && flow["start"] == of[0]["start"]), "{text}");
        assert_eq!(of[of.len() - 1]["end_reason"], "fin");
    }
}

/// Connects from a port, asks, has the answer, and frees the port at once.
fn visit(port: u16) {
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    setsockopt(&fd, ReuseAddr, &true).expect("reuse");
    let from: SocketAddrV4 = format!("0.0.0.0:{port}").parse().expect("an address");
    bind(fd.as_raw_fd(), &SockaddrIn::from(from)).expect("bind");
    let to: SocketAddrV4 = format!("{THERE}:{SERVER}").parse().expect("an address");
    connect(fd.as_raw_fd(), &SockaddrIn::from(to)).expect("connect");
    let mut stream = TcpStream::from(fd);
    stream.write_all(b"ask").expect("write");
    stream.read_exact(&mut [0; 6]).expect("read");
    setsockopt(&stream, Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).expect("linger");
}

#[test]
fn each_of_many_connections_from_few_ports_within_a_drain_is_measured() {
    const VISITS: u16 = 600;
    let (here, there) = cable();
    // From both ends, and none of them reads its table before most connections are over.
    let agents = [(&here, "--interface=eth0"), (&there, "--interface=eth1")]
        .map(|(ns, device)| Agent::start(ns, &[device, "--drain-interval=3s", "--timeout.rst=1h"]));
    let listener = there.enter(|| TcpListener::bind((THERE, SERVER))).expect("listen");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..VISITS {
                let (mut stream, _) = listener.accept().expect("accept");
                stream.read_exact(&mut [0; 3]).expect("read");
                stream.write_all(b"answer").expect("write");
                // Until the client's reset: the port is the client's to free.
                let _ = stream.read(&mut [0]);
            }
        });
        here.enter(|| (0..VISITS).for_each(|n| visit(40_000 + n % 3)));
    });
    for agent in &agents {
        let all = f64::from(VISITS);
        let established = [("result", "established")];
        agent.wait_for_sum("weir_tcp_connection_attempts_total", &established, all);
        let page = agent.wait_for_drains();
        assert_eq!(page.sum("weir_flows_started_total", &[("transport", "tcp")]), 3.0, "slots");
        assert_eq!(page.sum("weir_tcp_handshake_seconds_count", &[]), all);
        assert_eq!(page.sum("weir_tcp_first_response_seconds_count", &[]), all);
        assert_eq!(page.sum("weir_tcp_unmeasured_connections_total", &[]), 0.0);
        assert_eq!(page.unaccounted(), 0.0);
    }
}
