//! Captures that mean harm: small files that declare or hold very much, and what reading them takes.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use monitor::clock::Stopwatch;

use crate::{
    agent::{binary, pause, without_settings},
    frames::{ethernet, ipv4, tcp, udp},
};

/// Resident memory that reading a capture of a stranger may take at most, MiB: that of a million flows.
const BOUND: u64 = 1536;

type Out<'a> = &'a mut dyn Write;
type Bomb = (&'static str, fn(Out<'_>) -> std::io::Result<()>);

const BOMBS: [Bomb; 12] = [
    ("pcapng, 10 million interfaces in 1,000 sections", |out| {
        for _ in 0..1_000 {
            section(out)?;
            for _ in 0..10_000 {
                block(out, 1, &[1, 0, 0, 0, 0, 0, 1, 0])?;
            }
        }
        Ok(())
    }),
    ("pcapng, 60,000 interfaces with names of 64 KiB", |out| {
        section(out)?;
        let mut body = vec![1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0xfc, 0xff];
        body.resize(12 + 0xfffc, b'n');
        (0..60_000).try_for_each(|_| block(out, 1, &body))
    }),
    ("pcapng, interfaces without a number and packets of them", |out| {
        section(out)?;
        for n in 0..1_000_000_u32 {
            block(out, 6, &[&n.to_le_bytes()[..], &[0; 16]].concat())?;
        }
        Ok(())
    }),
    ("pcapng, packets with 15 MiB of options", |out| {
        section(out)?;
        block(out, 1, &[1, 0, 0, 0, 0, 0, 1, 0])?;
        let packet = ethernet(0x0800, &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 17, &udp(1, 2, b"x")));
        let length = (packet.len() as u32).to_le_bytes();
        let mut body = [&[0; 12][..], &length, &length, &packet].concat();
        body.resize(15 << 20, 1);
        (0..200).try_for_each(|_| block(out, 6, &body))
    }),
    ("pcapng, 20 million names (name resolution)", |out| {
        section(out)?;
        let record = [&[1, 0, 12, 0, 10, 0, 0, 1][..], b"a.bcdef\0"].concat();
        let body = record.repeat(100_000);
        (0..200).try_for_each(|_| block(out, 4, &body))
    }),
    ("pcapng, 3 GiB of decryption secrets", |out| {
        section(out)?;
        let mut body = b"KLST".iter().rev().copied().chain([0; 4]).collect::<Vec<u8>>();
        body.resize(15 << 20, b'0');
        (0..200).try_for_each(|_| block(out, 10, &body))
    }),
    ("pcap, 4 GiB of zeros", |out| {
        header(out)?;
        (0..4096).try_for_each(|_| out.write_all(&[0; 1 << 20]))
    }),
    ("pcap, a packet of 4 GiB", |out| {
        header(out)?;
        out.write_all(&[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])?;
        (0..1024).try_for_each(|_| out.write_all(&[0; 1 << 20]))
    }),
    ("pcap, 3 million flows of a datagram", |out| {
        header(out)?;
        flows(out, 3_000_000, |n| ipv4(address(n), [10, 0, 0, 2], 17, &udp(port(n), 9, b"x")))
    }),
    ("pcap, 2 million TCP connections that begin a TLS hello", |out| {
        header(out)?;
        let hello = [&[22, 3, 1, 0x3f, 0, 1, 0, 0x3e, 0xfc, 3, 3][..], &[7; 400]].concat();
        flows(out, 2_000_000, |n| ipv4(address(n), [10, 0, 0, 2], 6, &tcp(port(n), 443, 1, 1, 0x18, &hello)))
    }),
    ("pcap, 3 million first fragments", |out| {
        header(out)?;
        flows(out, 3_000_000, |n| {
            let mut packet = ipv4(address(n), [10, 0, 0, 2], 17, &udp(port(n), 9, b"12345678"));
            packet[6] = 0x20;
            packet
        })
    }),
    ("pcap, 2 million DNS answers of other names", |out| {
        header(out)?;
        flows(out, 2_000_000, |n| {
            let name = format!("{n:08x}");
            let mut message = vec![n as u8, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 8];
            message.extend(name.as_bytes());
            message.extend(b"\x07example\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04");
            message.extend(address(n));
            ipv4([10, 0, 0, 2], address(n), 17, &udp(53, port(n), &message))
        })
    }),
];

