//! Which servers the packets went to that found no room in the flow table, as JSON.

use std::net::IpAddr;

use monitor_common::abi::{IpVersion, Transport};
use monitor_core::engine::Engine;
use serde::Serialize;

/// Servers of an answer.
const SERVERS: usize = 100;

/// A flood's victims.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Packets that found no room since the start, as `weir_overflow_packets_total` has them.
    pub packets: u64,
    /// Where they went, most packets first; at most 100. Of more than the kernel can tell apart, those
    /// that got most of late.
    pub servers: Vec<Server>,
}

/// A server and what it got.
#[derive(Debug, Serialize)]
pub struct Server {
    /// Interface that the packets passed.
    pub interface: String,
    /// Transport, as in records.
    pub transport: &'static str,
    /// Address of the side that looks like the server.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

impl Answer {
    /// What is known since the last drain.
    pub fn new(engine: &Engine) -> Self {
        let name = |ifindex: u32| {
            let interface = engine.interfaces().totals().iter().find(|i| i.ifindex == Some(ifindex));
            interface.map_or_else(|| format!("if{ifindex}"), |i| i.name.clone())
        };
        let servers = engine.ledger().top_overflow(SERVERS).into_iter().map(|(key, counters)| Server {
            interface: name(key.ifindex),
            transport: Transport::from_protocol(key.protocol).as_str(),
            server_ip: key.server.to_ip(if key.ip_version == 4 { IpVersion::V4 } else { IpVersion::V6 }),
            server_port: key.port,
            packets: counters.packets,
            bytes: counters.bytes,
        });
        Self { packets: engine.interfaces().overflow_packets(), servers: servers.collect() }
    }
}
