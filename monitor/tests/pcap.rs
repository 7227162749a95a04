//! `weir pcap` as a user runs it, on captures made here.
#![expect(clippy::unwrap_used, reason = "a helper of tests that fails is a test that fails")]

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn weir(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs with `input` on standard input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = weir(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that refuses the input may be gone before it is written.
    drop(stdin.write_all(input));
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn records(output: &Output) -> Vec<Value> {
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn header(link_type: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, link_type] {
        out.extend(u32::to_le_bytes(word));
    }
    out
}

fn packet(out: &mut Vec<u8>, milliseconds: u32, bytes: &[u8]) {
    let length = bytes.len() as u32;
    for word in [1_700_000_000, milliseconds * 1000, length, length] {
        out.extend(word.to_le_bytes());
    }
    out.extend(bytes);
}

const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 1], 40000);
const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 443);

/// TCP over IPv4 without a link header.
fn tcp(from: ([u8; 4], u16), to: ([u8; 4], u16), seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend((40 + payload.len() as u16).to_be_bytes());
    out.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    out.extend(from.0);
    out.extend(to.0);
    out.extend(from.1.to_be_bytes());
    out.extend(to.1.to_be_bytes());
    out.extend(seq.to_be_bytes());
    out.extend(ack.to_be_bytes());
    out.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend(payload);
    out
}

/// A connection from its handshake to both FINs: 8 packets.
fn connection() -> Vec<u8> {
    let mut out = header(101);
    for (at, bytes) in [
        (0, tcp(CLIENT, SERVER, 100, 0, 0x02, b"")),
        (20, tcp(SERVER, CLIENT, 500, 101, 0x12, b"")),
        (30, tcp(CLIENT, SERVER, 101, 501, 0x10, b"")),
        (40, tcp(CLIENT, SERVER, 101, 501, 0x18, b"question")),
        (90, tcp(SERVER, CLIENT, 501, 109, 0x18, b"answer")),
        (100, tcp(CLIENT, SERVER, 109, 507, 0x11, b"")),
        (110, tcp(SERVER, CLIENT, 507, 110, 0x11, b"")),
        (120, tcp(CLIENT, SERVER, 110, 508, 0x10, b"")),
    ] {
        packet(&mut out, at, &bytes);
    }
    out
}

fn file(directory: &Path, name: &str, bytes: &[u8]) -> String {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_connection_is_one_record_with_its_numbers() {
    let output = run(&["pcap", "--json", "-"], &connection());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", complaint(&output));
    let records = records(&output);
    assert_eq!(records.len(), 1);
    let expected = json!({
        "record": "flow",
        "start": "2023-11-14T22:13:20.000000000Z",
        "end": "2023-11-14T22:13:20.120000000Z",
        "transport": "tcp",
        "client_ip": "192.0.2.1", "client_port": 40000,
        "server_ip": "198.51.100.7", "server_port": 443,
        "client_rule": "syn", "state": "closed", "closed_by": "client",
        "handshake_seconds": 0.03, "first_response_seconds": 0.05,
        "first_frame": 1, "last_frame": 8,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(records[0].get(name), Some(value), "{name}");
    }
    let sent = json!({"packets": 5, "bytes": 208, "ip_bytes": 208, "payload_bytes": 8, "syn": 1, "fin": 1, "psh": 1});
    let received =
        json!({"packets": 3, "bytes": 126, "payload_bytes": 6, "syn": 0, "syn_ack": 1, "fin": 1, "rst": 0});
    for (direction, expected) in [("sent", sent), ("received", received)] {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(records[0][direction].get(name), Some(value), "{direction} {name}");
        }
    }
    assert!(records[0].get("interface").is_none() && records[0].get("end_reason").is_none());
}

/// The packets of [`connection`] in two files: every second one in each.
fn dealt(directory: &Path) -> [String; 2] {
    let whole = connection();
    let mut parts = [header(101), header(101)];
    let mut rest = &whole[24..];
    let mut at = 0;
    while let Some(length) = rest.get(8..12) {
        let end = 16 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
        parts[at % 2].extend(&rest[..end]);
        rest = &rest[end..];
        at += 1;
    }
    let [first, second] = parts;
    [file(directory, "1.pcap", &first), file(directory, "2.pcap", &second)]
}

#[test]
fn files_are_read_in_the_order_of_time_and_frames_keep_their_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second] = dealt(directory.path());
    let alone = records(&run(&["pcap", "--json", "-"], &connection()));
    let pattern = directory.path().join("?.pcap").to_str().unwrap().to_owned();
    for files in [vec![&first, &second], vec![&second, &first], vec![&pattern]] {
        let mut arguments = vec!["pcap", "--json"];
        arguments.extend(files.iter().map(|file| file.as_str()));
        let output = run(&arguments, b"");
        assert!(output.status.success() && output.stderr.is_empty(), "{}", complaint(&output));
        let mut records = records(&output);
        assert_eq!(records.len(), 1);
        let flow = records[0].as_object_mut().unwrap();
        let frames = [("first_frame", json!(1)), ("last_frame", json!(4))];
        let named = [("first_file", json!(first)), ("last_file", json!(second))];
        for (name, value) in frames.iter().chain(&named) {
            assert_eq!(flow.remove(*name).as_ref(), Some(value), "{name}");
        }
        let mut expected = alone[0].clone();
        expected.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_frame"));
        assert_eq!(records[0], expected);
    }
}

