//! Who reaches how many.

use super::world::{CLIENT, ETH, HOST, PEER, SECOND, SERVER, Tcp, World, udp};
use crate::label::FanoutKind;
use monitor_common::abi::Direction;

#[test]
fn a_scan_is_told_once_and_its_target_is_none() {
    let mut w = World::with_slots(2_048);
    for port in 1..=1_000 {
        let mut scan = Tcp::new((PEER, 55_555), (HOST, port), 1);
        w.eth(&scan.syn());
        w.eth(&scan.rst(SERVER));
        if port % 100 == 0 {
            w.wait(SECOND);
        }
    }
    w.drain();
    let told = w.engine.outbox_mut().take_fanout();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].source, told[0].kind), (PEER.into(), FanoutKind::Ports));
    assert_eq!(w.engine.ledger().fanout().totals().sources, [0, 1]);
    let inside = w.engine.ledger().fanout().totals().inside;
    assert_eq!(inside, [0, 0], "who scans from beyond the host's networks is not inside");
    w.wait(61 * SECOND);
    assert_eq!(w.engine.ledger().fanout().totals().sources, [0, 0]);
    assert_eq!(w.engine.outbox_mut().take_fanout(), []);
}

#[test]
fn connections_that_go_on_from_before_are_no_scan_by_their_server() {
    let mut w = World::with_slots(2_048);
    for port in 10_000..11_000 {
        let mut old = Tcp::new((PEER, port), (HOST, 9_999), 1);
        w.eth(&old.data(SERVER, 100));
        w.eth(&old.ack(CLIENT));
    }
    w.drain();
    assert_eq!(w.engine.outbox_mut().take_fanout(), []);
}

#[test]
fn what_several_interfaces_see_is_one_source() {
    let mut w = World::with_slots(4_096);
    for host in 0..500_u16 {
        let [high, low] = host.to_be_bytes();
        let packet = udp((HOST, 40_000), ([198, 18, high, low], 161));
        w.see(ETH, Direction::Transmit, &packet);
        w.see(super::world::BRIDGE, Direction::Transmit, &packet);
    }
    w.drain();
    let told = w.engine.outbox_mut().take_fanout();
    assert_eq!(
        told.iter().map(|d| (d.source, d.kind)).collect::<Vec<_>>(),
        [(HOST.into(), FanoutKind::Hosts)]
    );
    assert_eq!(w.engine.ledger().fanout().totals().watched, 1);
}
