//! Flows with their payload.

mod moved;

use monitor_common::abi::{Address, FlowKey, Side};

use super::{Payload, PayloadConfig, Payloads, Subject, Talk, TcpHeader};
use crate::{
    application::Application,
    names::Known,
    parse::{
        dns::tests::build::Build,
        quic::tests::{crypto, initial},
        tls::tests::{hello_record, long_hello},
    },
    random::Random,
    reassembly,
    record::{AnyRecord, Id, NameSource, Time},
};

const SECOND: u64 = 1_000_000_000;

/// A client at 10.0.0.1 and servers at 10.0.0.n.
struct World {
    payloads: Payloads,
    flows: Vec<Flow>,
    records: Vec<AnyRecord>,
    now: u64,
}

/// One flow of it.
#[derive(Debug)]
struct Flow {
    key: FlowKey,
    talk: Talk,
    seq: [u32; 2],
}

impl World {
    fn new() -> Self {
        Self::with(PayloadConfig::default())
    }

    fn with(config: PayloadConfig) -> Self {
        Self { payloads: Payloads::new(config, 0), flows: Vec::new(), records: Vec::new(), now: SECOND }
    }

    /// A new flow, by its number.
    fn flow(&mut self, protocol: u8, server: u8, port: u16) -> usize {
        let slot = self.flows.len();
        let key = FlowKey {
            lower: Address::from_v4_octets([10, 0, 0, 1]),
            upper: Address::from_v4_octets([10, 0, 0, server]),
            lower_port: 40_000_u16.wrapping_add(slot as u16),
            upper_port: port,
            protocol,
            ip_version: 4,
            ..FlowKey::default()
        };
        self.flows.push(Flow { key, talk: Talk::new(Id(slot as u64 + 1)), seq: [1_000, 5_000] });
        slot
    }

    fn tcp(&mut self) -> usize {
        self.flow(6, 2, 4433)
    }

    /// Gives a payload. Returns whether more of its direction is wanted.
    fn give(
        &mut self,
        flow: usize,
        sender: Side,
        bytes: &[u8],
        length: usize,
        tcp: Option<TcpHeader>,
    ) -> bool {
        let Flow { key, talk, .. } = &mut self.flows[flow];
        let subject = Subject { slot: flow as u32, key, client: Side::Lower, interface: "", owned: None };
        let payload = Payload { time: self.now, sender, bytes, length: length as u32, tcp };
        let wanted = self.payloads.read(&subject, &payload, talk, &mut self.records);
        while let Some(place) = self.payloads.surplus() {
            let talk = &mut self.flows[place.slot as usize].talk;
            assert!(talk.is_at(place));
            self.payloads.evict(talk, self.now, &mut self.records);
        }
        wanted
    }

    fn datagram(&mut self, flow: usize, sender: Side, bytes: &[u8]) -> bool {
        self.give(flow, sender, bytes, bytes.len(), None)
    }

    /// The next segment of a side, which acknowledges what the other sent.
    fn segment(&mut self, flow: usize, sender: Side, bytes: &[u8]) -> bool {
        let seq = self.flows[flow].seq[sender.index()];
        self.flows[flow].seq[sender.index()] += bytes.len() as u32;
        self.at(flow, sender, seq, bytes)
    }

    fn at(&mut self, flow: usize, sender: Side, seq: u32, bytes: &[u8]) -> bool {
        let ack = Some(self.flows[flow].seq[sender.other().index()]);
        self.give(flow, sender, bytes, bytes.len(), Some(TcpHeader { seq, ack, syn: false, urgent: 0 }))
    }

    fn syn(&mut self, flow: usize, sender: Side, seq: u32) -> bool {
        self.give(flow, sender, &[], 0, Some(TcpHeader { seq, ack: None, syn: true, urgent: 0 }))
    }

    fn close(&mut self, flow: usize) -> Known {
        let talk = &mut self.flows[flow].talk;
        self.payloads.close(talk, self.now, &mut self.records);
        std::mem::take(talk).known
    }

    /// Ends conversations in which nothing comes any more.
    fn expire(&mut self, now: u64) {
        while let Some(place) = self.payloads.silent(now) {
            self.payloads.close(&mut self.flows[place.slot as usize].talk, now, &mut self.records);
        }
    }

