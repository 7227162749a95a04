//! Names that an enemy chose, through everything that shows names: each comes out, and none as it was.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests that fails is a test that fails")]

use std::path::Path;
use std::process::Command;

use monitor::state::State;
use monitor::telemetry::{Events, KernelStatus, Own};
use monitor::view::flows;
use monitor::view::listing::{self, Scope};
use monitor::view::live::{Life, Snapshot};
use monitor::view::order::{Order, Sort};
use monitor::view::prometheus::{Context, Format, write};
use monitor_common::abi::{Direction, Flow, Side};
use monitor_common::account::{self, At};
use monitor_common::wire::Packet;
use monitor_core::engine::{Engine, EngineConfig};
use monitor_core::live::Window;
use monitor_core::payload::{Payload, TcpHeader};
use serde_json::Value;

/// What to put into names.
fn names() -> Vec<Vec<u8>> {
    let texts = [
        "<script>alert(1)</script>",
        "</title><img src=x onerror=alert(1)>",
        "=cmd|'/C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(1)",
        "\ttab",
        "\"quoted\",'x';`y`",
        "{}[]\\\\u0022\\",
        "\u{202e}moc.elpmaxe\u{2066}",
        "zero\u{200b}width\u{feff}",
        "c1\u{9b}31m\u{85}",
        "\u{1b}[31mred\u{7}\u{0}\u{7f}",
        "plain.example.org",
    ];
    let mut names: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    names.push(b"\xff\xfe\xc3(\xed\xa0\x80".to_vec());
    names.push(vec![b'a'; 60_000]);
    names.push(b"\xe2\x80\xae".repeat(20_000));
    names.push(b"two\nlines\r\nhere".to_vec());
    names
}

fn two(length: usize) -> [u8; 2] {
    (length as u16).to_be_bytes()
}

/// A request with the name wherever one can be.
fn request(name: &[u8]) -> Vec<u8> {
    let line: Vec<u8> = name.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    let mut out = b"GET /".to_vec();
    out.extend(line.iter().filter(|byte| **byte > b' '));
    out.extend(b" HTTP/1.1\r\nHost: ");
    out.extend(&line);
    out.extend(b"\r\nContent-Type: ");
    out.extend(&line);
    out.extend(b"\r\nAuthorization: Basic c2VjcmV0\r\n\r\n");
    out
}

/// A hello with the name as server name and, as far as it fits, as application protocol.
fn hello(name: &[u8]) -> Vec<u8> {
    let extension = |kind: usize, data: &[u8]| [&two(kind)[..], &two(data.len()), data].concat();
    let host = [&[0][..], &two(name.len()), name].concat();
    let protocol = name.get(..name.len().min(200)).unwrap();
    let protocol = [&[protocol.len() as u8][..], protocol].concat();
    let extensions = [
        extension(0, &[&two(host.len())[..], &host].concat()),
        extension(16, &[&two(protocol.len())[..], &protocol].concat()),
    ]
    .concat();
    let body =
        [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0], &two(extensions.len()), &extensions].concat();
    let message = [&[1, 0][..], &two(body.len()), &body].concat();
    message.chunks(16_000).flat_map(|part| [&[22, 3, 1][..], &two(part.len()), part].concat()).collect()
}

/// A query for the name in labels of at most 50 bytes, four of them.
fn query(name: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.chunks(50).take(4) {
        out.push(label.len() as u8);
        out.extend(label);
    }
    out.extend([0, 0, 1, 0, 1]);
    out
}

/// An IPv4 packet of a client to 198.51.100.7.
fn packet(protocol: u8, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend(two(20 + header.len() + payload.len()));
    out.extend([0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7]);
    out.extend(header);
    out.extend(payload);
    out
}

