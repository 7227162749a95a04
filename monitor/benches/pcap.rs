//! CPU time and memory of `weir pcap` on a large capture made here, beside softflowd, nfpcapd, tcpdump and
//! tshark where they are installed; and memory when it comes ten times over standard input, each time later.
//!
//! Arguments: packets (2,000,000 unless given: 1.4 GB below target, removed at the end), `--large` for ten
//! times as many.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/random.rs"]
mod random;
#[path = "common/results.rs"]
mod results;
#[path = "common/tls.rs"]
mod tls;

use std::{
    fs::File,
    io::{BufReader, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
};

use nix::sys::resource::{UsageWho, getrusage};
use random::Random;
use results::{Found, quick, rounds};
use tls::{answer, hello};

/// Runs of each program, in turns.
const ROUNDS: usize = 5;

/// Flows at once.
const LIVE: usize = 20_000;

/// Between two packets, µs.
const STEP: u64 = 30;

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
    let capture = make(directory, packets);
    compare(&capture, directory);
    for times in if large { &[1, 10][..] } else { &[] } {
        let command = weir(&["--json"], Path::new("-"));
        let seconds = (packets * STEP / 1_000_000) as u32 + 1;
        let usage = measure_fed(&command, |to| repeat(&capture, *times, seconds, to)).expect("weir runs");
        println!("weir pcap --json - {times:2} x {}", usage.line());
    }
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

fn weir(options: &[&str], capture: &Path) -> Vec<String> {
    let mut command = vec![env!("CARGO_BIN_EXE_weir").to_owned(), "pcap".to_owned()];
    command.extend(options.iter().map(|option| (*option).to_owned()));
    command.push(capture.display().to_string());
    command
}

fn compare(capture: &Path, directory: &Path) {
    let path = capture.display().to_string();
    let words = |command: &str| {
        command.split(' ').map(|word| if word == "@" { path.clone() } else { word.to_owned() }).collect()
    };
    let flows = directory.join("nfpcapd");
    std::fs::create_dir_all(&flows).expect("a directory");
    let mut programs: Vec<(&str, Vec<String>, Vec<Usage>)> = [
        ("weir pcap --json", weir(&["--json"], capture)),
        ("weir pcap", weir(&[], capture)),
        // It exports to nobody: the port is that of discard.
        ("softflowd -r", words("softflowd -d -n 127.0.0.1:9 -r @")),
        ("nfpcapd -r", words(&format!("nfpcapd -r @ -w {}", flows.display()))),
        ("tcpdump -r -w", words("tcpdump -r @ -w /dev/null")),
        ("tshark -z conv,tcp", words("tshark -r @ -q -z conv,tcp")),
    ]
    .map(|(name, command)| (name, command, Vec::new()))
    .into();
    // Once to bring the file into the page cache.
    measure(&weir(&["--json"], capture)).expect("weir runs");
    for round in 0..rounds(ROUNDS, 1) {
        for (name, command, usages) in &mut programs {
            // One run of it takes as long as all others together.
            if round == 0 || !name.starts_with("tshark") {
                usages.extend(measure(command));
            }
        }
    }
    for (name, _, usages) in &programs {
        if usages.is_empty() {
            println!("{name:20} is not installed");
            continue;
        }
        let told = |what: &str, unit, value: fn(&Usage) -> f64| {
            let mut values: Vec<f64> = usages.iter().map(value).collect();
            Found::median("pcap", &format!("{name}, {what}"), unit, &mut values).tell();
        };
        told("CPU", "s", Usage::cpu);
        told("memory", "MiB", |usage| usage.memory);
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

#[derive(Clone, Copy)]
enum Speech {
    Dns,
    Tls,
    Http,
    Datagrams,
}

/// A flow as it goes on.
struct Talk {
    speech: Speech,
    client: [u8; 4],
    server: [u8; 4],
    ports: [u16; 2],
    name: String,
    /// Packets so far and altogether.
    step: u64,
    length: u64,
    seq: [u32; 2],
}

impl Talk {
    fn new(random: &mut Random) -> Self {
        let (speech, port) = match random.below(20) {
            0..6 => (Speech::Dns, 53),
            6..14 => (Speech::Tls, 443),
            14..16 => (Speech::Http, 80),
            _ => (Speech::Datagrams, 5000 + random.below(20) as u16),
        };
        // Some are long, most are short.
        let length = match speech {
            Speech::Dns => 2,
            _ => 12 + 40_000 / (20 + random.below(1000)),
        };
        let site = random.below(3000);
        let [_, _, c, d] = (random.below(2000) as u32).to_be_bytes();
        let [_, _, e, f] = (site as u32).to_be_bytes();
        Self {
            speech,
            client: [10, 0, c, d],
            server: if port == 53 { [10, 1, 0, 254] } else { [104, 0, e, f] },
            ports: [1024 + random.below(64_000) as u16, port],
            name: format!("www{}.site{site}.example.com", random.below(10)),
            step: 0,
            length,
            seq: [random.next() as u32, random.next() as u32],
        }
    }

    /// The next packet, and whether it is the last.
    fn packet(&mut self, random: &mut Random, filler: &[u8]) -> (Vec<u8>, bool) {
        let step = self.step;
        self.step += 1;
        let last = self.step >= self.length;
        let some = |n: u64| filler.get(..n as usize).unwrap_or_default();
        let frame = match self.speech {
            Speech::Dns => self.udp(step as usize, &question(&self.name, step == 1)),
            Speech::Datagrams => {
                let side = random.below(2) as usize;
                self.udp(side, some(80 + random.below(1100)))
            }
            Speech::Tls | Speech::Http => match step {
                0 => self.tcp(0, 0x02, &[]),
                1 => self.tcp(1, 0x12, &[]),
                2 => self.tcp(0, 0x10, &[]),
                3 if matches!(self.speech, Speech::Tls) => self.tcp(0, 0x18, &hello(&self.name, random)),
                3 => self.tcp(0, 0x18, request(&self.name).as_bytes()),
                4 if matches!(self.speech, Speech::Tls) => {
                    self.tcp(1, 0x18, &[&answer(random), some(1200)].concat())
                }
                4 => self.tcp(1, 0x18, RESPONSE.as_bytes()),
                _ if self.step + 2 == self.length => self.tcp(0, 0x11, &[]),
                _ if self.step + 1 == self.length => self.tcp(1, 0x11, &[]),
                _ if last => self.tcp(0, 0x10, &[]),
                _ => match random.below(100) {
                    0..50 => self.tcp(1, 0x18, some(1405)),
                    50..88 => self.tcp(0, 0x10, &[]),
                    _ => self.tcp(0, 0x18, some(100 + random.below(600))),
                },
            },
        };
        (frame, last)
    }

    fn ip(&self, side: usize, protocol: u8, transport: &[u8]) -> Vec<u8> {
        let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        out.extend((20 + transport.len() as u16).to_be_bytes());
        out.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        let ends = [self.client, self.server];
        out.extend(if side == 0 { ends.concat() } else { [ends[1], ends[0]].concat() });
        out.extend(transport);
        out
    }

    /// Ports, sender first.
    fn ports(&self, side: usize) -> Vec<u8> {
        let [client, server] = self.ports.map(u16::to_be_bytes);
        if side == 0 { [client, server].concat() } else { [server, client].concat() }
    }

    fn udp(&self, side: usize, payload: &[u8]) -> Vec<u8> {
        let mut out = self.ports(side);
        out.extend((8 + payload.len() as u16).to_be_bytes());
        out.extend([0, 0]);
        out.extend(payload);
        self.ip(side, 17, &out)
    }

    fn tcp(&mut self, side: usize, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = self.ports(side);
        out.extend(self.seq[side].to_be_bytes());
        out.extend(self.seq[1 - side].to_be_bytes());
        out.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        out.extend(payload);
        self.seq[side] =
            self.seq[side].wrapping_add(payload.len() as u32).wrapping_add(u32::from(flags & 3 != 0));
        self.ip(side, 6, &out)
    }
}

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

fn request(name: &str) -> String {
    format!("GET /a/page?with=question HTTP/1.1\r\nHost: {name}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
}

/// A question of DNS for an address, or its answer.
fn question(name: &str, answer: bool) -> Vec<u8> {
    let mut out = vec![0x5a, 0x5a, if answer { 0x81 } else { 1 }, if answer { 0x80 } else { 0 }];
    out.extend([0, 1, 0, u8::from(answer), 0, 0, 0, 0]);
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.extend([0, 0, 1, 0, 1]);
    if answer {
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 104, 0, 1, 2]);
    }
    out
}

/// Makes a capture: [`LIVE`] flows at any time, of which a random one goes on, and another begins when it ends.
fn make(directory: &Path, packets: u64) -> PathBuf {
    let path = directory.join(format!("bench-{packets}.pcap"));
    let mut to = BufWriter::with_capacity(1 << 20, File::create(&path).expect("a capture below target"));
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        to.write_all(&word.to_le_bytes()).expect("space");
    }
    let mut random = Random(88_172_645_463_325_252);
    let filler: Vec<u8> = (0..2048).map(|_| (random.next() >> 24) as u8).collect();
    let mut talks: Vec<Talk> = (0..LIVE).map(|_| Talk::new(&mut random)).collect();
    let mut bytes = 0;
    for number in 0..packets {
        let at = random.below(LIVE as u64) as usize;
        let Some(talk) = talks.get_mut(at) else { continue };
        let (frame, last) = talk.packet(&mut random, &filler);
        if last {
            *talk = Talk::new(&mut random);
        }
        let time = number * STEP;
        let length = frame.len() as u32;
        for word in [1_700_000_000 + (time / 1_000_000) as u32, (time % 1_000_000) as u32, length, length] {
            to.write_all(&word.to_le_bytes()).expect("space");
        }
        to.write_all(&frame).expect("space");
        bytes += frame.len();
    }
    to.flush().expect("space");
    println!("{packets} packets, {} MB, {LIVE} flows at once", bytes / 1_000_000);
    path
}
