//! Kinds of clients. Each goes on until it is over.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};

use crate::agent::{ADDRESS, pause};

/// Long enough for whoever waits in line.
const PATIENCE: Duration = Duration::from_secs(30);
/// All flows that an answer may have.
const MANY: &str = "/api/v1/flows?limit=100000";

/// A kind of client.
pub(super) type Mode = (&'static str, fn(&AtomicBool));

pub(super) const MODES: [Mode; 8] = [
    ("64 that ask for 100,000 flows and reset", resets),
    ("100 that ask for 100,000 flows and do not read", slow_readers),
    ("64 that ask for 100,000 flows", crowd),
    ("64 that watch different flows", watchers),
    ("64 that scrape", scrapers),
    ("1,000 connections that say nothing", silent),
    ("1,000 connections that say a byte a second", slow_speakers),
    ("64 that send garbage", garbage),
];

fn connect() -> Option<TcpStream> {
    let stream = TcpStream::connect(ADDRESS).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

fn ask(path: &str, fields: &str) -> Option<TcpStream> {
    let mut stream = connect()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    Some(stream)
}

/// Takes an answer: the body of one that says yes.
fn take(mut stream: TcpStream) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    answer.starts_with(b"HTTP/1.1 200").then(|| answer.split_off(end))
}

/// A scrape, as Prometheus asks for it; its compressed page, if it was answered.
pub(super) fn scrape() -> Option<Vec<u8>> {
    ask("/metrics", "Accept-Encoding: gzip\r\n").and_then(take)
}

/// Does something in many threads until it is over.
pub(super) fn many(threads: usize, over: &AtomicBool, work: impl Fn(usize) + Sync) {
    // Threads keep the namespace of the one that starts them.
    std::thread::scope(|scope| {
        for n in 0..threads {
            let work = &work;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    work(n);
                }
            });
        }
    });
}

fn resets(over: &AtomicBool) {
    many(64, over, |_| {
        if let Some(stream) = ask(MANY, "") {
            pause(Duration::from_millis(10));
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            let _ = setsockopt(&stream.as_fd(), sockopt::Linger, &linger);
        }
    });
}

fn slow_readers(over: &AtomicBool) {
    many(100, over, |_| {
        let Some(mut stream) = ask(MANY, "") else { return };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        while !over.load(Ordering::Relaxed) && matches!(stream.read(&mut [0; 1]), Ok(1)) {
            pause(Duration::from_millis(200));
        }
    });
}

fn crowd(over: &AtomicBool) {
    many(64, over, |_| {
        let _ = ask(MANY, "Accept-Encoding: gzip\r\n").and_then(take);
    });
}

fn scrapers(over: &AtomicBool) {
    many(64, over, |_| {
        let _ = scrape();
    });
}

fn watchers(over: &AtomicBool) {
    many(64, over, |n| {
        let sort = ["rate", "bytes", "packets", "start", "last", "sent", "name", "client"][n % 8];
        let path = format!("/api/v1/live/stream?limit=1000&sort={sort}&filter=not%20port%20{}", n + 1);
        let Some(mut stream) = ask(&path, "") else { return };
        let mut buffer = vec![0; 1 << 16];
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        while !over.load(Ordering::Relaxed) {
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Err(e) if e.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    });
}

fn silent(over: &AtomicBool) {
    let mut open = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if open.len() >= 1_000 {
            open.clear();
        }
        open.extend(connect());
        pause(Duration::from_millis(1));
    }
}

/// A header that never ends, each a field a second.
fn slow_speakers(over: &AtomicBool) {
    let mut open = Vec::new();
    while !over.load(Ordering::Relaxed) {
        while open.len() < 1_000 && !over.load(Ordering::Relaxed) {
            let Some(mut stream) = connect() else { break };
            if stream.write_all(b"GET / HTTP/1.1\r\n").is_ok() {
                open.push(stream);
            }
        }
        open.retain_mut(|stream: &mut TcpStream| stream.write_all(b"X: a\r\n").is_ok());
        pause(Duration::from_millis(500));
    }
}

/// Bytes that are no request, and requests with a body, of which none is read.
fn garbage(over: &AtomicBool) {
    many(64, over, |n| {
        let Some(mut stream) = connect() else { return };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let sent = if n.is_multiple_of(2) {
            let line: Vec<u8> = (0..20_000_u32).map(|at| (at * 31 + n as u32) as u8).collect();
            stream.write_all(&line)
        } else {
            let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 999999999\r\n\r\n";
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&[0x1f; 16_384]))
        };
        let _ = sent.and_then(|()| stream.read(&mut [0; 256]).map(drop));
    });
}
