//! Information elements of flows: their numbers, how long they are, and where their values come from.
//!
//! Numbers without an enterprise are IANA's ("IPFIX Information Elements", RFC 7012); what the other side sent has the
//! same numbers under the enterprise of RFC 5103. Enterprise 35632 is ntop's, 8057 CESNET's, as their collectors and
//! others know them.

use std::net::IpAddr;

use monitor_core::{
    label::{ClientRule, EndReason},
    record::{FlowRecord, NameSource, Text, Time, Traffic},
};

/// Length in templates of what says its own length (RFC 7011, 7).
const VARIABLE: u16 = 0xffff;
/// What the responder sent (RFC 5103, 6.1).
const REVERSE: u32 = 29_305;
const NTOP: u32 = 35_632;
const CESNET: u32 = 8_057;
/// Bytes of a text at most, so that a record fits a small message.
const TEXT: usize = 200;
/// Seconds from 1900, where NTP begins, to 1970 (RFC 5905, 6).
const NTP: u64 = 2_208_988_800;

/// An element of a record.
pub(super) struct Element {
    pub(super) id: u16,
    /// 0: IANA's.
    pub(super) enterprise: u32,
    pub(super) length: u16,
    pub(super) put: fn(&FlowRecord, &mut Vec<u8>),
}

const fn of(id: u16, length: u16, put: fn(&FlowRecord, &mut Vec<u8>)) -> Element {
    Element { id, enterprise: 0, length, put }
}

const fn from(enterprise: u32, id: u16, length: u16, put: fn(&FlowRecord, &mut Vec<u8>)) -> Element {
    Element { id, enterprise, length, put }
}

/// The addresses of a flow over IPv4.
pub(super) const V4: [Element; 2] = [
    of(8, 4, |flow, out| address(flow.identity.client_ip, out)),
    of(12, 4, |flow, out| address(flow.identity.server_ip, out)),
];

/// The addresses of a flow over IPv6.
pub(super) const V6: [Element; 2] = [
    of(27, 16, |flow, out| address(flow.identity.client_ip, out)),
    of(28, 16, |flow, out| address(flow.identity.server_ip, out)),
];

/// What follows the addresses in both versions.
pub(super) const COMMON: [Element; 9] = [
    of(7, 2, |flow, out| out.extend(flow.identity.client_port.to_be_bytes())),
    of(11, 2, |flow, out| out.extend(flow.identity.server_port.to_be_bytes())),
    of(4, 1, |flow, out| out.push(flow.identity.transport.0)),
    of(1, 8, |flow, out| out.extend(flow.sent.ip_bytes.to_be_bytes())),
    of(2, 8, |flow, out| out.extend(flow.sent.packets.to_be_bytes())),
    of(152, 8, |flow, out| out.extend((flow.start.0 / 1_000_000).to_be_bytes())),
    of(153, 8, |flow, out| out.extend((flow.end.0 / 1_000_000).to_be_bytes())),
    of(136, 1, |flow, out| out.push(end_reason(flow.end_reason))),
    of(58, 2, |flow, out| out.extend(flow.vlans.0.first().copied().unwrap_or(0).to_be_bytes())),
];

/// What NetFlow version 9 has besides: bytes and packets of the other way are `OUT_BYTES` and `OUT_PKTS`.
pub(super) const VERSION_9: [Element; 3] = [
    of(23, 8, |flow, out| out.extend(flow.received.ip_bytes.to_be_bytes())),
    of(24, 8, |flow, out| out.extend(flow.received.packets.to_be_bytes())),
    of(6, 1, |flow, out| out.push(flags(&flow.sent))),
];

