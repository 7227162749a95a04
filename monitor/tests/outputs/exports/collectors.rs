//! IPFIX and NetFlow version 9, read by nfdump's collector, pmacct's and tshark.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// What a flow is told by, and what is compared: packets and bytes of both ways, and when it began and ended, in ms.
type Flows = BTreeMap<(String, u64, String, u64), [u64; 6]>;

fn millis(time: &Value) -> u64 {
    monitor_core::record::Time::parse(time.as_str().unwrap()).unwrap().0 / 1_000_000
}

fn expected(records: &[AnyRecord]) -> Flows {
    let flows = json(records).into_iter().filter(|record| record["record"] == "flow");
    let flow = |flow: Value| {
        let number = |value: &Value| value.as_u64().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = (
            text(&flow["client_ip"]),
            number(&flow["client_port"]),
            text(&flow["server_ip"]),
            number(&flow["server_port"]),
        );
        let (sent, received) = (&flow["sent"], &flow["received"]);
        let counts = [
            number(&sent["packets"]),
            number(&sent["ip_bytes"]),
            number(&received["packets"]),
            number(&received["ip_bytes"]),
            millis(&flow["start"]),
            millis(&flow["end"]),
        ];
        (key, counts)
    };
    flows.map(flow).collect()
}

/// Takes what is sent, keeps it, and passes it on to collectors, so that all of them have the same.
struct Relay {
    socket: UdpSocket,
    messages: Vec<Vec<u8>>,
}

impl Relay {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Self { socket, messages: Vec::new() }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    fn pass(&mut self, to: &[u16]) {
        let mut bytes = vec![0; 65_536];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            self.messages.push(bytes[..length].to_vec());
            for port in to {
                self.socket.send_to(&bytes[..length], ("127.0.0.1", *port)).unwrap();
            }
        }
    }

    /// The messages as a capture of UDP.
    fn capture(&self, path: &Path) {
        let mut out = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            out.extend(word.to_le_bytes());
        }
        for message in &self.messages {
            let length = (message.len() + 42) as u32;
            for word in [1_700_000_000, 0, length, length] {
                out.extend(word.to_le_bytes());
            }
            out.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0]);
            out.extend((length as u16 - 14).to_be_bytes());
            out.extend([0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39]);
            out.extend(4739_u16.to_be_bytes());
            out.extend((message.len() as u16 + 8).to_be_bytes());
            out.extend([0, 0]);
            out.extend(message);
        }
        fs::write(path, out).unwrap();
    }
}