/// A capture in which every name is asked for in every way.
fn capture() -> Vec<u8> {
    let mut packets = Vec::new();
    for (client, name) in (10_000_usize..).zip(names()) {
        for (port, bytes) in [(80, request(&name)), (443, hello(&name))] {
            let tcp = |seq: usize, flags: u8| {
                [
                    &two(client)[..],
                    &two(port),
                    &[0],
                    &seq.to_be_bytes()[5..],
                    &[0; 4],
                    &[0x50, flags, 9, 0, 0, 0, 0, 0],
                ]
                .concat()
            };
            packets.push(packet(6, &tcp(0, 2), b""));
            for (at, part) in (0..).zip(bytes.chunks(1_400)) {
                packets.push(packet(6, &tcp(1 + at * 1_400, 0x10), part));
            }
        }
        let bytes = query(&name);
        let udp = [&two(client)[..], &two(53), &two(8 + bytes.len()), &[0, 0]].concat();
        packets.push(packet(17, &udp, &bytes));
    }
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        out.extend(word.to_le_bytes());
    }
    for (n, packet) in packets.iter().enumerate() {
        for word in [1_700_000_000, n as u32, packet.len() as u32, packet.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(packet);
    }
    out
}

/// Nothing that moves a cursor, hides or turns around what stands beside it.
fn assert_harmless(what: &str, text: &str) {
    let bad = text.chars().find(|c| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    });
    assert_eq!(bad, None, "{what}");
}

fn weir(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// All texts in a value.
fn texts<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, out)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, out)),
        _ => {}
    }
}

#[test]
fn what_is_written_of_a_capture_is_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, tables, page) = (path("capture.pcap"), path("tables"), path("report.html"));
    std::fs::write(&file, capture()).unwrap();
    let count = names().len();

    let json = weir(&["pcap", "--json", &file]);
    assert_harmless("JSON", &json);
    let records: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| records.iter().filter(|record| record["record"] == kind).count();
    assert_eq!([of("http"), of("tls"), of("dns"), of("finding")], [count; 4]);
    for record in &records {
        let mut all = Vec::new();
        texts(record, &mut all);
        for text in all {
            assert!(text.len() <= 255, "{text}");
            assert_harmless("a text", text);
            assert!(!text.contains('\n') && !text.contains("c2VjcmV0"), "{text}");
        }
    }

    weir(&["pcap", "--csv", &tables, &file]);
    let mut cells = 0;
    for table in std::fs::read_dir(&tables).unwrap() {
        let table = table.unwrap().path();
        assert_harmless("CSV", text(&table).replace("\r\n", "\n").as_str());
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(&table).unwrap();
        for row in reader.records() {
            for cell in &row.unwrap() {
                cells += 1;
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{}: {cell}", table.display());
            }
        }
    }
    assert!(cells > 10 * count, "{cells}");

    assert_harmless("the report", &weir(&["pcap", "--no-color", "--top", "100", &file]));
    weir(&["pcap", "--html", &page, "--top", "100", &file]);
    let page = text(Path::new(&page));
    assert_harmless("the page", &page);
    for tag in ["<script>alert", "</title><img", "<img src=x"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("plain.example.org"), "names are on the page");
}