#[test]
fn of_several_files_one_may_be_damaged_or_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second] = dealt(directory.path());
    let output = run(&["pcap", "--json", "-", &second], &std::fs::read(&first).unwrap());
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!(records(&output)[0]["first_file"], "-");
    let bytes = std::fs::read(&first).unwrap();
    std::fs::write(&first, &bytes[..bytes.len() - 1]).unwrap();
    let output = run(&["pcap", "--json", &first, &second], b"");
    assert!(
        output.status.success() && complaint(&output).contains("after packet 3"),
        "{}",
        complaint(&output)
    );
    let flow = &records(&output)[0];
    let packets = |side: &str| flow[side]["packets"].as_u64().unwrap();
    assert_eq!(packets("sent") + packets("received"), 7);
}

#[test]
fn a_damaged_file_gives_what_stands_before_and_says_where() {
    let directory = tempfile::tempdir().unwrap();
    let whole = connection();
    let cut = file(directory.path(), "cut", &whole[..whole.len() - 5]);
    for (option, code) in [("--lenient", 0), ("--strict", 1)] {
        let output = run(&["pcap", "--json", option, &cut], b"");
        assert_eq!(output.status.code(), Some(code));
        let records = records(&output);
        assert_eq!((records.len(), &records[0]["last_frame"]), (1, &json!(7)));
        let complaint = complaint(&output);
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        let offset = whole.len() - 56;
        assert!(complaint.contains(&format!("offset {offset}, after packet 7")), "{complaint}");
    }
}

#[test]
fn what_is_no_capture_is_refused_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let text = file(directory.path(), "notes.txt", b"not a capture at all");
    let missing = directory.path().join("missing").to_str().unwrap().to_owned();
    for path in [text, missing] {
        let output = run(&["pcap", "--json", &path], b"");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        let complaint = complaint(&output);
        assert!(complaint.lines().count() == 1 && complaint.contains(&path), "{complaint}");
    }
}

