//! One connection's life: what each side did and when, with frame numbers.

mod find;
mod words;

use std::{fmt::Write as _, net::IpAddr};

pub use find::{Find, Found};

use monitor_common::{
    abi::Side,
    wire::{Packet, tcp_flags},
};
use monitor_core::{
    offline::{Outcome, Table, TableConfig},
    record::{AnyRecord, FlowRecord, NameSource, Peer, Protocol},
};

use super::{
    OutputError, PacketView, Sink, Tally,
    packets::flags,
    waits::{SILENCE, Waits},
};

/// Lines that are kept; what comes beyond is counted.
const LINES: usize = 20_000;

/// Follows the flow of a frame, and prints its life when nothing more comes.
#[derive(Debug)]
pub struct Life {
    target: Found,
    /// The same rules once more for this flow alone, to see what each packet changed.
    table: Table,
    events: Vec<Event>,
    beyond: u64,
    waits: Waits,
    messages: Vec<(u64, String)>,
    /// The DNS answer that had the server's address last before the flow had a name.
    answer: Option<String>,
    flow: Option<Box<FlowRecord>>,
}

/// Packets of one side with the same meaning, one after the other.
#[derive(Debug)]
struct Event {
    time: u64,
    last: u64,
    frames: (u64, u64),
    from: (IpAddr, u16),
    packets: u64,
    /// Packets without data of the other side in between, which only acknowledge.
    acknowledged: u64,
    payload: u64,
    flags: String,
    what: String,
}

/// `1 segment`, `2 segments`.
fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

impl Life {
    /// Of the flow of `target`.
    pub fn new(target: Found) -> Self {
        Self {
            target,
            table: Table::new(TableConfig { max_flows: 16, ..TableConfig::default() }),
            events: Vec::new(),
            beyond: 0,
            waits: Waits::default(),
            messages: Vec::new(),
            answer: None,
            flow: None,
        }
    }

    /// What a packet changed of its side's counters.
    fn meaning(&mut self, view: &PacketView<'_>) -> String {
        let read = |table: &Table, slot: u32, side: Side| {
            table.flow(slot).map_or([0; 6], |flow| {
                let c = &flow.counters[side.index()];
                [
                    &c.retransmissions,
                    &c.syn_retransmissions,
                    &c.out_of_order,
                    &c.lost_segments,
                    &c.zero_windows,
                    &c.keep_alives,
                ]
                .map(monitor_common::cell::Cell32::get)
            })
        };
        let before = [Side::Lower, Side::Upper].map(|side| read(&self.table, 0, side));
        let Outcome::Flow { slot, side, .. } = self.table.packet(view.frame) else { return String::new() };
        let after = read(&self.table, slot, side);
        let names = [
            "retransmission",
            "SYN retransmission",
            "out of order",
            "lost segments before it",
            "zero window",
            "keep-alive",
        ];
        let before = before.get(side.index()).copied().unwrap_or_default();
        let changed =
            names.into_iter().zip(after.into_iter().zip(before)).filter(|(_, (now, then))| now > then);
        changed.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    }

    fn add(&mut self, view: &PacketView<'_>, packet: &Packet) {
        let what = self.meaning(view);
        let version = if packet.ip_version == 4 {
            monitor_common::abi::IpVersion::V4
        } else {
            monitor_common::abi::IpVersion::V6
        };
        let from = (packet.source.to_ip(version), packet.source_port);
        let plain = packet.protocol != 6 || packet.tcp_flags & !(tcp_flags::ACK | tcp_flags::PSH) == 0;
        let payload = u64::from(packet.payload_length);
        let flags = if plain { String::new() } else { flags(packet.tcp_flags) };
        let (number, time) = (view.frame.number, view.frame.time);
        if what == "zero window" {
            self.waits.full();
        } else if (payload > 0 || !plain) && what != "keep-alive" {
            let again = what.contains("retransmission");
            self.waits.packet(time, number, from, again);
        }
        if let Some(last) = self.events.last_mut()
            && plain
            && last.flags.is_empty()
            && what.is_empty()
            && last.what.is_empty()
            && time.saturating_sub(last.last) < SILENCE
        {
            let same = last.from == from && (last.payload == 0) == (payload == 0);
            let acknowledges = last.from != from && last.payload != 0 && payload == 0;
            if same || acknowledges {
                last.packets += u64::from(same);
                last.acknowledged += u64::from(acknowledges);
                last.payload += payload;
                last.frames.1 = number;
                last.last = time;
                return;
            }
        }
        if self.events.len() >= LINES {
            self.beyond += 1;
            return;
        }
        self.events.push(Event {
            time,
            last: time,
            frames: (number, number),
            from,
            packets: 1,
            acknowledged: 0,
            payload,
            flags,
            what,
        });
    }