fn address(n: u32) -> [u8; 4] {
    let [_, b, c, d] = n.to_be_bytes();
    [11, b, c, d]
}

fn port(n: u32) -> u16 {
    1024 + (n % 60_000) as u16
}

fn header(out: Out<'_>) -> std::io::Result<()> {
    // Microseconds, little-endian, Ethernet.
    out.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])
}

fn flows(out: Out<'_>, count: u32, packet: impl Fn(u32) -> Vec<u8>) -> std::io::Result<()> {
    for n in 0..count {
        let frame = ethernet(0x0800, &packet(n));
        let length = (frame.len() as u32).to_le_bytes();
        out.write_all(&(n / 100_000).to_le_bytes())?;
        out.write_all(&(n % 100_000 * 10).to_le_bytes())?;
        out.write_all(&length)?;
        out.write_all(&length)?;
        out.write_all(&frame)?;
    }
    Ok(())
}

fn section(out: Out<'_>) -> std::io::Result<()> {
    block(
        out,
        0x0a0d_0d0a,
        &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    )
}

fn block(out: Out<'_>, kind: u32, body: &[u8]) -> std::io::Result<()> {
    let total = (12 + body.len().next_multiple_of(4)) as u32;
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&total.to_le_bytes())?;
    out.write_all(body)?;
    out.write_all(&[0; 3][..body.len().next_multiple_of(4) - body.len()])?;
    out.write_all(&total.to_le_bytes())
}

fn write(path: &Path, bomb: Bomb) {
    // Tests are not optimised: compressing gigabytes is another program's.
    let file = File::create(path).expect("a file");
    let mut gzip = Command::new("gzip").arg("-1c").stdin(Stdio::piped()).stdout(file).spawn().expect("gzip");
    let mut out = BufWriter::with_capacity(1 << 20, gzip.stdin.take().expect("its input"));
    bomb.1(&mut out).and_then(|()| out.flush()).expect("a capture");
    drop(out);
    assert!(gzip.wait().expect("its end").success());
}

/// The most memory that a process had so far, MiB.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib >> 10)
}

#[test]
#[ignore = "takes minutes: `cargo xtask attack`"]
fn captures_of_strangers_take_bounded_memory() {
    println!("\n| capture | gzip | seconds | resident | ends with |\n|---|---|---|---|---|");
    let directory = tempfile::tempdir().expect("a directory");
    let mut beyond = Vec::new();
    for bomb in BOMBS {
        let path = directory.path().join("bomb.pcap.gz");
        write(&path, bomb);
        let size = path.metadata().expect("a file").len();
        let clock = Stopwatch::start();
        let mut command = Command::new(binary());
        command.args(["pcap", "--json"]).arg(&path).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = without_settings(command).spawn().expect("weir");
        let mut most = 0;
        let status = loop {
            most = most.max(resident(child.id()).unwrap_or(0));
            if let Some(status) = child.try_wait().expect("its end") {
                break status;
            }
            pause(Duration::from_millis(5));
        };
        let mut said = String::new();
        std::io::Read::read_to_string(child.stderr.as_mut().expect("its errors"), &mut said).expect("text");
        let line = said.lines().last().unwrap_or_default().replace(&path.display().to_string(), "FILE");
        println!(
            "| {} | {} KiB | {:.1} | {most} MiB | {}: {line} |",
            bomb.0,
            size >> 10,
            clock.elapsed().as_secs_f64(),
            status.code().unwrap_or(-1),
        );
        if most > BOUND {
            beyond.push(format!("{}: {most} MiB", bomb.0));
        }
        assert!(status.code().is_some(), "{}: {status}", bomb.0);
    }
    assert!(beyond.is_empty(), "{beyond:#?}");
}
