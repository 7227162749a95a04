//! What tshark finds in a capture: which flows asked for which name, and what they moved.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{
    agent::{Agent, HERE, THERE},
    capture::{self, Capture, Captured, Table},
    exposition::Page,
    names::is_whole,
    netns::{Namespace, run},
};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// Captures whole packets, since names stand in them.
pub(super) fn capture(ns: &Namespace) -> Capture {
    Capture::start_cut(ns, "eth0", "0")
}

/// The client's ports of some flows; all clients here have one address.
pub(super) type Ports = BTreeSet<u16>;

/// What some flows moved, outwards and inwards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moved {
    bytes: [f64; 2],
    packets: [f64; 2],
    flows: f64,
}

impl Moved {
    /// Bytes both ways.
    pub(super) fn total(&self) -> f64 {
        self.bytes.iter().sum()
    }
}

/// A capture as tshark reads it.
pub(super) struct Truth {
    table: Table,
    captured: Captured,
}

impl Truth {
    /// Ends a capture in the client's namespace.
    pub(super) fn of(capture: Capture, here: &Namespace) -> Self {
        let captured = capture.end(|| capture::mark(here, THERE));
        Self { table: capture::read(&captured.file), captured }
    }

    /// The capture's file.
    pub(super) fn file(&self) -> &str {
        self.captured.file.to_str().expect("a path")
    }

    /// Fields of the packets that pass a filter.
    pub(super) fn fields(&self, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let mut arguments = vec!["-n", "-r", self.file(), "-Y", filter, "-T", "fields"];
        arguments.extend(fields.iter().flat_map(|field| ["-e", *field]));
        let output = run("tshark", &arguments);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Flows in which a TLS hello, of QUIC too, asks for a name.
    pub(super) fn hellos(&self, name: &str) -> Ports {
        self.ports(&format!("tls.handshake.type == 1 && tls.handshake.extensions_server_name == \"{name}\""))
    }

    /// Flows of the client's packets that pass a filter.
    pub(super) fn ports(&self, filter: &str) -> Ports {
        let rows = self.fields(&format!("ip.src == {HERE} && {filter}"), &["tcp.srcport", "udp.srcport"]);
        let ports = rows.iter().flatten().filter(|port| !port.is_empty());
        ports.map(|port| port.parse().expect("a port")).collect()
    }

    /// Flows to a port of a server.
    pub(super) fn to(&self, protocol: u8, port: u16) -> Ports {
        let here: IpAddr = HERE.parse().expect("an address");
        let keys = self.table.keys().filter(|key| key.0 == protocol && key.1 == here && key.4 == port);
        keys.map(|key| key.2).collect()
    }

    /// What flows moved.
    pub(super) fn moved(&self, protocol: u8, ports: &Ports) -> Moved {
        let here: IpAddr = HERE.parse().expect("an address");
        let mut moved = Moved { flows: ports.len() as f64, ..Moved::default() };
        for (key, sent) in self.table.iter().filter(|(key, _)| key.0 == protocol) {
            let way = match (key.1 == here, key.3 == here) {
                (true, _) if ports.contains(&key.2) => 0,
                (_, true) if ports.contains(&key.4) => 1,
                _ => continue,
            };
            moved.bytes[way] += sent.bytes as f64;
            moved.packets[way] += sent.packets as f64;
        }
        moved
    }
}

/// What the page is to show of a name.
#[derive(Debug)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) domain: &'a str,
    pub(super) source: &'a str,
    pub(super) moved: Moved,
}

/// Waits until the client's page, and that of the server, have exactly what was moved under each name and domain.
pub(super) fn wait_for_names(agents: [&Agent<'_>; 2], expected: &[Named<'_>]) -> [Page; 2] {
    for named in expected {
        assert!(named.moved.flows > 0.0 && named.moved.bytes.iter().all(|b| *b > 0.0), "no flow: {named:?}");
    }
    let ways = [["transmit", "receive"], ["receive", "transmit"]];
    let pages = agents.into_iter().zip(ways).map(|(agent, ways)| {
        agent.wait_for(&format!("{expected:#?}"), |page| is_shown(page, ways, expected) && is_whole(page))
    });
    let pages: Vec<Page> = pages.collect();
    pages.try_into().expect("two agents")
}

/// Directions are as the agent's host sees what goes outwards and inwards from the client.
fn is_shown(page: &Page, ways: [&str; 2], expected: &[Named<'_>]) -> bool {
    let mut domains: BTreeMap<(&str, &str), Moved> = BTreeMap::new();
    for named in expected {
        let domain = domains.entry((named.domain, named.source)).or_default();
        for way in [0, 1] {
            domain.bytes[way] += named.moved.bytes[way];
            domain.packets[way] += named.moved.packets[way];
        }
        domain.flows += named.moved.flows;
    }
    let names = expected.iter().all(|named| {
        (0..2).all(|way| {
            let labels = [("name", named.name), ("source", named.source), ("direction", ways[way])];
            page.sum("weir_name_io_bytes_total", &labels) == named.moved.bytes[way]
        })
    });
    names
        && domains.iter().all(|((domain, source), moved)| {
            let began = [("domain", *domain), ("source", *source), ("direction", ways[0])];
            page.sum("weir_domain_connections_total", &began) == moved.flows
                && (0..2).all(|way| {
                    let labels = [("domain", *domain), ("source", *source), ("direction", ways[way])];
                    page.sum("weir_domain_io_bytes_total", &labels) == moved.bytes[way]
                        && page.sum("weir_domain_io_packets_total", &labels) == moved.packets[way]
                })
        })
}
