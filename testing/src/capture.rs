//! The other opinion: tcpdump on the same interface, read by tshark.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, UdpSocket},
    path::{Path, PathBuf},
};

use crate::netns::{Namespace, Process, run, wait_for};

/// What one side of a flow sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire, Ethernet header included.
    pub bytes: u64,
    /// Bytes after the transport header.
    pub payload_bytes: u64,
    /// Segments with SYN and without ACK.
    pub syn: u64,
    /// Segments with SYN and ACK.
    pub syn_ack: u64,
    /// Segments with FIN.
    pub fin: u64,
    /// Segments with RST.
    pub rst: u64,
    /// Segments with PSH.
    pub psh: u64,
}

/// (protocol, source, source port, destination, destination port) to what was sent that way.
pub type Table = BTreeMap<(u8, IpAddr, u16, IpAddr, u16), Sent>;

/// A running tcpdump.
pub struct Capture {
    process: Process,
    captured: Captured,
}

/// A capture that is whole; the file goes with the value.
pub struct Captured {
    /// Where it is.
    pub file: PathBuf,
    _directory: tempfile::TempDir,
}

/// UDP port of the packet that says "the capture has everything before me".
pub const MARK: u16 = 61_001;
/// What is in it.
const PAYLOAD: &[u8; 4] = b"mark";

impl Capture {
    /// Captures the headers of packets on a device; returns when it listens.
    pub fn start(ns: &Namespace, device: &str) -> Self {
        Self::start_cut(ns, device, "200")
    }

    /// Captures so many bytes of each packet; 0: whole packets.
    pub fn start_cut(ns: &Namespace, device: &str, snaplen: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("capture.pcap");
        let mut process = ns.spawn(
            "tcpdump",
            &[
                "-i",
                device,
                "-U",
                "-B",
                "65536",
                "-s",
                snaplen,
                "-n",
                "-Z",
                "root",
                "-w",
                file.to_str().expect("a path"),
            ],
        );
        process.wait_for_stderr("listening on");
        Self { process, captured: Captured { file, _directory: directory } }
    }

    /// Ends the capture once it holds the marks that `send_mark` sends, and reads it.
    pub fn finish(self, send_mark: impl FnOnce()) -> Table {
        read(&self.end(send_mark).file)
    }

    /// The same, without reading it.
    pub fn end(self, send_mark: impl FnOnce()) -> Captured {
        send_mark();
        wait_for_mark(&self.captured.file);
        let (_, _, said) = self.process.finish();
        assert!(said.contains("0 packets dropped by kernel"), "tcpdump lost packets: {said}");
        self.captured
    }
}

/// Waits until a capture that is being written has the mark.
pub fn wait_for_mark(file: &Path) {
    wait_for("the mark in the capture", || {
        let bytes = fs::read(file).expect("the capture");
        // Little comes behind it.
        has_mark(&bytes[bytes.len().saturating_sub(1 << 20)..]).then_some(())
    });
}

/// Whether the mark is among these bytes: its UDP header from the port on, and its payload.
fn has_mark(bytes: &[u8]) -> bool {
    let [high, low] = MARK.to_be_bytes();
    bytes.windows(6 + PAYLOAD.len()).any(|at| at.starts_with(&[high, low, 0, 12]) && at.ends_with(PAYLOAD))
}

/// Sends the mark from a namespace to an address.
pub fn mark(ns: &Namespace, to: &str) {
    let to = to.to_owned();
    ns.enter(move || {
        let any = if to.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).expect("a socket");
        let _ = socket.send_to(PAYLOAD, (to.as_str(), MARK));
    });
}

/// Multicast that the stack sends when it likes (MLD reports), also between the attaching and the
/// start of the capture: no test's traffic.
pub fn is_the_stacks_own(destination: IpAddr) -> bool {
    destination.is_ipv6() && destination.is_multicast()
}

/// Reads a capture with tshark, without its opinion on reassembly.
pub fn read(file: &Path) -> Table {
    let fields = [
        "frame.len",
        "ip.src",
        "ip.dst",
        "ipv6.src",
        "ipv6.dst",
        "ip.proto",
        "ipv6.nxt",
        "tcp.srcport",
        "tcp.dstport",
        "udp.srcport",
        "udp.dstport",
        "tcp.len",
        "udp.length",
        "tcp.flags",
        "ipv6.hopopts.nxt",
    ];
    let mut args = vec!["-n", "-r", file.to_str().expect("a path"), "-T", "fields", "-E", "occurrence=f"];
    for pref in ["ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE"] {
        args.extend(["-o", pref]);
    }
    for field in fields {
        args.extend(["-e", field]);
    }
    let output = run("tshark", &args);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut table = Table::new();
    for line in text.lines() {
        let v: Vec<&str> = line.split('\t').collect();
        let number = |i: usize| -> u64 {
            let text = v.get(i).copied().unwrap_or("");
            text.strip_prefix("0x")
                .map_or_else(|| text.parse().ok(), |h| u64::from_str_radix(h, 16).ok())
                .unwrap_or(0)
        };
        let address =
            |v4: usize, v6: usize| -> Option<IpAddr> { v[v4].parse().or_else(|_| v[v6].parse()).ok() };
        let (Some(source), Some(destination)) = (address(1, 3), address(2, 4)) else { continue };
        let protocol = match number(6) {
            _ if source.is_ipv4() => number(5),
            // Hop-by-hop options stand before the transport.
            0 => number(14),
            next => next,
        } as u8;
        let (from, to) = match protocol {
            6 => (number(7), number(8)),
            17 => (number(9), number(10)),
            _ => (0, 0),
        };
        if (protocol == 17 && to == u64::from(MARK)) || is_the_stacks_own(destination) {
            continue;
        }
        let sent = table.entry((protocol, source, from as u16, destination, to as u16)).or_default();
        sent.packets += 1;
        sent.bytes += number(0);
        sent.payload_bytes += match protocol {
            6 => number(11),
            17 => number(12).saturating_sub(8),
            _ => 0,
        };
        if protocol == 6 {
            let flags = number(13);
            let has = |bit: u64| u64::from(flags & bit != 0);
            sent.syn += u64::from(flags & 0x12 == 0x02);
            sent.syn_ack += u64::from(flags & 0x12 == 0x12);
            sent.fin += has(0x01);
            sent.rst += has(0x04);
            sent.psh += has(0x08);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{ethernet, ipv4, udp};

    #[test]
    fn the_mark_is_found_whole_and_no_other_datagram_to_its_port() {
        let packet = |payload: &[u8]| {
            ethernet(0x0800, &ipv4([10, 7, 0, 1], [10, 7, 0, 2], 17, &udp(5, MARK, payload)))
        };
        let marked = packet(PAYLOAD);
        assert!(has_mark(&[&[0; 40][..], &marked].concat()));
        let half = marked.iter().rposition(|byte| *byte == b'k').unwrap();
        assert!(!has_mark(&marked[..half]) && !has_mark(&packet(b"some")) && !has_mark(&[]));
    }
}
