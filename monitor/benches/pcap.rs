//! CPU time and memory of `weir pcap` on large captures made here, of long flows and of short ones, beside
//! softflowd, nfpcapd, tcpdump and tshark where they are installed; and memory when the first comes ten times over
//! standard input, each time later.
//!
//! Arguments: packets (2,000,000 unless given: 1.4 GB below target, removed at the end), `--large` for ten
//! times as many, `--program PATH` for another `weir` than the one that was built with this.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "captures/capture.rs"]
mod capture;
#[path = "common/goals.rs"]
mod goals;
#[path = "captures/long.rs"]
mod long;
#[path = "common/random.rs"]
mod random;
#[path = "common/results.rs"]
mod results;
#[path = "captures/short.rs"]
mod short;
#[path = "common/tls.rs"]
mod tls;

use std::{
    fs::File,
    io::{BufReader, BufWriter, ErrorKind, Read, Write},
    path::Path,
    process::{ChildStdin, Command, Stdio},
};

use nix::sys::resource::{UsageWho, getrusage};
use results::{Found, quick, rounds};

/// Runs of each program, in turns.
const ROUNDS: usize = 5;

/// What CPU time may be of that of softflowd, which makes flows of packets and no records of what they say.
const CPU_GOAL: f64 = 0.6;

/// MiB, 100 MB.
const MEMORY_GOAL: f64 = 95.0;

/// Marks this program as the one that starts another and measures it: usage is that of all children.
const MEASURE: &str = "--measure";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some((MEASURE, command)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return measured(command);
    }
    let large = arguments.iter().any(|argument| argument == "--large");
    let packets = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(if quick() {
        100_000
    } else {
        2_000_000
    });
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = arguments.iter().skip_while(|argument| *argument != "--program").nth(1);
    let weir = Weir(program.map_or(env!("CARGO_BIN_EXE_weir"), |program| program));

    let capture = directory.join("bench-long.pcap");
    let bytes = long::write(&capture, packets);
    println!("long flows: {packets} packets, {} MB, {} flows at once", bytes / 1_000_000, long::LIVE);
    compare("long", weir, &capture, directory);
    for times in if large { &[1, 10][..] } else { &[] } {
        let command = weir.pcap(&["--json"], Path::new("-"));
        let seconds = (packets * long::STEP / 1_000_000) as u32 + 1;
        let usage = measure_fed(&command, |to| repeat(&capture, *times, seconds, to)).expect("weir runs");
        println!("weir pcap --json - {times:2} x {}", usage.line());
    }
    drop(std::fs::remove_file(capture));

    let capture = directory.join("bench-short.pcap");
    let flows = packets * 9 / 10 / short::PACKETS;
    let bytes = short::write(&capture, flows);
    println!(
        "short flows: {flows} of {} packets, {} MB, {} at once",
        short::PACKETS,
        bytes / 1_000_000,
        short::LIVE
    );
    compare("short", weir, &capture, directory);
    drop(std::fs::remove_file(capture));
}

/// What a program used.
struct Usage {
    user: f64,
    system: f64,
    /// Most memory, MiB.
    memory: f64,
}

impl Usage {
    const fn cpu(&self) -> f64 {
        self.user + self.system
    }

    fn line(&self) -> String {
        format!(
            "{:6.2} s = {:.2} user + {:.2} system, {:4.0} MiB",
            self.cpu(),
            self.user,
            self.system,
            self.memory
        )
    }
}

/// Starts a program and prints what it used.
fn measured(command: &[String]) {
    let (program, arguments) = command.split_first().expect("a program");
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    println!(
        "{} {} {}",
        seconds(usage.user_time()),
        seconds(usage.system_time()),
        usage.max_rss() as f64 / 1024.0
    );
}

/// `None`: the program is not there, or it failed.
fn measure(command: &[String]) -> Option<Usage> {
    measure_fed(command, drop)
}

/// The same of a program whose standard input `feed` writes.
fn measure_fed(command: &[String], feed: impl FnOnce(BufWriter<ChildStdin>)) -> Option<Usage> {
    let itself = std::env::current_exe().expect("this program");
    let mut started = Command::new(itself)
        .arg(MEASURE)
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("itself");
    if let Some(stdin) = started.stdin.take() {
        feed(BufWriter::with_capacity(1 << 20, stdin));
    }
    let output = started.wait_with_output().expect("itself");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [user, system, memory] => Some(Usage { user, system, memory }),
        _ => None,
    }
}

/// The program that is measured.
#[derive(Clone, Copy)]
struct Weir<'a>(&'a str);

impl Weir<'_> {
    fn pcap(self, options: &[&str], capture: &Path) -> Vec<String> {
        let mut command = vec![self.0.to_owned(), "pcap".to_owned()];
        command.extend(options.iter().map(|option| (*option).to_owned()));
        command.push(capture.display().to_string());
        command
    }
}