    /// Name by which a flow is known.
    fn name(&self, flow: usize) -> Option<(&str, NameSource)> {
        self.flows[flow].talk.known.name.as_ref().map(|name| (name.text.as_str(), name.source))
    }

    /// Method and host, or status, of the HTTP records since the last call.
    fn http(&mut self) -> Vec<String> {
        let line = |record| match record {
            AnyRecord::Http(http) => Some(match http.status {
                Some(status) => status.to_string(),
                None => format!("{} {}", http.method.unwrap(), http.host.unwrap()),
            }),
            _ => None,
        };
        self.records.drain(..).filter_map(line).collect()
    }

    /// Client's ports of the hellos that were told.
    fn hellos(&self) -> Vec<u16> {
        let port = |record: &AnyRecord| match record {
            AnyRecord::Tls(tls) => Some(tls.identity.client_port),
            _ => None,
        };
        self.records.iter().filter_map(port).collect()
    }

    /// Reasons for which TLS could not be read.
    fn failures(&self) -> Vec<(&'static str, u64)> {
        self.payloads.protocols().failures.iter().map(|([_, reason], count)| (*reason, count)).collect()
    }
}

/// A record of TLS with a long hello.
fn long_record(name: &str) -> Vec<u8> {
    let message = long_hello(name);
    let mut out = vec![22, 3, 1];
    out.extend((message.len() as u16).to_be_bytes());
    out.extend(message);
    out
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.Example.org\r\n\r\n";

#[test]
fn a_hello_in_segments_of_any_order_is_found_once() {
    let record = long_record("www.example.com");
    let mut random = Random(9);
    for round in 0..300 {
        let mut world = World::new();
        let flow = world.tcp();
        let base = random.bits() as u32;
        let seen = round % 3 != 0;
        if seen {
            world.syn(flow, Side::Lower, base.wrapping_sub(1));
        }
        let size = 1 + random.below(700) as usize;
        let mut pieces: Vec<_> = record.chunks(size).enumerate().collect();
        // At most so many segments may wait for an earlier one.
        let reach = if seen { reassembly::HELD_MAX } else { 2 };
        for index in (1..pieces.len()).rev() {
            let other = index.saturating_sub(random.below(reach as u64) as usize);
            if seen {
                pieces.swap(index, other);
            } else if index == 1 && pieces[0].1.len() > 7 {
                pieces.swap(0, 1);
            }
        }
        for (index, piece) in pieces {
            let seq = base.wrapping_add((index * size) as u32);
            world.at(flow, Side::Lower, seq, piece);
            world.at(flow, Side::Lower, seq, piece);
        }
        let name = Some(("www.example.com", NameSource::Sni));
        assert_eq!(world.name(flow), name, "round {round}, segments of {size}");
        world.close(flow);
        assert_eq!(world.hellos().len(), 1);
        let totals = world.payloads.totals();
        assert_eq!((totals.flows, totals.bytes, totals.waiting), (0, 0, 0));
    }
}

#[test]
fn tls_is_found_after_another_protocol_began() {
    let mut world = World::new();
    let flow = world.tcp();
    let turns: [(Side, &[u8]); 6] = [
        (Side::Upper, b"220 mail.example.com ESMTP\r\n"),
        (Side::Lower, b"EHLO client.example.com\r\n"),
        (Side::Upper, b"250-mail.example.com\r\n250 STARTTLS\r\n"),
        (Side::Lower, b"STARTTLS\r\n"),
        (Side::Upper, b"220 go ahead\r\n"),
        (Side::Lower, &long_record("mail.example.com")),
    ];
    world.syn(flow, Side::Lower, 999);
    world.syn(flow, Side::Upper, 4_999);
    for (from, bytes) in turns {
        for piece in bytes.chunks(900) {
            assert!(world.segment(flow, from, piece));
        }
    }
    assert_eq!(world.name(flow), Some(("mail.example.com", NameSource::Sni)));
}

#[test]
fn a_letter_that_could_begin_much_is_no_part_of_the_tls_that_follows_it() {
    let mut world = World::new();
    let flow = world.tcp();
    world.syn(flow, Side::Lower, 999);
    world.syn(flow, Side::Upper, 4_999);
    // PostgreSQL (55.2.10): the client asks for TLS, the server agrees with an S, as methods of HTTP begin.
    world.segment(flow, Side::Lower, &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]);
    world.segment(flow, Side::Upper, b"S");
    for piece in long_record("db.example.com").chunks(900) {
        world.segment(flow, Side::Lower, piece);
    }
    assert_eq!(world.name(flow), Some(("db.example.com", NameSource::Sni)));
    // A fatal alert, handshake_failure (RFC 8446, 6.2).
    world.segment(flow, Side::Upper, &[21, 3, 3, 0, 2, 2, 40]);
    assert_eq!(world.failures(), []);
}

