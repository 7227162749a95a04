//! Clients that mean no good, or do not know better: others are served, and nothing is left behind.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::{
    agent::{ADDRESS, Agent, THERE, cable, get},
    netns::{DEADLINE, Namespace},
    rights::USER,
    traffic,
};

/// Sends bytes as they are; what comes back until the server closes, which it must within the deadline. One who
/// `ends` says no more after it; a server need not answer somebody who left in the middle of a request.
fn raw(ns: &Namespace, request: &[u8], ends: bool) -> Vec<u8> {
    ns.enter(|| {
        let mut stream = TcpStream::connect(ADDRESS).expect("connect");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        // The server may close before it has read all.
        let _ = stream.write_all(request);
        if ends {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // Closed before all was read, the connection is reset, which may overtake the answer.
            Err(e) if e.kind() != ErrorKind::ConnectionReset => panic!("neither answered nor closed: {e}"),
            _ => answer,
        }
    })
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[test]
fn a_hundred_scrapes_at_once_are_all_answered_with_whole_pages() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    traffic::udp(&here, &there, THERE, 5, 50);
    agent.wait_for_drains();
    let pages: Vec<_> = here.enter(|| {
        std::thread::scope(|scope| {
            let ask = |n: usize| {
                let encoding = ["", "Accept-Encoding: identity\r\n"][n % 2];
                move || get(ADDRESS, "/metrics", encoding)
            };
            let asked: Vec<_> = (0..100).map(|n| scope.spawn(ask(n))).collect();
            asked.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        })
    });
    for page in pages {
        let page = page.expect("an answer");
        assert_eq!(page.status, 200, "{}", page.body);
        let page = crate::exposition::Page::text(&page.body);
        assert!(page.sum("weir_network_io_packets_total", &[("transport", "udp")]) >= 10.0);
    }
    let page = agent.wait_for_drains();
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
}

#[test]
fn garbage_and_requests_beyond_bounds_are_refused_and_leave_nothing() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let before = agent.wait_for_drains();
    let long = "a".repeat(100_000);
    let fields = "X-Field: 1\r\n".repeat(200);
    let beyond: [(Vec<u8>, &[u16]); 4] = [
        (format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n").into(), &[431]),
        (format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").into(), &[431]),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").into(), &[414, 431]),
        (vec![0; 70_000], &[400]),
    ];
    let served = |what: &str| assert_eq!(agent.get("/-/healthy", "").status, 200, "after {what}");
    for (request, expected) in &beyond {
        let answer = raw(&here, request, false);
        let begin = String::from_utf8_lossy(request.get(..60).unwrap_or(request)).into_owned();
        assert!(status(&answer).is_none_or(|s| expected.contains(&s)), "{begin:?}: {answer:?}");
        served(&begin);
    }
    // These are read whole, so that nothing can overtake the answer.
    let small: [(Vec<u8>, u16); 5] = [
        (
            format!(
                "GET /api/v1/flows?filter={} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                "(".repeat(8000)
            )
            .into(),
            400,
        ),
        (b"GET /metrics HTTP/9.9\r\n\r\n".to_vec(), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello of TLS".to_vec(), 400),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n".to_vec(), 413),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"
                .to_vec(),
            413,
        ),
    ];
    for (request, expected) in &small {
        let answer = raw(&here, request, false);
        let begin = String::from_utf8_lossy(request.get(..60).unwrap_or(request)).into_owned();
        assert_eq!(status(&answer), Some(*expected), "{begin:?}: {}", String::from_utf8_lossy(&answer));
        served(&begin);
    }
    // Bytes that mean nothing, the same in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in 1..200 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        let answer = raw(&here, &bytes, true);
        // What is no whole line yet when its sender ends is closed without a word.
        assert!(matches!(status(&answer), None | Some(400)), "{bytes:?}: {answer:?}");
        if length % 20 == 0 {
            served("bytes that mean nothing");
        }
    }
    let fds = |page: &crate::exposition::Page| page.sum("process_open_fds", &[]);
    agent.wait_for("all connections to be closed", |page| fds(page) <= fds(&before));
    let page = agent.wait_for_drains();
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    let log = agent.process.stderr();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_process_out_of_descriptors_counts_on_and_serves_again_when_it_has_some() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let open = agent.page().sum("process_open_fds", &[]);
    let limit = format!("--nofile={0}:{0}", open + 4.0);
    // A user sets limits of its own processes, also where root may not set those of others.
    let user = format!("setpriv --reuid={USER} --regid={USER} --clear-groups");
    here.sh(&format!("{user} prlimit --pid {} {limit}", agent.process.id()));
    // Each takes a descriptor as long as it is open, and says nothing.
    let idle: Vec<_> =
        here.enter(|| (0..40).map(|_| TcpStream::connect(ADDRESS).expect("connect")).collect());
    agent.process.wait_for_log(&["accept_failed"]);
    traffic::udp(&here, &there, THERE, 7, 50);
    drop(idle);
    let udp = [("interface", "eth0"), ("transport", "udp")];
    let page = agent.wait_for_sum("weir_network_io_packets_total", &udp, 14.0);
    assert!(page.sum("weir_events_total", &[("event", "accept_failed")]) > 0.0);
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    // The log is not flooded by what fails again and again.
    let lines = agent.process.stderr().matches("accept_failed").count();
    assert!(lines < 200, "{lines}");
}

#[test]
fn readers_that_stop_reading_do_not_keep_others_from_their_pages() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    traffic::udp(&here, &there, THERE, 5, 50);
    // More pages than sockets buffer: each of these stalls with answers unsent.
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50);
    let stalled: Vec<TcpStream> = here.enter(|| {
        let connect = || {
            let mut stream = TcpStream::connect(ADDRESS).expect("connect");
            stream.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout");
            let _ = stream.write_all(&request);
            stream
        };
        (0..50).map(|_| connect()).collect()
    });
    for _ in 0..5 {
        agent.page();
    }
    let page = agent.wait_for_drains();
    assert_eq!(
        page.sum("weir_network_io_packets_total", &[("interface", "eth0"), ("transport", "udp")]),
        10.0
    );
    drop(stalled);
}
