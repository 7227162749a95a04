//! "Traffic share by domain from a capture".

use std::net::IpAddr;

use super::{Servers, addresses, fetch, page::Page};
use crate::{
    agent::{Agent, THERE, cable},
    capture,
    traffic::{self, Ending},
};

const SITES: [(&str, u16, &str, usize); 4] = [
    ("www.example.com", 443, "10.7.0.11", 600_000),
    ("cdn.example.com", 443, "10.7.0.12", 1_900_000),
    ("download.example.org", 80, "10.7.0.13", 1_000_000),
    ("www.example.net", 443, "10.7.0.14", 300_000),
];
const NAMELESS: &str = "10.7.0.15";

#[test]
fn shares_by_domain_are_those_of_the_bytes_on_the_wire() {
    let (here, there) = cable();
    addresses(&there, "eth1", &SITES.map(|site| site.2));
    addresses(&there, "eth1", &[NAMELESS]);
    let _servers = Servers::start(&there, &["443", "80"]);
    // The flows are asked for last, when they have ended for as long as the other commands took.
    let _agent = Agent::start(&here, &["--interface=eth0", "--timeout.fin=1h"]);
    let mut page = Page::open("traffic-share-by-domain");
    let file = page.capture(&here, THERE, || {
        for (name, port, address, bytes) in SITES {
            fetch(&here, name, port, address, bytes, 0);
        }
        traffic::tcp(&here, &there, NAMELESS, 1_000, 200_000, Ending::Client);
    });
    // The other opinion: bytes by address, and each address has one name.
    let table = capture::read(&file);
    let bytes = |address: &str| -> u64 {
        let address: IpAddr = address.parse().expect("an address");
        table.iter().filter(|(k, _)| k.1 == address || k.3 == address).map(|(_, sent)| sent.bytes).sum()
    };
    let all: u64 = table.values().map(|sent| sent.bytes).sum();
    let share = |bytes: u64| bytes as f64 * 100.0 / all as f64;
    let expected = [
        ("example.com", share(bytes("10.7.0.11") + bytes("10.7.0.12"))),
        ("example.org", share(bytes("10.7.0.13"))),
        ("example.net", share(bytes("10.7.0.14"))),
        ("unresolved", share(bytes(NAMELESS))),
    ];
    let outputs = page.follow(&here);
    let [report, client, jq, table, live] = &outputs[..] else { panic!("{} commands", outputs.len()) };
    for (domain, share) in expected {
        for form in [report, client, jq] {
            let line = form.lines().find(|line| line.contains(domain) && line.contains(" %"));
            let line = line.unwrap_or_else(|| panic!("no line of {domain} in\n{form}"));
            let (before, _) = line.split_once(" %").expect("a share");
            let shown: f64 = before.split_whitespace().last().and_then(|n| n.parse().ok()).expect(line);
            assert!((shown - share).abs() <= 0.1, "{domain}: {share}, but\n{form}");
        }
    }
    assert!(table.starts_with("sent.bytes,received.bytes,name,domain\n"), "{table}");
    for name in ["cdn.example.com", "download.example.org"] {
        assert!(live.contains(name), "{live}");
    }
}