#[test]
fn a_connection_that_moves_while_it_begins_names_both_flows_and_is_told_once() {
    let hello = long_hello("moves.example");
    let packet = initial(1, b"12345678", b"12345678", 0, &crypto(0, &hello));
    let other = initial(1, b"87654321", b"87654321", 0, &crypto(0, &hello));
    let mut world = World::new();
    // The same Initial from another port, as after a change of a NAT's mapping; and another connection.
    for packet in [&packet, &packet, &other] {
        let flow = world.flow(17, 2, 443);
        world.datagram(flow, Side::Lower, packet);
        assert_eq!(world.name(flow), Some(("moves.example", NameSource::Quic)));
    }
    (0..3).for_each(|flow| drop(world.close(flow)));
    assert_eq!(world.hellos(), [40_000, 40_002]);
}

#[test]
fn what_says_nothing_holds_nothing_and_is_left_alone_after_a_while_in_datagrams() {
    let mut world = World::new();
    let (tcp, udp) = (world.tcp(), world.flow(17, 2, 4433));
    world.syn(tcp, Side::Lower, 999);
    let mut wanted = 0;
    for _ in 0..1_000 {
        world.segment(tcp, Side::Lower, &[b'x'; 100]);
        wanted += u32::from(world.datagram(udp, Side::Lower, &[0x40; 100]));
        assert_eq!(world.payloads.totals().bytes, 0);
    }
    assert_eq!(world.payloads.totals().flows, 1, "without a stream there is nothing to hold");
    assert!(wanted < 100, "{wanted}");
    assert!(world.records.is_empty());
}

#[test]
fn flows_without_payload_and_those_that_are_understood_hold_no_conversation() {
    let mut world = World::new();
    let flow = world.tcp();
    world.syn(flow, Side::Lower, 999);
    world.segment(flow, Side::Lower, b"");
    assert_eq!(world.payloads.totals().flows, 0);
    assert!(world.segment(flow, Side::Lower, b"SSH"));
    assert_eq!(world.payloads.totals().flows, 1);
    let ssh = world.flow(6, 2, 22);
    assert!(!world.segment(ssh, Side::Lower, b"SSH-2.0-x\r\n"));
    assert!(!world.segment(ssh, Side::Upper, b"SSH-2.0-y\r\n"));
    let dns = world.flow(17, 53, 53);
    world.datagram(dns, Side::Lower, &Build::query(7, "www.example.org", 1).bytes);
    assert_eq!(world.payloads.totals().flows, 1);
}

#[test]
fn flows_are_bounded_in_number() {
    let mut world = World::with(PayloadConfig { max_flows: 100, ..PayloadConfig::default() });
    let record = hello_record();
    for _ in 0..1_000 {
        let flow = world.tcp();
        world.segment(flow, Side::Lower, &record);
        assert!(world.payloads.totals().flows <= 100);
    }
    assert_eq!(world.payloads.totals().evicted_flows, 900);
    // What they had said is told when they go.
    (0..1_000).for_each(|flow| drop(world.close(flow)));
    assert_eq!(world.hellos().len(), 1_000);
}