/// A program that reads a capture.
struct Reader {
    name: &'static str,
    command: Vec<String>,
    /// By round.
    usages: Vec<Option<Usage>>,
}

impl Reader {
    fn values(&self, value: fn(&Usage) -> f64) -> Vec<f64> {
        self.usages.iter().flatten().map(value).collect()
    }
}

/// The one that others are compared with.
const PEER: &str = "softflowd -r";

fn compare(shape: &str, weir: Weir<'_>, capture: &Path, directory: &Path) {
    let path = capture.display().to_string();
    let words = |command: &str| {
        command.split(' ').map(|word| if word == "@" { path.clone() } else { word.to_owned() }).collect()
    };
    let flows = directory.join("nfpcapd");
    std::fs::create_dir_all(&flows).expect("a directory");
    let mut readers: Vec<Reader> = [
        ("weir pcap --json", weir.pcap(&["--json"], capture)),
        ("weir pcap", weir.pcap(&[], capture)),
        ("weir pcap --packets", weir.pcap(&["--packets", "/dev/null"], capture)),
        ("weir pcap -w", weir.pcap(&["-w", "/dev/null"], capture)),
        // It exports to nobody: the port is that of discard.
        (PEER, words("softflowd -d -n 127.0.0.1:9 -r @")),
        ("nfpcapd -r", words(&format!("nfpcapd -r @ -w {}", flows.display()))),
        ("tcpdump -r -w", words("tcpdump -r @ -w /dev/null")),
        ("tshark -z conv,tcp", words("tshark -r @ -q -z conv,tcp")),
    ]
    .map(|(name, command)| Reader { name, command, usages: Vec::new() })
    .into();
    // Once to bring the file into the page cache.
    measure(&weir.pcap(&["--json"], capture)).expect("weir runs");
    for round in 0..rounds(ROUNDS, 1) {
        for reader in &mut readers {
            // One run of it takes as long as all others together.
            if round == 0 || !reader.name.starts_with("tshark") {
                reader.usages.push(measure(&reader.command));
            }
        }
    }
    let peer = readers.iter().find(|reader| reader.name == PEER);
    for reader in &readers {
        let name = reader.name;
        if reader.usages.iter().all(Option::is_none) {
            println!("{shape}: {name:20} is not installed");
            continue;
        }
        let found = |what: &str, unit, values: &mut [f64], goal: Option<f64>| {
            let what = format!("{shape}: {name}, {what}");
            let found = Found::median("pcap", &what, unit, values);
            match goal {
                Some(goal) => goals::at_most(found, goal),
                None => found,
            }
            .tell();
        };
        let flows = matches!(name, "weir pcap --json" | "weir pcap");
        found("CPU", "s", &mut reader.values(Usage::cpu), None);
        found("memory", "MiB", &mut reader.values(|usage| usage.memory), flows.then_some(MEMORY_GOAL));
        if let Some(peer) = peer.filter(|_| name.starts_with("weir")) {
            let pairs = reader.usages.iter().zip(&peer.usages);
            let mut ratios: Vec<f64> =
                pairs.filter_map(|(own, peer)| Some(own.as_ref()?.cpu() / peer.as_ref()?.cpu())).collect();
            if !ratios.is_empty() {
                found("CPU to softflowd's", "times", &mut ratios, flows.then_some(CPU_GOAL));
            }
        }
    }
    drop(std::fs::remove_dir_all(flows));
}

/// Writes a capture several times as one, each time `seconds` later.
fn repeat(capture: &Path, times: u32, seconds: u32, mut to: BufWriter<ChildStdin>) {
    let mut header = [0; 24];
    let mut packet = Vec::new();
    for round in 0..times {
        let mut from = BufReader::with_capacity(1 << 20, File::open(capture).expect("the capture"));
        from.read_exact(&mut header).expect("a capture");
        if round == 0 {
            to.write_all(&header).expect("a reader");
        }
        loop {
            let mut record = [0; 16];
            match from.read_exact(&mut record) {
                Ok(()) => {}
                Err(end) if end.kind() == ErrorKind::UnexpectedEof => break,
                Err(error) => panic!("{error}"),
            }
            let [time, _, captured, _] = *record.as_chunks().0 else { break };
            let time = u32::from_le_bytes(time) + round * seconds;
            record[..4].copy_from_slice(&time.to_le_bytes());
            packet.resize(u32::from_le_bytes(captured) as usize, 0);
            from.read_exact(&mut packet).expect("a packet");
            to.write_all(&record).and_then(|()| to.write_all(&packet)).expect("a reader");
        }
    }
    to.flush().expect("a reader");
}