#[test]
fn link_types_that_are_not_known_are_counted_by_number() {
    let mut bytes = header(195);
    for at in 0..3 {
        packet(&mut bytes, at, b"whatever");
    }
    let output = run(&["pcap", "--json", "-"], &bytes);
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(complaint(&output).contains("3 packets of link type 195"), "{}", complaint(&output));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut bytes = header(101);
    for port in 1..40_000 {
        packet(&mut bytes, 0, &tcp((CLIENT.0, port), SERVER, 1, 0, 0x02, b""));
    }
    let mut child = weir(&["pcap", "--json", "-"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
    let mut first = [0; 100];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    writer.join().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", complaint(&output));
}

/// UDP over IPv4 without a link header.
fn udp(from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let mut out = vec![0x45, 0];
    out.extend((20 + length).to_be_bytes());
    out.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    out.extend(from.0);
    out.extend(to.0);
    for word in [from.1, to.1, length, 0] {
        out.extend(word.to_be_bytes());
    }
    out.extend(payload);
    out
}

/// The question for `weir.example`.
const QUESTION: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04weir\x07example\0\0\x01\0\x01";

/// [`connection`], and around it a question of DNS that is asked twice.
fn with_question() -> Vec<u8> {
    let mut out = header(101);
    let resolver = (SERVER.0, 53);
    packet(&mut out, 0, &udp(CLIENT, resolver, QUESTION));
    out.extend(&connection()[24..]);
    packet(&mut out, 200, &udp(CLIENT, resolver, QUESTION));
    out
}

fn kinds(output: &Output) -> Vec<String> {
    let mut kinds: Vec<_> =
        records(output).iter().map(|record| record["record"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    kinds
}

#[test]
fn a_filter_takes_flows_and_with_them_their_messages() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "all.pcap", &with_question());
    for (filter, expected) in [
        ("udp", &["dns", "dns", "flow"][..]),
        ("port 53 or port 443", &["dns", "dns", "flow", "flow"]),
        ("server port 443", &["flow"]),
        ("application dns and packets = 2", &["dns", "dns", "flow"]),
        ("fin and received bytes > 100 and state closed", &["flow"]),
        ("packets > 100", &[]),
    ] {
        let output = run(&["pcap", "--json", "--filter", filter, &path], b"");
        assert!(output.status.success(), "{}", complaint(&output));
        assert_eq!(complaint(&output).is_empty(), !expected.is_empty(), "{}", complaint(&output));
        assert_eq!(kinds(&output), expected, "{filter}");
    }
}

/// Two connections of one 5-tuple, and what each asks for.
fn reused() -> Vec<u8> {
    let mut out = header(101);
    for (at, seq, host) in [(0, 100, "one"), (500, 900_000, "two")] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}.example\r\n\r\n");
        let next = seq + 1 + request.len() as u32;
        for (after, bytes) in [
            (0, tcp(CLIENT, SERVER, seq, 0, 0x02, b"")),
            (10, tcp(SERVER, CLIENT, 500, seq + 1, 0x12, b"")),
            (20, tcp(CLIENT, SERVER, seq + 1, 501, 0x18, request.as_bytes())),
            (30, tcp(SERVER, CLIENT, 501, next, 0x18, b"HTTP/1.1 204 No Content\r\n\r\n")),
            (40, tcp(CLIENT, SERVER, next, 528, 0x14, b"")),
        ] {
            packet(&mut out, at + after, &bytes);
        }
    }
    out
}

#[test]
fn records_of_a_flow_bear_its_number_and_no_other_flow_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "reused.pcap", &reused());
    let records = records(&run(&["pcap", "--json", &path], b""));
    let text = |record: &Value, name: &str| record[name].as_str().map(str::to_owned);
    let of = |kind: &str| records.iter().filter(|r| r["record"] == kind).collect::<Vec<_>>();
    let flows: Vec<_> = of("flow").iter().map(|r| (text(r, "id").unwrap(), text(r, "name"))).collect();
    assert_eq!(flows.len(), 2);
    assert_ne!(flows[0].0, flows[1].0);
    assert_eq!(of("http").len(), 4);
    for message in of("http") {
        assert!(flows.contains(&(text(message, "id").unwrap(), text(message, "host"))), "{message}");
    }
    // A filter that knows flows by what they came to takes the messages of the one and not of the other.
    let one = run(&["pcap", "--json", "--filter", "name one.example", &path], b"");
    assert_eq!(kinds(&one), ["flow", "http", "http"]);
    let life = run(&["pcap", "--flow", "8", &path], b"");
    let life = String::from_utf8(life.stdout).unwrap();
    assert!(life.contains("two.example") && !life.contains("one.example"), "{life}");
}

#[test]
fn what_is_wrong_with_a_filter_is_said_with_its_column() {
    let output = run(&["pcap", "--json", "--filter", "port 53 adn udp", "-"], &with_question());
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(complaint(&output).contains("column 9"), "{}", complaint(&output));
}

#[test]
fn standard_input_cannot_be_read_twice() {
    let at_once = run(&["pcap", "--json", "--filter", "udp", "-"], &with_question());
    assert_eq!(kinds(&at_once), ["dns", "dns", "flow"]);
    let output = run(&["pcap", "--json", "--filter", "packets = 2", "-"], &with_question());
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(complaint(&output).contains("read twice") && complaint(&output).lines().count() == 1);
}