/// What IPFIX has besides.
pub(super) const VERSION_10: [Element; 27] = [
    // Not of version 9, where collectors take it for the mark of an event of a firewall.
    of(148, 8, |flow, out| out.extend(flow.identity.id.0.to_be_bytes())),
    from(REVERSE, 1, 8, |flow, out| out.extend(flow.received.ip_bytes.to_be_bytes())),
    from(REVERSE, 2, 8, |flow, out| out.extend(flow.received.packets.to_be_bytes())),
    of(352, 8, |flow, out| out.extend(flow.sent.bytes.to_be_bytes())),
    from(REVERSE, 352, 8, |flow, out| out.extend(flow.received.bytes.to_be_bytes())),
    // In its reduced length (RFC 7011, 6.2), which collectors from before 2014 know too.
    of(6, 1, |flow, out| out.push(flags(&flow.sent))),
    from(REVERSE, 6, 1, |flow, out| out.push(flags(&flow.received))),
    of(156, 8, |flow, out| out.extend(ntp(flow.start).to_be_bytes())),
    of(157, 8, |flow, out| out.extend(ntp(flow.end).to_be_bytes())),
    of(239, 1, |flow, out| out.push(direction(flow.client_rule))),
    of(60, 1, |flow, out| out.push(if flow.identity.client_ip.is_ipv4() { 4 } else { 6 })),
    of(192, 1, |flow, out| out.push(flow.ttl.client.unwrap_or(0))),
    from(NTOP, 109, 4, |flow, out| count(&flow.received, |tcp| tcp.retransmissions, out)),
    from(NTOP, 110, 4, |flow, out| count(&flow.sent, |tcp| tcp.retransmissions, out)),
    from(NTOP, 111, 4, |flow, out| count(&flow.received, |tcp| tcp.out_of_order, out)),
    from(NTOP, 112, 4, |flow, out| count(&flow.sent, |tcp| tcp.out_of_order, out)),
    from(NTOP, 123, 4, |flow, out| millis(flow.rtt_seconds.client.map(|rtt| rtt.min / 2.0), out)),
    from(NTOP, 124, 4, |flow, out| millis(flow.rtt_seconds.server.map(|rtt| rtt.min / 2.0), out)),
    from(NTOP, 125, 4, |flow, out| millis(flow.first_response_seconds, out)),
    of(82, VARIABLE, |flow, out| text(flow.identity.interface.as_ref(), out)),
    of(96, VARIABLE, |flow, out| text(flow.application.as_ref(), out)),
    from(NTOP, 119, VARIABLE, |flow, out| text(flow.application.as_ref(), out)),
    from(NTOP, 187, VARIABLE, |flow, out| text(named(flow, |source| source == NameSource::Http), out)),
    from(NTOP, 188, VARIABLE, |flow, out| text(named(flow, is_tls), out)),
    from(CESNET, 808, VARIABLE, |flow, out| text(named(flow, is_tls), out)),
    of(231, 8, |flow, out| out.extend(flow.sent.payload_bytes.to_be_bytes())),
    of(232, 8, |flow, out| out.extend(flow.received.payload_bytes.to_be_bytes())),
];

const fn is_tls(source: NameSource) -> bool {
    matches!(source, NameSource::Sni | NameSource::Quic | NameSource::Ech)
}

fn named(flow: &FlowRecord, by: fn(NameSource) -> bool) -> Option<&Text> {
    flow.name.as_ref().filter(|_| flow.name_source.is_some_and(by))
}

fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => out.extend(address.octets()),
        IpAddr::V6(address) => out.extend(address.octets()),
    }
}

/// `flowEndReason`, 136: 1 idle, 2 active, 3 end of the flow, 4 forced, 5 lack of resources.
const fn end_reason(reason: Option<EndReason>) -> u8 {
    match reason {
        Some(EndReason::Idle) => 1,
        Some(EndReason::Active) | None => 2,
        Some(EndReason::Fin | EndReason::Rst) => 3,
        Some(EndReason::Shutdown) => 4,
        Some(EndReason::Evicted) => 5,
    }
}

/// `biflowDirection` (RFC 5103, 6.3): 1 by the initiator, 0 arbitrary.
const fn direction(rule: ClientRule) -> u8 {
    if matches!(rule, ClientRule::First) { 0 } else { 1 }
}

/// `tcpControlBits`: those that were seen.
fn flags(traffic: &Traffic) -> u8 {
    let Some(tcp) = &traffic.tcp else { return 0 };
    // A segment that neither opens nor resets acknowledges (RFC 9293, 3.10.7).
    let acknowledged = tcp.syn_ack != 0 || traffic.packets > tcp.syn + tcp.rst;
    let bits = [
        tcp.fin != 0,
        tcp.syn != 0 || tcp.syn_ack != 0,
        tcp.rst != 0,
        tcp.psh != 0,
        acknowledged,
        tcp.urg != 0,
        tcp.ece != 0,
        tcp.cwr != 0,
    ];
    bits.iter().enumerate().map(|(at, set)| u8::from(*set) << at).sum()
}

fn count(traffic: &Traffic, of: fn(&monitor_core::record::TcpTraffic) -> u64, out: &mut Vec<u8>) {
    let count = traffic.tcp.as_ref().map_or(0, of);
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

fn millis(seconds: Option<f64>, out: &mut Vec<u8>) {
    out.extend(((seconds.unwrap_or(0.0) * 1e3) as u32).to_be_bytes());
}

/// `dateTimeNanoseconds` (RFC 7011, 6.1.10): the fraction is rounded up, so that it is read as the same nanosecond.
const fn ntp(time: Time) -> u64 {
    let (seconds, nanos) = (time.0 / 1_000_000_000, time.0 % 1_000_000_000);
    let fraction = (nanos << 32).div_ceil(1_000_000_000);
    (seconds.wrapping_add(NTP) << 32) | fraction
}

/// A text with its length before it (RFC 7011, 7).
fn text(text: Option<&Text>, out: &mut Vec<u8>) {
    let text = text.map_or("", Text::as_str);
    let mut end = text.len().min(TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.push(end as u8);
    out.extend_from_slice(text.get(..end).unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nanosecond_is_read_back_as_the_same() {
        for nanos in [0, 1, 2, 499_999_999, 123_456_789, 999_999_999] {
            let wire = ntp(Time(1_795_229_367_000_000_000 + nanos));
            let read = ((wire & 0xffff_ffff) * 1_000_000_000) >> 32;
            assert_eq!((read, (wire >> 32) - NTP), (nanos, 1_795_229_367));
        }
    }
}