#[test]
fn flows_are_bounded_in_bytes() {
    let max_bytes = 1 << 20;
    let mut world = World::with(PayloadConfig { max_bytes, ..PayloadConfig::default() });
    // Hellos that are never whole, and their last bytes first.
    for _ in 0..1_000 {
        let flow = world.tcp();
        world.syn(flow, Side::Lower, 0);
        world.at(flow, Side::Lower, 1, &[22, 3, 1, 64, 0, 1, 0, 0xff, 0xff, 3, 3]);
        for index in 1..20 {
            world.at(flow, Side::Lower, index * 3_000, &[7; 1_000]);
        }
        assert!(world.payloads.totals().bytes <= max_bytes as u64);
    }
    let totals = world.payloads.totals();
    assert!(totals.evicted_bytes > 900 && totals.budget_hits == totals.evicted_bytes);
    assert!(world.hellos().is_empty());
}

#[test]
fn the_one_that_was_heard_last_is_not_given_up() {
    let mut world = World::with(PayloadConfig { max_flows: 2, ..PayloadConfig::default() });
    let flows = [world.tcp(), world.tcp(), world.tcp()];
    for flow in [flows[0], flows[1], flows[0], flows[2]] {
        world.segment(flow, Side::Lower, b"?");
    }
    let held = flows.map(|flow| world.flows[flow].talk.conversation.is_some());
    assert_eq!(held, [true, false, true]);
}

#[test]
fn a_stream_that_cannot_be_put_together_fails_with_a_reason() {
    let mut world = World::new();
    let record = long_record("www.example.com");
    let flow = world.tcp();
    world.at(flow, Side::Lower, 0, &record[..100]);
    for index in 0..40 {
        world.at(flow, Side::Lower, 200 + index * 2, &[1]);
    }
    assert_eq!(world.failures(), [("too_many_holes", 1)]);
    assert!(!world.at(flow, Side::Lower, 100, &record[100..]));
    let flow = world.tcp();
    world.at(flow, Side::Lower, 0, &record[..100]);
    world.at(flow, Side::Lower, 1 << 20, &[1]);
    assert_eq!(world.failures(), [("too_long", 1), ("too_many_holes", 1)]);
    let mut broken = record.clone();
    // The length of the session identifier.
    broken[5 + 4 + 34] = 250;
    let flow = world.tcp();
    world.at(flow, Side::Lower, 0, &broken);
    assert_eq!(world.failures().len(), 3);
    assert!(world.hellos().is_empty());
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_so_long() {
    let mut world = World::with(PayloadConfig { linger: 100, ..PayloadConfig::default() });
    world.now = 1;
    let (silent, flow) = (world.flow(6, 2, 80), world.tcp());
    world.segment(silent, Side::Lower, REQUEST);
    world.segment(flow, Side::Lower, &hello_record());
    world.expire(101);
    assert!(world.hellos().is_empty());
    world.expire(102);
    assert_eq!(world.hellos(), [40_001]);
    assert_eq!(world.payloads.totals().flows, 1, "that of HTTP goes on");
}

#[test]
fn random_payloads_never_panic_and_stay_within_bounds() {
    let mut random = Random(77);
    let config = PayloadConfig { max_flows: 50, max_bytes: 100_000, ..PayloadConfig::default() };
    let mut world = World::with(config);
    for _ in 0..100 {
        world.tcp();
    }
    let seeds = [hello_record(), long_record("www.example.com"), vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5]];
    for time in 0..30_000 {
        world.now = time;
        let seed = &seeds[random.below(3) as usize];
        let begin = random.below(seed.len() as u64) as usize;
        let end = begin + random.below((seed.len() - begin) as u64 + 1) as usize;
        let mut bytes = seed[begin..end].to_vec();
        if !bytes.is_empty() && random.below(4) == 0 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.bits() as u8;
        }
        let flow = random.below(100) as usize;
        let (seq, syn, ack) = (begin as u32, random.below(10) == 0, Some(random.below(2_000) as u32));
        let tcp = (random.below(3) != 0).then_some(TcpHeader { seq, ack, syn, urgent: 0 });
        let sender = random.of(&[Side::Lower, Side::Upper]);
        let length = bytes.len() + random.of(&[0, 0, 0, 100]);
        world.give(flow, sender, &bytes, length, tcp);
        if random.below(50) == 0 {
            world.close(random.below(100) as usize);
        }
        let totals = world.payloads.totals();
        assert!(totals.flows <= 50 && totals.bytes <= 100_000 && totals.waiting <= totals.bytes);
        world.records.clear();
    }
    (0..100).for_each(|flow| drop(world.close(flow)));
    let totals = world.payloads.totals();
    assert_eq!((totals.flows, totals.bytes, totals.waiting), (0, 0, 0));
}

