//! The report of `weir pcap` on standard output.

use std::fs;

use super::{Place, capture, text, weir};

fn report(arguments: &[&str]) -> String {
    let output = weir(&[&["pcap"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn it_is_what_comes_when_nothing_else_is_asked_for() {
    let place = Place::new();
    let shown = report(&[&place.capture]);
    for said in [
        "example.com",
        "www.example.com",
        "198.51.100.7",
        "443/tcp",
        "Handshakes",
        "name lookups",
        "GET",
        "Link layer",
        "Non-IP",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    assert!(!shown.contains('\x1b'), "colours in a pipe");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn sections_are_chosen_and_a_misspelt_one_gives_the_nearest() {
    let place = Place::new();
    let shown = report(&[&place.capture, "--section", "dns,fragments"]);
    assert!(
        shown.starts_with("DNS\n") && shown.contains("none in this capture") && !shown.contains("TCP health")
    );
    let refused = weir(&["pcap", &place.capture, "--section", "domain"]);
    let complaint = text(&refused.stderr);
    assert!(refused.status.code() == Some(2) && complaint.contains("`domains`"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

#[test]
fn shares_of_all_rows_make_a_hundred_percent() {
    let place = Place::new();
    let path = place.path("many.pcap");
    let names: Vec<String> = (0..40).map(|i| format!("www.example{i}.com")).collect();
    fs::write(&path, capture::named(&names.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    let shown = report(&[&path, "--section", "domains", "--top", "7"]);
    let shares = shown.lines().filter_map(|line| {
        let (before, _) = line.split_once(" %")?;
        before.split_whitespace().last()?.replace('.', "").parse::<u32>().ok()
    });
    let shares: Vec<u32> = shares.collect();
    assert_eq!((shares.len(), shares.iter().sum::<u32>()), (8, 1000), "{shown}");
    assert!(shown.contains("33 others"), "{shown}");
}

#[test]
fn a_scanner_stands_in_the_summary() {
    let place = Place::new();
    let path = place.path("scan.pcap");
    fs::write(&path, capture::scan(60)).unwrap();
    let shown = report(&[&path, "--section", "summary,sources"]);
    assert!(shown.contains("192.0.2.1: host scan? (60 hosts, 1 port, 100.0 % failed)"), "{shown}");
}

#[test]
fn no_name_reaches_standard_output_as_a_command() {
    let place = Place::new();
    let path = place.path("hostile.pcap");
    fs::write(&path, capture::named(&["\x1b[2J\x1b]0;owned\x07.example", "\u{202e}moc.example"])).unwrap();
    let shown = report(&[&path]);
    assert!(!shown.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown:?}");
}

/// A `MaxMind` DB file (<https://maxmind.github.io/MaxMind-DB/>) of IPv4 networks and their owners.
fn mmdb(networks: &[([u8; 4], u32, u32, &str)]) -> Vec<u8> {
    fn string(text: &str) -> Vec<u8> {
        // From 29 on the length goes on in the next byte.
        let length = text.len() as u8;
        let control = if length < 29 { vec![0x40 + length] } else { vec![0x40 + 29, length - 29] };
        [&control, text.as_bytes()].concat()
    }
    let number = |kind: u8, value: u32| [&[kind << 5 | 4][..], &value.to_be_bytes()].concat();
    let map = |entries: &[(&str, Vec<u8>)]| {
        let entries = entries.iter().flat_map(|(key, value)| [string(key), value.clone()].concat());
        [7 << 5].into_iter().chain(entries).collect::<Vec<u8>>()
    };
    let counted = |mut map: Vec<u8>, entries: u8| {
        map[0] |= entries;
        map
    };
    let mut nodes: Vec<[Option<u32>; 2]> = vec![[None; 2]];
    let mut data = Vec::new();
    // In the tree: the number of a node, or from 1 << 30 on a place in the data.
    for (network, length, asn, owner) in networks {
        let at = data.len() as u32;
        let entry = map(&[
            ("autonomous_system_number", number(6, *asn)),
            ("autonomous_system_organization", string(owner)),
        ]);
        data.extend(counted(entry, 2));
        let bits = u32::from_be_bytes(*network);
        let mut node = 0;
        for depth in 0..*length {
            let side = (bits >> (31 - depth) & 1) as usize;
            if depth + 1 == *length {
                nodes[node][side] = Some(1 << 30 | at);
            } else if let Some(next) = nodes[node][side] {
                node = next as usize;
            } else {
                nodes.push([None; 2]);
                nodes[node][side] = Some(nodes.len() as u32 - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let count = nodes.len() as u32;
    let mut out = Vec::new();
    for record in nodes.iter().flatten() {
        let value = match record {
            None => count,
            Some(at) if at & 1 << 30 != 0 => count + 16 + (at & !(1 << 30)),
            Some(node) => *node,
        };
        out.extend(&value.to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let short = |value: u16| [&[5 << 5 | 2][..], &value.to_be_bytes()].concat();
    out.extend(counted(
        map(&[
            ("node_count", number(6, count)),
            ("record_size", short(24)),
            ("ip_version", short(4)),
            ("database_type", string("GeoLite2-ASN")),
            ("languages", vec![0, 4]),
            ("binary_format_major_version", short(2)),
            ("binary_format_minor_version", short(0)),
            ("build_epoch", vec![1, 2, 7]),
            ("description", vec![7 << 5]),
        ]),
        9,
    ));
    out
}

#[test]
fn owners_of_addresses_come_from_the_file() {
    let place = Place::new();
    let (owners, other) = (place.path("asn.mmdb"), place.path("other.mmdb"));
    fs::write(
        &owners,
        mmdb(&[([198, 51, 100, 0], 24, 64_500, "Example \x1b[31mNet"), ([203, 0, 113, 0], 24, 64_501, "B")]),
    )
    .unwrap();
    let shown = report(&[&place.capture, "--asn-db", &owners]);
    assert!(shown.contains("198.51.100.7 (AS64500") && shown.contains("Owners of addresses"), "{shown}");
    assert!(shown.contains("private or unknown") && !shown.contains('\x1b') && !shown.contains("AS64501"));
    fs::write(&other, b"no database").unwrap();
    let refused = weir(&["pcap", &place.capture, "--asn-db", &other]);
    let complaint = text(&refused.stderr);
    assert!(refused.status.code() == Some(1) && complaint.lines().count() == 1, "{complaint}");
    assert!(complaint.contains(&other) && complaint.contains("GeoLite2-ASN"), "{complaint}");
}

#[test]
fn the_sections_are_listed() {
    let listed = weir(&["pcap", "--section", "help"]);
    let text = text(&listed.stdout);
    assert!(listed.status.success(), "{text}");
    for section in ["summary", "domains", "tcp", "dns"] {
        assert!(text.lines().any(|line| line.starts_with(section)), "{section}: {text}");
    }
}
