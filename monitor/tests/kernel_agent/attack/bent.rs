//! Frames of every kind that is followed, bent where it hurts, which carry messages of every kind that is read, cut and
//! bent too: nothing ends, nothing is miscounted, and nothing grows.

use std::{fs, path::Path, sync::atomic::AtomicBool, sync::atomic::Ordering, time::Duration};

use monitor::clock::Stopwatch;
use nix::sys::signal::Signal;

use super::row::{self, Row, row};
use crate::{
    agent::{Agent, cable, pause},
    frames::Raw,
    generator::Frames,
    netns::Namespace,
    soak::number,
};

/// Rows of the table.
const PARTS: u32 = 10;
/// Frames between two looks at the clock.
const BATCH: u32 = 64;
/// Frames a second that are asked for.
const RATE: f64 = 40_000.0;

/// What the corpus of the fuzzers has of connections: a choice, then pieces with two bytes of length and side.
fn messages() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let files = |target: &str| -> Vec<Vec<u8>> {
        let mut paths: Vec<_> = fs::read_dir(corpus.join(target))
            .expect("a corpus")
            .map(|entry| entry.expect("a file").path())
            .collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).expect("a file")).collect()
    };
    let mut messages = Vec::new();
    for session in files("session") {
        let mut rest = session.get(1..).unwrap_or_default();
        while let Some(([high, low], after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(high & 0x7f) << 8 | usize::from(*low);
            let (piece, next) = after.split_at(length.min(after.len()));
            messages.push(piece.to_vec());
            rest = next;
        }
    }
    messages.extend(["dns", "http", "tls"].into_iter().flat_map(files));
    messages.retain(|message| !message.is_empty());
    messages
}

fn send(ns: &Namespace, seed: u64, over: &AtomicBool) {
    let socket = Raw::open(ns, "eth1");
    let mut frames = Frames::new(seed, messages());
    let (clock, mut sent) = (Stopwatch::start(), 0.0);
    while !over.load(Ordering::Relaxed) {
        if sent > clock.elapsed().as_secs_f64() * RATE {
            pause(Duration::from_millis(1));
            continue;
        }
        for _ in 0..BATCH {
            let mut frame = frames.frame();
            frame.truncate(1514);
            socket.send(&frame);
        }
        sent += f64::from(BATCH);
    }
}

#[test]
#[ignore = "takes minutes: `cargo xtask attack`"]
fn bent_frames_and_messages_are_counted_and_nothing_grows() {
    let run = Duration::from_secs(number("WEIR_ATTACK_SECONDS", 300));
    let (here, there) = cable();
    let interval = format!("--drain-interval={}s", row::DRAINS);
    let agent = Agent::start(&here, &["--interface=eth0", "--max-flows=65536", &interval]);
    println!("{}", Row::HEAD);
    let rows: Vec<Row> = (1..=u64::from(PARTS))
        .map(|part| {
            let harm = |over: &AtomicBool| send(&there, part, over);
            row(&agent, None, "bent frames and messages", run / PARTS, harm)
        })
        .collect();
    let page = agent.wait_for_drains();
    // What is sent is not only thrown away.
    for name in ["weir_dns_queries_total", "weir_tls_handshakes_total", "weir_http_requests_total"] {
        let read = page.sum(name, &[]);
        println!("{name}: {read}");
        assert!(read > 100.0, "{name}: {read}");
    }
    assert!(page.sum("weir_hook_packets_total", &[]) > 10_000.0);
    assert_eq!(page.unaccounted(), 0.0);
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    let failed: Vec<String> = rows.iter().filter(|row| row.failed > 0).map(Row::line).collect();
    assert!(failed.is_empty(), "scrapes were not answered: {failed:#?}");
    // All bounds are reached in the first half.
    let (half, last) = (rows[PARTS as usize / 2].resident, rows[PARTS as usize - 1].resident);
    assert!(last <= half * 1.1 + 16e6, "resident memory grew from {half} to {last} bytes");
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("panicked"), "{log}");
}