    fn text(&self, flow: &FlowRecord) -> String {
        let id = &flow.identity;
        let is_tcp = id.transport == Protocol(6);
        let unit = if is_tcp { "segment" } else { "datagram" };
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{} {}:{} -> {}:{}  {}",
            id.transport,
            id.client_ip,
            id.client_port,
            id.server_ip,
            id.server_port,
            flow.name.as_ref().map_or("", |name| name.as_str())
        );
        let _ = writeln!(out, "from {} to {}", flow.start, flow.end);
        let mut lines: Vec<(u64, String)> = Vec::new();
        for event in &self.events {
            let way = if event.from == (id.client_ip, id.client_port) { "->" } else { "<-" };
            let frames = match event.frames {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            };
            let mut what: Vec<String> = Vec::new();
            what.extend((!event.flags.is_empty()).then(|| event.flags.clone()));
            what.push(match (event.payload, event.packets) {
                (0, 1) if !event.flags.is_empty() => String::new(),
                (0, packets) if is_tcp => counted(packets, "ACK"),
                (0, packets) => format!("{} without data", counted(packets, "datagram")),
                (bytes, packets) => format!("{bytes} bytes in {}", counted(packets, unit)),
            });
            what.extend(
                (event.acknowledged > 0).then(|| format!("({} back)", counted(event.acknowledged, "ACK"))),
            );
            what.extend((!event.what.is_empty()).then(|| format!("[{}]", event.what)));
            what.retain(|part| !part.is_empty());
            lines.push((event.time, format!("{frames:>13} {way} {}", what.join(" "))));
        }
        for (time, message) in &self.messages {
            lines.push((*time, format!("{:>13}    {message}", "")));
        }
        lines.sort_by_key(|(time, _)| *time);
        for (time, line) in lines {
            let _ = writeln!(out, "{:>12.6} {line}", time.saturating_sub(flow.start.0) as f64 / 1e9);
        }
        if self.beyond != 0 {
            let _ = writeln!(out, "and {} more packets", self.beyond);
        }
        for (name, seconds) in
            [("handshake", flow.handshake_seconds), ("first response", flow.first_response_seconds)]
        {
            if let Some(seconds) = seconds {
                let _ = writeln!(out, "{name} {:.3} ms", seconds * 1e3);
            }
        }
        self.waits.write(&mut out, flow);
        if let Some(peer) = flow.closed_by {
            let who = if peer == Peer::Client { "client" } else { "server" };
            let _ = writeln!(out, "closed by the {who}");
        }
        if let (Some(NameSource::Dns), Some(answer)) = (flow.name_source, &self.answer) {
            let _ = writeln!(out, "named by the {answer}");
        }
        let _ = writeln!(out, "Wireshark: {}", display_filter(flow));
        out
    }
}

/// The display filter that shows a flow's packets and no others.
fn display_filter(flow: &FlowRecord) -> String {
    let id = &flow.identity;
    let ip = if id.client_ip.is_ipv4() { "ip" } else { "ipv6" };
    let ports = match id.transport.0 {
        6 => Some("tcp"),
        17 => Some("udp"),
        132 => Some("sctp"),
        _ => None,
    };
    let way = |from: (IpAddr, u16), to: (IpAddr, u16)| {
        let mut way = format!("{ip}.src == {} && {ip}.dst == {}", from.0, to.0);
        if let Some(ports) = ports {
            let _ = write!(way, " && {ports}.srcport == {} && {ports}.dstport == {}", from.1, to.1);
        }
        way
    };
    let (client, server) = ((id.client_ip, id.client_port), (id.server_ip, id.server_port));
    let mut frames = format!("frame.number >= {}", flow.first_frame.unwrap_or(0));
    // What goes on in another file has other numbers there.
    if let Some(last) = flow.last_frame.filter(|_| flow.first_file == flow.last_file) {
        let _ = write!(frames, " && frame.number <= {last}");
    }
    format!("{frames} && (({}) || ({}))", way(client, server), way(server, client))
}

impl Sink for Life {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, view: &PacketView<'_>) -> Result<(), OutputError> {
        let (Outcome::Flow { id, opened, .. }, Some(packet)) = (view.outcome, view.packet) else {
            return Ok(());
        };
        if opened && (view.frame.file, view.frame.number) == (self.target.file, self.target.frame) {
            self.target.id = Some(id);
        }
        if self.target.id == Some(id) {
            self.add(view, packet);
        }
        Ok(())
    }

    fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        for record in records {
            let of_flow = self.target.id.is_some() && record.identity().map(|i| i.id) == self.target.id;
            if let AnyRecord::Flow(flow) = record
                && of_flow
            {
                self.flow = Some(flow.clone());
            }
            if let (AnyRecord::Dns(dns), Some(flow)) = (record, &self.target.flow)
                && dns.response
                && dns.identity.client_ip == flow.identity.client_ip
                && dns.time <= flow.end
                && words::gives(dns, flow.identity.server_ip, flow.name.as_ref())
            {
                self.answer =
                    Some(format!("{} of {} at {}", words::dns(dns), dns.identity.server_ip, dns.time));
            }
            if of_flow && self.messages.len() < LINES {
                let text = match record {
                    AnyRecord::Tls(tls) => words::tls(tls),
                    AnyRecord::Http(http) => words::http(http),
                    AnyRecord::Dns(dns) => words::dns(dns),
                    _ => continue,
                };
                self.messages.push((record.time().0, text));
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<(), OutputError> {
        let Some(flow) = &self.flow else {
            return Err(OutputError::NoFlow { frame: self.target.frame });
        };
        let text = self.text(flow);
        let mut out = std::io::stdout().lock();
        std::io::Write::write_all(&mut out, text.as_bytes()).map_err(OutputError::Standard)
    }
}