/// What tshark says of a file: number of each frame's interface, time and length.
fn tshark(path: &str) -> Vec<String> {
    // Of the Debian package of that name, as all tests that have another reader.
    let output = Command::new("tshark")
        .args(["-r", path, "-T", "fields", "-e", "frame.interface_id", "-e", "frame.time_epoch"])
        .args(["-e", "frame.len", "-e", "frame.cap_len", "-e", "ip.proto"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn packets_that_pass_are_written_as_they_were_and_tshark_reads_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "all.pcap", &with_question());
    // The same with another link type: Ethernet, cut short.
    let mut ethernet = header(1);
    for (at, bytes) in [(10, udp(CLIENT, (SERVER.0, 53), QUESTION)), (20, b"no IP".to_vec())] {
        packet(&mut ethernet, at, &[&[0; 12], &[8, 0][..], &bytes].concat());
    }
    let other = file(directory.path(), "other.pcap", &ethernet);
    let written = directory.path().join("out.pcapng").to_str().unwrap().to_owned();
    for filter in ["udp", "application dns"] {
        let output = run(&["pcap", "--filter", filter, "-w", &written, &path, &other], b"");
        assert!(output.status.success() && output.stderr.is_empty(), "{}", complaint(&output));
        assert_eq!(
            tshark(&written),
            [
                "0\t1700000000.000000000\t58\t58\t17",
                "1\t1700000000.010000000\t72\t72\t17",
                "0\t1700000000.200000000\t58\t58\t17",
            ],
            "{filter}"
        );
        let again = run(&["pcap", "--filter", filter, "-w", &written, &path], b"");
        assert!(complaint(&again).contains("--force"), "{}", complaint(&again));
        std::fs::remove_file(&written).unwrap();
    }
    let all = run(&["pcap", "--filter", "host 192.0.2.1", "-w", "-", &path], b"");
    let back = run(&["pcap", "--json", "-"], &all.stdout);
    let whole = run(&["pcap", "--json", &path], b"");
    assert_eq!(records(&back), records(&whole), "what passes whole is the same capture");
}

/// A page of metrics.
struct PageOf(String);

impl PageOf {
    fn of(arguments: &[&str], input: &[u8]) -> Self {
        let output = run(&[&["pcap", "--prometheus"], arguments, &["-"]].concat(), input);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", complaint(&output));
        Self(String::from_utf8(output.stdout).unwrap())
    }

    /// The sum of the series of a family that have this label.
    fn sum(&self, family: &str, label: &str) -> u64 {
        let of = self.0.lines().filter(|line| line.split(['{', ' ']).next() == Some(family));
        let of = of.filter(|line| line.contains(label));
        of.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

#[test]
fn the_page_of_metrics_is_that_of_the_moment_after_the_last_packet() {
    let page = PageOf::of(&[], &with_question());
    // Eight segments and two questions.
    for (family, expected) in [
        ("weir_hook_packets_total", 10),
        ("weir_accounted_packets_total", 10),
        ("weir_conservation_violations_total", 0),
        ("weir_network_io_packets_total", 10),
        ("weir_flows_started_total", 2),
        ("weir_flows_active", 2),
    ] {
        assert_eq!(page.sum(family, ""), expected, "{family}");
    }
}

#[test]
fn the_page_of_metrics_has_flows_that_ended_before() {
    let mut bytes = with_question();
    for at in 0..3 {
        packet(&mut bytes, 100_000 + at, &udp(CLIENT, (SERVER.0, 53), QUESTION));
    }
    let page = PageOf::of(&["--local", "192.0.2.0/24"], &bytes);
    assert_eq!((page.sum("weir_flows_ended_total", ""), page.sum("weir_flows_active", "")), (1, 1));
    for family in ["weir_hook_packets_total", "weir_accounted_packets_total", "weir_network_io_packets_total"]
    {
        assert_eq!(page.sum(family, "interface=\"capture\""), 13, "{family}");
        assert_eq!(page.sum(family, "direction=\"transmit\""), 10, "{family}");
    }
    assert_eq!(page.sum("weir_conservation_violations_total", ""), 0);
}

/// Packets by their direction: received, transmitted, and those of which it is not known.
fn directions(page: &PageOf) -> [u64; 3] {
    for family in ["weir_hook_packets_total", "weir_accounted_packets_total", "weir_flow_io_packets_total"] {
        for label in ["direction=\"receive\"", "direction=\"transmit\""] {
            assert_eq!(page.sum(family, label), page.sum("weir_network_io_packets_total", label), "{family}");
        }
    }
    assert_eq!(page.sum("weir_conservation_violations_total", ""), 0);
    [
        page.sum("weir_network_io_packets_total", "direction=\"receive\""),
        page.sum("weir_network_io_packets_total", "direction=\"transmit\""),
        page.sum("weir_capture_undirected_packets_total", ""),
    ]
}

#[test]
fn directions_come_from_the_networks_that_are_local() {
    for (local, expected) in [
        (&[][..], [10, 0, 10]),
        (&["--local", "192.0.2.0/24"], [3, 7, 0]),
        (&["--local", "198.51.100.7"], [7, 3, 0]),
        (&["--local=10.0.0.0/8", "--local=192.0.2.1"], [3, 7, 0]),
        (&["--local", "10.0.0.0/8"], [10, 0, 10]),
    ] {
        assert_eq!(directions(&PageOf::of(local, &with_question())), expected, "{local:?}");
    }
    let output = run(&["pcap", "--prometheus", "--local", "192.0.2.0/33", "-"], b"");
    assert!(complaint(&output).contains("--local"), "{}", complaint(&output));
}

#[test]
fn directions_that_the_capture_says_go_before_local_networks() {
    let mut bytes = header(113);
    for (at, way, ip) in [
        (0, 0, udp(CLIENT, (SERVER.0, 53), QUESTION)),
        (1, 4, udp((SERVER.0, 53), CLIENT, QUESTION)),
        (2, 4, udp((SERVER.0, 53), CLIENT, QUESTION)),
    ] {
        // Linux cooked: who sent it to whom, the device's type, an address, the protocol.
        let mut cooked = vec![0, way, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
        cooked.extend(ip);
        packet(&mut bytes, at, &cooked);
    }
    for local in [&[][..], &["--local", "192.0.2.0/24"]] {
        assert_eq!(directions(&PageOf::of(local, &bytes)), [1, 2, 0], "{local:?}");
    }
}

#[test]
fn packets_that_were_cut_count_with_their_length_on_the_wire() {
    let mut bytes = header(101);
    for (at, from, to) in [(0, CLIENT, SERVER), (1, SERVER, CLIENT)] {
        let whole = tcp(from, to, 1000, 1, 0x18, &[7; 1000]);
        for word in [1_700_000_000, at * 1000, 54, whole.len() as u32] {
            bytes.extend(u32::to_le_bytes(word));
        }
        bytes.extend(&whole[..54]);
    }
    let records = records(&run(&["pcap", "--json", "-"], &bytes));
    assert_eq!(records.len(), 1);
    for side in ["sent", "received"] {
        let numbers = ["packets", "bytes", "ip_bytes", "payload_bytes"].map(|name| &records[0][side][name]);
        assert_eq!(numbers, [1, 1040, 1040, 1000], "{side}");
    }
}

/// A request with its response, and then a packet a second of others.
fn with_request(seconds_after: u32) -> Vec<u8> {
    let request = b"GET / HTTP/1.1\r\nHost: www.weir.example\r\n\r\n";
    let mut out = header(101);
    let acked = 101 + request.len() as u32;
    for (at, bytes) in [
        (0, tcp(CLIENT, SERVER, 100, 0, 0x02, b"")),
        (10, tcp(SERVER, CLIENT, 500, 101, 0x12, b"")),
        (20, tcp(CLIENT, SERVER, 101, 501, 0x18, request)),
        (30, tcp(SERVER, CLIENT, 501, acked, 0x18, b"HTTP/1.1 204 No Content\r\n\r\n")),
        (40, tcp(CLIENT, SERVER, acked, 528, 0x11, b"")),
        (50, tcp(SERVER, CLIENT, 528, acked + 1, 0x11, b"")),
        (60, tcp(CLIENT, SERVER, acked + 1, 529, 0x10, b"")),
    ] {
        packet(&mut out, at, &bytes);
    }
    for second in 1..=seconds_after {
        packet(&mut out, second * 1000, &udp(([203, 0, 113, 9], 9), ([203, 0, 113, 8], 9), b"later"));
    }
    out
}

#[test]
fn the_page_of_metrics_counts_flows_under_their_names_whether_they_have_ended_or_not() {
    for (seconds, active) in [(0, 1), (200, 0)] {
        let output = run(&["pcap", "--prometheus", "-"], &with_request(seconds));
        let page = String::from_utf8(output.stdout).unwrap();
        let packets = page
            .lines()
            .find(|line| {
                line.starts_with(r#"weir_domain_io_packets_total{domain="weir.example",source="http","#)
            })
            .and_then(|line| line.rsplit(' ').next());
        assert_eq!(packets, Some("7"), "{seconds} s: {page}");
        let served = page.contains(r#"application="http",direction="receive"} 349"#);
        assert!(served, "{seconds} s: {page}");
        let active = format!(r#"weir_flows_active{{transport="tcp"}} {active}"#);
        assert!(page.contains(&active), "{seconds} s: {page}");
    }
}

#[test]
fn what_cannot_mean_anything_is_told_in_one_line() {
    let mut capture = header(101);
    packet(&mut capture, 1, &tcp(CLIENT, SERVER, 1, 0, 2, b""));
    let nothing = run(&["pcap", "--json", "--filter", "port 1", "-"], &capture);
    assert_eq!(
        (nothing.status.code(), complaint(&nothing).as_str()),
        (Some(0), "weir: no flow passes the filter\n")
    );
    assert!(nothing.stdout.is_empty());
    let alone = run(&["pcap", "--fields", "name", "-"], &capture);
    assert!(complaint(&alone).contains("--json") && alone.status.code() == Some(1), "{}", complaint(&alone));
    let empty = run(&["pcap", "-"], b"");
    assert!(complaint(&empty).contains("standard input: it is empty"), "{}", complaint(&empty));
    let nowhere = run(&["pcap", "--html", "/nonexistent/page.html", "-"], &capture);
    assert!(complaint(&nowhere).contains("make the directory first"), "{}", complaint(&nowhere));
}

/// A pcap file whose packets claim a length on the wire of their own.
fn with_wire_length(of: fn(u32) -> u32) -> Vec<u8> {
    let mut bytes = connection();
    let mut at = 24;
    while at < bytes.len() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let captured = word(at + 8);
        bytes[at + 12..at + 16].copy_from_slice(&of(captured).to_le_bytes());
        at += 16 + captured as usize;
    }
    bytes
}

#[test]
fn a_length_on_the_wire_below_what_was_captured_is_what_was_captured() {
    let whole = records(&run(&["pcap", "--json", "-"], &connection()));
    let report = run(&["pcap", "--section", "summary,capture", "-"], &connection()).stdout;
    for of in [|_| 0, |captured| captured / 2] {
        let bytes = with_wire_length(of);
        assert_eq!(records(&run(&["pcap", "--json", "-"], &bytes)), whole);
        let said = run(&["pcap", "--section", "summary,capture", "-"], &bytes).stdout;
        assert_eq!(String::from_utf8_lossy(&said), String::from_utf8_lossy(&report));
    }
}

#[test]
fn of_several_files_those_that_are_no_captures_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second] = dealt(directory.path());
    file(directory.path(), "empty.pcap", b"");
    file(directory.path(), "notes.txt", b"not a capture at all");
    file(directory.path(), "short.pcap", &[0xd4, 0xc3]);
    let all = directory.path().to_str().unwrap().to_owned();
    let pattern = directory.path().join("*").to_str().unwrap().to_owned();
    let alone = records(&run(&["pcap", "--json", &first, &second], b""));
    for argument in [&all, &pattern] {
        let output = run(&["pcap", "--json", argument], b"");
        assert!(output.status.success(), "{}", complaint(&output));
        assert_eq!(records(&output), alone);
        let complaint = complaint(&output);
        assert_eq!(complaint.lines().count(), 3, "{complaint}");
        for name in ["empty.pcap", "notes.txt", "short.pcap"] {
            assert!(complaint.contains(name), "{complaint}");
        }
        assert_eq!(run(&["pcap", "--json", "--strict", argument], b"").status.code(), Some(1));
    }
    // Where nothing is a capture there is nothing to pass over.
    std::fs::remove_file(&first).unwrap();
    std::fs::remove_file(&second).unwrap();
    assert_eq!(run(&["pcap", "--json", &all], b"").status.code(), Some(1));
}

#[test]
fn the_summary_says_that_a_capture_is_truncated() {
    let whole = connection();
    let said = |bytes: &[u8]| {
        let output = run(&["pcap", "--section", "summary", "-"], bytes);
        assert!(output.status.success(), "{}", complaint(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!said(&whole).contains("truncated"));
    assert!(said(&whole[..whole.len() - 5]).contains(", truncated"));
}