fn tshark(path: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args([
        "-r",
        path.to_str().unwrap(),
        "-d",
        "udp.port==4739,cflow",
        "-T",
        "fields",
        "-E",
        "occurrence=a",
    ]);
    command.args(["-E", "aggregator=;"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// What nfcapd stored.
fn nfdump(directory: &Path) -> Flows {
    let output =
        Command::new("nfdump").args(["-o", "json", "-R", directory.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let records: Vec<Value> =
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}")).unwrap();
    let time = |value: &Value| millis(&Value::String(format!("{}Z", value.as_str().unwrap())));
    let flow = |record: &Value| {
        let text = |names: [&str; 2]| {
            names.iter().find_map(|name| record[*name].as_str()).unwrap_or_default().to_owned()
        };
        let number = |name: &str| record[name].as_u64().unwrap_or(0);
        let key = (
            text(["src4_addr", "src6_addr"]),
            number("src_port"),
            text(["dst4_addr", "dst6_addr"]),
            number("dst_port"),
        );
        let counts = [
            number("in_packets"),
            number("in_bytes"),
            number("out_packets"),
            number("out_bytes"),
            time(&record["first"]),
            time(&record["last"]),
        ];
        (key, counts)
    };
    records.iter().filter(|record| record["type"] == "FLOW").map(flow).collect()
}

fn nfcapd(directory: &Path) -> (Peer, u16) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let flows = directory.join("flows");
    fs::create_dir(&flows).unwrap();
    let mut command = Command::new("nfcapd");
    command
        .args(["-b", "127.0.0.1", "-p", &port.to_string(), "-w", flows.to_str().unwrap()])
        .env("TZ", "UTC");
    let peer = Peer::logged(&mut command, &directory.join("nfcapd.log"));
    testing::wait::wait_for("nfcapd to listen", || {
        let table = fs::read_to_string("/proc/net/udp").unwrap();
        table.contains(&format!(":{port:04X} ")).then_some(())
    });
    (peer, port)
}

#[test]
fn ipfix_over_udp_is_what_json_says_to_nfdump_and_tshark() {
    if !has("nfcapd") || !has("tshark") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (mut peer, port) = nfcapd(directory.path());
    let mut relay = Relay::new();
    let records = records();
    let flows = records.iter().filter(|record| record.kind() == "flow").count() as u64;
    let spool = directory.path().join("spool");
    let text = format!("kind=ipfix,to=127.0.0.1:{},spool={},mtu=600", relay.port(), spool.display());
    // Two runs: numbers of the stream go on.
    for run in 0..2 {
        let run_of = Run::start(std::slice::from_ref(&text));
        run_of.send(if run == 0 { &records } else { &records[..0] });
        run_of.wait("ipfix", if run == 0 { flows } else { 0 });
        assert_eq!(run_of.lost(), 0);
        run_of.end();
        relay.pass(&[port]);
    }
    peer.end();
    assert_eq!(nfdump(&directory.path().join("flows")), expected(&records));

    assert!(relay.messages.len() > 1 && relay.messages.iter().all(|message| message.len() <= 600));
    let capture = directory.path().join("ipfix.pcap");
    relay.capture(&capture);
    let rows =
        tshark(&capture, &["cflow.octets", "cflow.abstimestart", "cflow.sequence", "_ws.expert.message"]);
    let octets: u64 =
        rows.iter().flat_map(|row| row[0].split(';')).filter_map(|n| n.parse::<u64>().ok()).sum();
    let all: u64 = expected(&records).values().map(|counts| counts[1] + counts[3]).sum();
    assert_eq!(octets, all, "{rows:?}");
    assert!(rows.iter().all(|row| row[3].is_empty()), "{rows:?}");
}

/// Records of flows in messages that stand one after the other: their sequence numbers tell (RFC 7011, 3.1).
pub(super) fn records_of(mut bytes: &[u8]) -> u64 {
    let mut flows = 0;
    while bytes.len() >= 16 {
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let Some((message, rest)) = bytes.split_at_checked(length) else { break };
        flows += data_records(message).1;
        bytes = rest;
    }
    flows
}

/// The sequence number of a message, its records of flows, and all its records of data. Flows have a length that the
/// fields of a variable one make; so they are counted by walking over them.
fn data_records(message: &[u8]) -> (u32, u64, u64) {
    let sequence = u32::from_be_bytes(message[8..12].try_into().unwrap());
    let (mut flows, mut all, mut at) = (0, 0, 16);
    while at + 4 <= message.len() {
        let half = |at: usize| usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
        let (set, end) = (half(at), at + half(at + 2));
        let mut place = at + 4;
        while set >= 256 && place < end {
            // Bytes of the fixed part before the texts, as many texts, and bytes behind them.
            let (before, texts, behind) = match set {
                256 => (8 + 48 + 81, 6, 16),
                257 => (32 + 48 + 81, 6, 16),
                _ => (4 + 24, 1, 0),
            };
            place += before;
            for _ in 0..texts {
                place += 1 + usize::from(message[place]);
            }
            place += behind;
            all += 1;
            flows += u64::from(set != 258);
        }
        at = end;
    }
    (sequence, flows, all)
}

#[test]
fn the_sequence_of_ipfix_counts_records_across_runs_and_begins_anew_with_each_connection() {
    let mut relay = Relay::new();
    let directory = tempfile::tempdir().unwrap();
    let spool = directory.path().join("spool");
    let records = records();
    let flows = expected(&records).len() as u64;
    let text = format!("kind=ipfix,to=127.0.0.1:{},spool={},mtu=600", relay.port(), spool.display());
    for _ in 0..3 {
        let run = Run::start(std::slice::from_ref(&text));
        run.send(&records);
        run.wait("ipfix", flows);
        run.end();
        relay.pass(&[]);
    }
    let mut next = 0;
    let mut seen = 0;
    for message in &relay.messages {
        let (sequence, of_flows, all) = data_records(message);
        assert_eq!(u64::from(sequence), next);
        next += all;
        seen += of_flows;
    }
    assert_eq!(seen, 3 * flows);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        "kind=ipfix,transport=tcp,to=127.0.0.1:{port},spool={}",
        directory.path().join("tcp").display()
    );
    for _ in 0..2 {
        let run = Run::start(std::slice::from_ref(&text));
        run.send(&records);
        let (mut stream, _) = listener.accept().unwrap();
        run.wait("ipfix", flows);
        run.end();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut bytes).unwrap();
        assert_eq!((&bytes[8..12], records_of(&bytes)), (&[0; 4][..], flows));
    }
}

#[test]
fn netflow_9_is_what_json_says_to_nfdump_and_tshark() {
    if !has("nfcapd") || !has("tshark") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (mut peer, port) = nfcapd(directory.path());
    let mut relay = Relay::new();
    let records = records();
    let spool = directory.path().join("spool");
    let text = format!("kind=ipfix,version=9,to=127.0.0.1:{},spool={}", relay.port(), spool.display());
    let run = Run::start(&[text]);
    run.send(&records);
    run.wait("ipfix", expected(&records).len() as u64);
    run.end();
    relay.pass(&[port]);
    peer.end();
    let said = fs::read_to_string(directory.path().join("nfcapd.log")).unwrap();
    let capture = directory.path().join("v9.pcap");
    relay.capture(&capture);
    let rows = tshark(&capture, &["cflow.version", "_ws.malformed", "_ws.expert.message"]);
    assert!(rows.iter().all(|row| row[0] == "9" && row[1].is_empty()), "{rows:?}");
    assert_eq!(nfdump(&directory.path().join("flows")), expected(&records), "{said}");
}