#[test]
fn a_flow_is_named_by_the_answer_that_its_client_got_before() {
    let mut world = World::new();
    let dns = world.flow(17, 53, 53);
    world.datagram(dns, Side::Lower, &Build::query(7, "www.example.org", 1).bytes);
    world.now += SECOND / 4;
    let early = world.flow(6, 9, 4433);
    world.at(early, Side::Lower, 1, b"?");
    let answer = Build::response(7, "www.example.org", 1).answer("www.example.org", 1, 60, &[10, 0, 0, 9]);
    world.datagram(dns, Side::Upper, &answer.bytes);
    let late = world.flow(6, 9, 4433);
    world.at(late, Side::Lower, 1, b"?");
    assert_eq!(world.name(early), None);
    assert_eq!(world.name(late), Some(("www.example.org", NameSource::Dns)));
    let latency = |record: &AnyRecord| match record {
        AnyRecord::Dns(dns) => Some(dns.latency_seconds),
        _ => None,
    };
    assert_eq!(world.records.iter().filter_map(latency).collect::<Vec<_>>(), [None, Some(0.25)]);
    assert_eq!(world.close(dns).application, Some(Application::Dns));
}

#[test]
fn forged_answers_name_nothing() {
    let mut world = World::new();
    let dns = world.flow(17, 53, 53);
    world.datagram(dns, Side::Lower, &Build::query(7, "www.example.org", 1).bytes);
    for (id, name) in [(8, "www.example.org"), (7, "evil.example")] {
        let forged = Build::response(id, name, 1).answer(name, 1, 60, &[10, 0, 0, 9]);
        world.datagram(dns, Side::Upper, &forged.bytes);
    }
    // A failure answers, but names nothing.
    let failure = Build::new(7, 0x8183).question("www.example.org", 1);
    world.datagram(dns, Side::Upper, &failure.answer("www.example.org", 1, 60, &[10, 0, 0, 9]).bytes);
    let flow = world.flow(6, 9, 443);
    world.at(flow, Side::Lower, 1, b"?");
    assert_eq!(world.name(flow), None);
    assert_eq!(world.payloads.totals().dns_unsolicited, 2);
}

#[test]
fn the_host_field_says_more_than_dns() {
    let mut world = World::new();
    let dns = world.flow(17, 53, 53);
    world.datagram(dns, Side::Lower, &Build::query(7, "cdn.example.net", 1).bytes);
    let answer = Build::response(7, "cdn.example.net", 1).answer("cdn.example.net", 1, 60, &[10, 0, 0, 9]);
    world.datagram(dns, Side::Upper, &answer.bytes);
    let flow = world.flow(6, 9, 8080);
    world.segment(flow, Side::Lower, REQUEST);
    assert_eq!(world.name(flow), Some(("www.example.org", NameSource::Http)));
    assert_eq!(world.close(flow).application, Some(Application::Http));
}

#[test]
fn segments_in_any_order_give_the_same_messages() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 80);
    let (one, rest) = REQUEST.split_at(10);
    let (two, three) = rest.split_at(10);
    world.at(flow, Side::Lower, 1_000, one);
    world.at(flow, Side::Lower, 1_020, three);
    world.at(flow, Side::Lower, 1_000, one);
    assert_eq!(world.http(), [""; 0]);
    world.at(flow, Side::Lower, 1_010, two);
    assert_eq!(world.http(), ["GET www.Example.org"]);
}

#[test]
fn what_was_acknowledged_and_not_seen_is_given_up() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 80);
    world.segment(flow, Side::Lower, REQUEST);
    world.flows[flow].seq[0] += 500;
    world.segment(flow, Side::Lower, REQUEST);
    assert_eq!(world.http(), ["GET www.Example.org"]);
    world.segment(flow, Side::Upper, b"");
    assert_eq!(world.http(), ["GET www.Example.org"]);
    assert_eq!(world.payloads.totals().gaps, 1);
}

