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

pub(super) const MODES: [Mode; 6] = [
    ("64 that ask for 100,000 flows and reset", resets),
    ("100 that ask for 100,000 flows and do not read", slow_readers),
    ("64 that ask for 100,000 flows", crowd),
    ("64 that watch different flows", watchers),
    ("64 that scrape", scrapers),
    ("1,000 connections that say nothing", silent),
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

/// Takes an answer; whether it was one that says yes.
fn take(mut stream: TcpStream) -> bool {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200")
}

/// A scrape, as Prometheus asks for it; whether it was answered.
pub(super) fn scrape() -> bool {
    ask("/metrics", "Accept-Encoding: gzip\r\n").is_some_and(take)
}

/// Does something in many threads until it is over.
fn many(threads: usize, over: &AtomicBool, work: impl Fn(usize) + Sync) {
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
        let _ = ask(MANY, "Accept-Encoding: gzip\r\n").is_some_and(take);
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