/// A flow with these names in its first request, in an engine that has drained it.
fn observed(names: &[Vec<u8>]) -> Engine {
    let mut engine = Engine::new(EngineConfig { live: Some(1_000_000_000), ..EngineConfig::default() }, 1);
    let mut slots = Vec::new();
    for (client, name) in (10_000..).zip(names) {
        for (port, bytes) in [(80, request(name)), (443, hello(name))] {
            let packet = Packet {
                source: monitor_common::abi::Address::from_v4_octets([192, 0, 2, 1]),
                destination: monitor_common::abi::Address::from_v4_octets([198, 51, 100, 7]),
                source_port: client,
                destination_port: port,
                protocol: 6,
                ip_version: 4,
                tcp_flags: 0x10,
                seq: 1,
                ip_length: 1_000,
                payload_length: 960,
                wire_length: 1_014,
                segments: 1,
                ..Packet::default()
            };
            let (flow, side) = account::opened(&packet, 1, 0, Direction::Receive, 5);
            account::account(&flow, &packet, side, &At(5));
            slots.push((flow, side, bytes));
        }
    }
    let drain = |engine: &mut Engine, now: u64, read: &dyn Fn(&mut Engine)| {
        engine.begin_drain(now, &[]);
        read(engine);
        engine.expired(&[]);
        engine.end_drain(now, &[]);
    };
    drain(&mut engine, 10, &|engine| {
        for (slot, (flow, side, bytes)) in (0..).zip(&slots) {
            engine.observe(slot, flow);
            say(engine, slot, flow, *side, bytes);
        }
    });
    // Names are waited for; then what was counted goes to them.
    for seconds in 1..5 {
        drain(&mut engine, seconds * 1_000_000_000, &|engine| {
            for (slot, (flow, ..)) in (0..).zip(&slots) {
                engine.observe(slot, flow);
            }
        });
    }
    engine
}

fn say(engine: &mut Engine, slot: u32, flow: &Flow, sender: Side, bytes: &[u8]) {
    let mut seq = 1;
    for part in bytes.chunks(1_400) {
        let tcp = Some(TcpHeader { seq, ack: None, syn: false, urgent: 0 });
        let payload = Payload { time: 5, sender, bytes: part, length: part.len() as u32, tcp };
        engine.sample(slot, flow, 0, &payload, |_| Default::default());
        seq += part.len() as u32;
    }
}

/// The labels of a sample are well-formed: quotes and backslashes are escaped.
fn assert_sample(line: &str) {
    let Some((_, rest)) = line.split_once('{') else { return };
    let mut within = false;
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if within => assert!(matches!(bytes.next(), Some(b'\\' | b'"' | b'n')), "{line}"),
            b'"' => within = !within,
            b'}' if !within => {
                let value: String = String::from_utf8(bytes.collect()).unwrap();
                assert!(value.trim().parse::<f64>().is_ok(), "{line}");
                return;
            }
            _ => {}
        }
    }
    panic!("{line}");
}

#[test]
fn what_is_shown_of_a_host_is_harmless() {
    let engine = observed(&names());
    let state = State::new(engine, Own::new().unwrap());
    let sort = Sort { by: Order::Bytes, reverse: false };
    let (ids, matched) = listing::select(&state, None, &Scope::default(), sort, 1_000, &|| true).unwrap();
    assert_eq!(matched, 2 * names().len());
    let all = listing::rows(&state, &ids, &Scope::default());
    let named = all.iter().filter(|flow| flow.name.is_some()).count();
    assert!(named > matched / 2, "{named}");
    let answer = flows::Answer { matched, flows: all };
    let json = serde_json::to_string(&answer).unwrap();
    assert_harmless("the API", &json);

    let snapshot = serde_json::to_string(&Snapshot::of(&state, Window::Hour)).unwrap();
    assert!(snapshot.contains("plain.example.org"), "names are in the snapshot");
    assert_harmless("the live snapshot", &snapshot);
    let id = state.engine().flows().next().unwrap().id;
    let life = serde_json::to_string(&Life::of(&mut state.engine(), id)).unwrap();
    assert_harmless("one flow", &life);
    let engine = state.engine();

    let (kernel, own, events) = (KernelStatus::default(), Own::new().unwrap(), Events::default());
    let context = Context {
        kernel: &kernel,
        own: &own,
        events: &events,
        created: true,
        config_ok: true,
        undirected: None,
    };
    for format in [Format::Text, Format::OpenMetrics] {
        let page = String::from_utf8(write(&engine, &context, format, Vec::new())).unwrap();
        assert_harmless("the metrics", &page);
        assert!(page.contains("plain.example.org"), "names are on the page");
        page.lines().filter(|line| !line.starts_with('#')).for_each(assert_sample);
    }
}
