//! Connections of QUIC that go on between other addresses.

use super::*;

const SERVER_ID: [u8; 8] = *b"serverid";

/// A packet of the handshake that cannot be read, behind its long header.
fn handshake(destination: &[u8], source: &[u8]) -> Vec<u8> {
    let mut out = vec![0xe3, 0, 0, 0, 1, destination.len() as u8];
    out.extend(destination);
    out.push(source.len() as u8);
    out.extend(source);
    out.extend([0x40, 40]);
    out.resize(out.len() + 40, 0x5a);
    out
}

/// A packet behind the handshake: a short header.
fn short(destination: &[u8]) -> Vec<u8> {
    let mut out = vec![0x4b];
    out.extend(destination);
    out.resize(out.len() + 60, 0xa5);
    out
}

impl World {
    /// A connection with a server that says this name, whose server wants to be called by `server_id`.
    fn quic(&mut self, server: u8, name: &str, server_id: &[u8]) -> usize {
        let flow = self.flow(17, server, 443);
        let first = [b'c', server, flow as u8, 0, 0, 0, 0, 9];
        self.datagram(flow, Side::Lower, &initial(1, &first, &first, 0, &crypto(0, &long_hello(name))));
        self.datagram(flow, Side::Upper, &handshake(b"client", server_id));
        assert_eq!(self.name(flow), Some((name, NameSource::Quic)));
        flow
    }

    fn find(&mut self, flow: usize, first: u64, last: impl Fn(u32) -> Option<u64>) {
        let Flow { key, talk, .. } = &mut self.flows[flow];
        self.payloads.find_moved(key, talk, first, |slot, _| last(slot));
    }

    fn application(&self, flow: usize) -> Option<Application> {
        self.flows[flow].talk.known.application
    }
}

#[test]
fn an_identifier_that_the_handshake_showed_names_what_goes_on_between_other_addresses() {
    let mut world = World::new();
    let before = world.quic(2, "moves.example", &SERVER_ID);
    world.quic(2, "stays.example", b"otherone");
    // Another port of the client, another address of the server, and the server's packets first.
    for (server, sender, id) in
        [(2, Side::Lower, SERVER_ID.as_slice()), (9, Side::Lower, &SERVER_ID), (2, Side::Upper, b"client")]
    {
        let flow = world.flow(17, server, 443);
        world.datagram(flow, sender, &short(id));
        if id.len() == 8 {
            assert_eq!(world.name(flow), Some(("moves.example", NameSource::Quic)), "{server} {sender:?}");
            assert_eq!(world.application(flow), world.application(before));
        } else {
            // Both clients want to be called so: the later one has it.
            assert_eq!(world.name(flow), Some(("stays.example", NameSource::Quic)));
        }
    }
    // While the handshake goes on, too.
    let flow = world.flow(17, 2, 443);
    world.datagram(flow, Side::Lower, &handshake(&SERVER_ID, b"client"));
    assert_eq!(world.name(flow), Some(("moves.example", NameSource::Quic)));
}

#[test]
fn a_short_identifier_says_something_of_its_own_server_alone() {
    let mut world = World::new();
    world.quic(2, "moves.example", b"abc");
    let flow = world.flow(17, 9, 443);
    world.datagram(flow, Side::Lower, &short(b"abc"));
    assert_eq!((world.name(flow), world.application(flow)), (None, None));
    let flow = world.flow(17, 2, 443);
    world.datagram(flow, Side::Lower, &short(b"abc"));
    assert_eq!(world.name(flow), Some(("moves.example", NameSource::Quic)));
}

#[test]
fn under_another_identifier_it_goes_on_where_one_of_the_server_fell_silent() {
    let mut world = World::new();
    let (moved, stays) =
        (world.quic(2, "moves.example", &SERVER_ID), world.quic(2, "stays.example", b"otherone"));
    let first = 100 * SECOND;
    let last = |slot: u32| {
        // One is heard on the old way while the new one is tried; the other goes on.
        Some(first + if slot == moved as u32 { SECOND / 2 } else { 5 * SECOND })
    };
    let flow = world.flow(17, 2, 443);
    world.datagram(flow, Side::Lower, &short(b"new-name"));
    assert_eq!(world.name(flow), None, "not before it is known who falls silent");
    world.find(flow, first, last);
    assert_eq!(world.name(flow), Some(("moves.example", NameSource::Migration)));
    assert_eq!(world.application(flow), world.application(moved));
    // Of several that fell silent none is likely; nor is one that did so long ago, or none.
    for at in [
        (|_| Some(99 * SECOND)) as fn(u32) -> Option<u64>,
        |_| Some(2 * SECOND),
        |_| Some(200 * SECOND),
        |_| None,
    ] {
        let flow = world.flow(17, 2, 443);
        world.datagram(flow, Side::Lower, &short(b"new-name"));
        world.find(flow, 300 * SECOND / 3, at);
        assert_eq!(world.name(flow), None);
    }
    // A flow that is over is remembered.
    for (flow, at) in [(moved, 99), (stays, 400)] {
        let Flow { key, talk, .. } = &world.flows[flow];
        world.payloads.ended(talk, key, at * SECOND);
    }
    let flow = world.flow(17, 2, 443);
    world.datagram(flow, Side::Upper, &short(b"renamed!"));
    world.find(flow, first, |_| None);
    assert_eq!(world.name(flow), Some(("moves.example", NameSource::Migration)));
}

#[test]
fn what_is_no_quic_goes_on_with_nothing() {
    let mut world = World::new();
    world.quic(2, "moves.example", &SERVER_ID);
    // Another server, a long header, a single byte.
    for (server, bytes) in [(7, short(b"new-name")), (2, vec![0xc0; 40]), (2, vec![0x40])] {
        let flow = world.flow(17, server, 443);
        world.datagram(flow, Side::Lower, &bytes);
        world.find(flow, 100 * SECOND, |_| Some(99 * SECOND));
        assert_eq!(world.name(flow), None);
    }
}