#[test]
fn what_waits_behind_a_hole_is_read_when_the_flow_ends() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 80);
    world.at(flow, Side::Lower, 1_000, REQUEST);
    world.at(flow, Side::Lower, 2_000, REQUEST);
    assert_eq!(world.http().len(), 1);
    world.close(flow);
    assert_eq!(world.http().len(), 1);
}

#[test]
fn what_waited_behind_a_hole_is_told_of_when_it_came() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 80);
    let begun = world.now;
    // Three requests behind a hole: two that follow one another, and one behind another hole.
    let length = REQUEST.len() as u32;
    for (seconds, seq) in [(0, 1_000), (1, 2_000), (2, 2_000 + length), (3, 5_000)] {
        world.now = begun + seconds * SECOND;
        world.at(flow, Side::Lower, seq, REQUEST);
    }
    world.now = begun + 234 * SECOND;
    world.close(flow);
    let times = world.records.iter().map(|record| match record {
        AnyRecord::Http(http) => http.time,
        other => panic!("{other:?}"),
    });
    let expected = [0, 1, 2, 3].map(|seconds| Time::from_clock(begun + seconds * SECOND, 0));
    assert_eq!(times.collect::<Vec<_>>(), expected);
}

#[test]
fn a_syn_ack_of_another_number_begins_the_servers_side_anew() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 80);
    let response = b"HTTP/1.1 204 No Content\r\n\r\n";
    world.syn(flow, Side::Lower, 999);
    world.syn(flow, Side::Upper, 7_777);
    world.segment(flow, Side::Lower, REQUEST);
    world.syn(flow, Side::Upper, 4_999);
    world.segment(flow, Side::Upper, response);
    assert_eq!(world.http(), ["GET www.Example.org", "204"]);
    assert_eq!(world.payloads.totals().gaps, 0);
}

#[test]
fn too_much_behind_a_hole_is_read_without_waiting() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 80);
    world.at(flow, Side::Lower, 1_000, REQUEST);
    for n in 0..100 {
        world.at(flow, Side::Lower, 2_000 + n * 100, REQUEST);
    }
    assert!(world.http().len() > 60);
}

#[test]
fn segments_that_were_captured_in_part_leave_a_gap() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 80);
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
    let tcp = |seq| Some(TcpHeader { seq, ack: None, syn: false, urgent: 0 });
    world.give(flow, Side::Lower, post, post.len() + 1_000, tcp(1));
    let next = 1 + post.len() as u32 + 1_000;
    world.give(flow, Side::Lower, REQUEST, REQUEST.len(), tcp(next));
    assert_eq!(world.http(), ["POST a", "GET www.Example.org"]);
}

#[test]
fn a_beginning_in_tiny_segments_is_recognised() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 4242);
    for byte in REQUEST {
        world.segment(flow, Side::Lower, &[*byte]);
    }
    assert_eq!(world.http(), ["GET www.Example.org"]);
}

#[test]
fn a_request_after_other_bytes_is_found_at_a_segment() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 80);
    world.segment(flow, Side::Upper, b"the tail of a body\r\nGET / HTTP/1.1\r\n\r\n");
    world.segment(flow, Side::Lower, REQUEST);
    world.segment(flow, Side::Upper, b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(world.http(), ["GET www.Example.org", "204"]);
}

#[test]
fn what_runs_within_a_tunnel_is_looked_at_anew() {
    let mut world = World::new();
    let flow = world.flow(6, 2, 3128);
    let connect = |world: &mut World, flow| {
        world.segment(flow, Side::Lower, b"CONNECT inner.example:80 HTTP/1.1\r\n\r\n");
        world.segment(flow, Side::Upper, b"HTTP/1.1 200 OK\r\n\r\n");
    };
    connect(&mut world, flow);
    world.segment(flow, Side::Lower, REQUEST);
    assert_eq!(world.http(), ["CONNECT inner.example:80", "200", "GET www.Example.org"]);
    let tls = world.flow(6, 2, 3128);
    connect(&mut world, tls);
    for piece in long_record("www.example.com").chunks(900) {
        world.segment(tls, Side::Lower, piece);
    }
    assert_eq!(world.name(tls), Some(("www.example.com", NameSource::Sni)));
}

