//! Who guesses passwords, and how long the right one takes from the start of the instance on.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use monitor::clock::Stopwatch;
use nix::sys::{
    signal::Signal,
    socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt},
};

use crate::{
    agent::{ADDRESS, Agent, cable, file, pause},
    netns::Over,
};

use super::clients::many;

/// Those who guess at once.
const GUESSERS: usize = 32;
/// For the answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// How they guess.
#[derive(Clone, Copy)]
struct Way {
    what: &'static str,
    /// Each has an address of its own.
    apart: bool,
    /// How long they wait for an answer before they hang up; `None`: until it comes.
    wait: Option<Duration>,
}

const WAYS: [Way; 5] = [
    Way { what: "other addresses, wait for the answer", apart: true, wait: None },
    Way { what: "other addresses, hang up after 10 ms", apart: true, wait: Some(Duration::from_millis(10)) },
    Way { what: "the same address, wait for the answer", apart: false, wait: None },
    Way {
        what: "the same address, hang up after 10 ms",
        apart: false,
        wait: Some(Duration::from_millis(10)),
    },
    Way {
        what: "the same address, hang up after 300 ms",
        apart: false,
        wait: Some(Duration::from_millis(300)),
    },
];

/// A connection from an address of loopback.
fn from(last: u8) -> Option<TcpStream> {
    let to: SocketAddr = ADDRESS.parse().expect("an address");
    let SocketAddr::V4(to) = to else { return None };
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).ok()?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &SockaddrIn::new(127, 0, 0, last, 0)).ok()?;
    connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &SockaddrIn::from(to)).ok()?;
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

fn login(stream: &mut TcpStream, password: &str) -> Option<()> {
    let credentials = BASE64_STANDARD.encode(format!("ann:{password}"));
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {credentials}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()
}

/// The status of an answer.
fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head).ok()?.rsplit(' ').next()?.parse().ok()
}

fn guess(way: Way, n: usize) {
    let last = if way.apart { 100 + n as u8 } else { 1 };
    let Some(mut stream) = from(last) else { return pause(Duration::from_millis(10)) };
    if login(&mut stream, &format!("wrong{n}")).is_none() {
        return;
    }
    match way.wait {
        None => drop(status(&mut stream)),
        Some(wait) => {
            pause(wait);
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            let _ = setsockopt(&stream.as_fd(), sockopt::Linger, &linger);
        }
    }
}

/// Seconds until the right password has passed, and how often it was turned away before.
fn right(first: &Stopwatch) -> (f64, u32) {
    let mut refused = 0;
    loop {
        let answer = from(1).and_then(|mut stream| {
            login(&mut stream, "right")?;
            status(&mut stream)
        });
        match answer {
            Some(200) => return (first.elapsed().as_secs_f64(), refused),
            _ if first.elapsed() > PATIENCE => return (f64::INFINITY, refused),
            // As a scraper would, sooner.
            _ => {
                refused += 1;
                pause(Duration::from_millis(200));
            }
        }
    }
}

#[test]
#[ignore = "takes minutes: `cargo xtask attack`"]
fn the_right_password_passes_soon_after_a_start() {
    println!(
        "\n| 32 who guess, from | bcrypt cost | the right one passed after | turned away before | agent's cores |\n|---|---|---|---|---|"
    );
    for cost in [10, 12] {
        let hash = bcrypt::hash("right", cost).expect("a hash");
        for way in WAYS {
            let (here, _there) = cable();
            let directory = tempfile::tempdir().expect("a directory");
            let web = file(&directory, "web.yml", &format!("basic_auth_users:\n  ann: {hash}\n"));
            let flag = format!("--web.config.file={}", web.display());
            // It is ready when it listens: 401 is an answer.
            let process = crate::agent::Running::start(crate::agent::weir(
                &here,
                &["run", "--interface=eth0", "--max-flows=64", &flag],
            ));
            let agent = Agent { ns: &here, process };
            crate::netns::wait_for("the agent to listen", || {
                agent.process.stdout().contains("Metrics: ").then_some(())
            });
            let over = AtomicBool::new(false);
            let (passed, refused, cores) = std::thread::scope(|scope| {
                let _over = Over(&over);
                scope.spawn(|| {
                    // As in the other tables: they have machines of their own.
                    let _ = rustix::process::nice(19);
                    here.enter(|| many(GUESSERS, &over, |n| guess(way, n)));
                });
                // All are there before.
                pause(Duration::from_secs(3));
                let cpu = || cpu(agent.process.id());
                let (clock, before) = (Stopwatch::start(), cpu());
                let (passed, refused) = here.enter(|| right(&clock));
                pause(Duration::from_secs(2).saturating_sub(clock.elapsed()));
                (passed, refused, (cpu() - before) / clock.elapsed().as_secs_f64())
            });
            let _ = over.load(Ordering::Relaxed);
            println!("| {} | {cost} | {passed:.2} s | {refused} | {cores:.2} |", way.what);
            agent.stop(Signal::SIGTERM);
        }
    }
}

/// Seconds of processor that a process took (`proc_pid_stat(5)`, fields 14 and 15).
fn cpu(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_ascii_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