#[test]
fn messages_of_dns_are_read_over_tcp_and_on_other_ports() {
    let mut world = World::new();
    let tcp = world.flow(6, 53, 53);
    world.segment(tcp, Side::Lower, &Build::query(1, "a.example", 1).framed());
    let udp = world.flow(17, 53, 5300);
    world.datagram(udp, Side::Lower, &Build::query(2, "b.example", 1).bytes);
    world.datagram(udp, Side::Upper, &Build::response(2, "b.example", 1).bytes);
    let other = world.flow(17, 53, 5301);
    world.datagram(other, Side::Lower, &[0; 40]);
    world.datagram(other, Side::Lower, &Build::query(3, "c.example", 1).raw(b"x").announce(1, 1).bytes);
    let message = |record: &AnyRecord| match record {
        AnyRecord::Dns(dns) => Some((dns.id, dns.latency_seconds.is_some())),
        _ => None,
    };
    let ids: Vec<_> = world.records.iter().filter_map(message).collect();
    assert_eq!(ids, [(1, false), (2, false), (2, true)]);
}

#[test]
fn configured_ports_take_any_method() {
    for (ports, expected) in [(vec![5030], 1), (vec![], 0)] {
        let mut world = World::with(PayloadConfig { like_http: ports, ..PayloadConfig::default() });
        let flow = world.flow(6, 2, 5030);
        world.segment(flow, Side::Lower, b"BREW /pot-1 HTTP/1.1\r\nHost: pot\r\n\r\n");
        assert_eq!(world.http().len(), expected);
    }
}

#[test]
fn other_protocols_are_named() {
    let mut world = World::new();
    for (bytes, expected) in [
        (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], Application::Http2),
        (b"SSH-2.0-x\r\n", Application::Ssh),
        (b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03", Application::Tls),
        (b"*1\r\n$4\r\nPING\r\n", Application::Redis),
    ] {
        let flow = world.flow(6, 2, 9_999);
        world.segment(flow, Side::Lower, bytes);
        assert_eq!(world.close(flow).application, Some(expected));
    }
}

#[test]
fn urgent_bytes_are_no_part_of_what_is_read() {
    let request = b"GET /in!dex HTTP/1.1\r\nHost: urgent.example\r\n\r\n";
    let uri = |world: &mut World| {
        world.records.drain(..).find_map(|record| match record {
            AnyRecord::Http(record) => record.uri.map(|uri| uri.as_str().to_owned()),
            _ => None,
        })
    };
    let tcp = |seq, urgent| Some(TcpHeader { seq, ack: None, syn: false, urgent });
    // Whole, in two segments with the byte in either, a pointer before its segment, and sent again without it.
    for pieces in [
        vec![(0, 46, 8)],
        vec![(0, 8, 8), (8, 46, 0)],
        vec![(0, 7, 8), (7, 46, 1)],
        vec![(0, 7, 8), (7, 46, 0)],
        vec![(0, 10, 8), (0, 46, 8), (20, 46, 0)],
        vec![(0, 10, 8), (4, 46, 0)],
        vec![(0, 7, 8), (20, 46, 0), (7, 20, 1)],
    ] {
        let mut world = World::new();
        let flow = world.tcp();
        world.syn(flow, Side::Lower, u32::MAX - 3);
        for (from, to, urgent) in &pieces {
            let seq = (u32::MAX - 2).wrapping_add(*from as u32);
            world.give(flow, Side::Lower, &request[*from..*to], to - from, tcp(seq, *urgent));
        }
        assert_eq!(uri(&mut world).as_deref(), Some("/index"), "{pieces:?}");
    }
    // More of them than are told apart, and a second request behind them.
    let mut world = World::new();
    let flow = world.tcp();
    world.syn(flow, Side::Lower, 99);
    let mut seq = 100;
    for byte in b"GET /a" {
        world.give(flow, Side::Lower, &[*byte, b'!'], 2, tcp(seq, 2));
        seq += 2;
    }
    for _ in 0..2 {
        let rest = b" HTTP/1.1\r\nHost: urgent.example\r\n\r\nGET /a";
        world.give(flow, Side::Lower, rest, rest.len(), tcp(seq, 0));
        seq += rest.len() as u32;
        assert_eq!(uri(&mut world).as_deref(), Some("/a"));
    }
}
