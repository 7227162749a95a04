//! Who is behind the packets that found no slot: a table of bounded size that forgets.

use monitor::source::ebpf::Options;
use monitor_common::abi::{COARSE_ENTRIES, Direction};

use crate::{
    frames::{self, Raw},
    netns::wait_for,
    rig::{Rig, endless},
};

/// A packet to a server in a network of its own, at port 80.
fn to(network: u8, server: u16) -> Vec<u8> {
    let [high, low] = server.to_be_bytes();
    let datagram = frames::udp(1024, 80, b"no slot");
    frames::ethernet(0x0800, &frames::ipv4([10, 7, 0, 2], [network, 0, high, low], 17, &datagram))
}

/// Packets in the table by the server's address.
fn victims(rig: &mut Rig) -> Vec<([u8; 4], u64)> {
    let entries = rig.source.coarse().expect("the coarse table");
    let address = |octets: [u8; 16]| [octets[12], octets[13], octets[14], octets[15]];
    entries.iter().map(|(key, counters)| (address(key.server.octets()), counters.packets)).collect()
}

#[test]
fn a_crowded_table_forgets_those_that_gained_least_and_has_room_for_victims_to_come() {
    let mut rig = Rig::new(Options { max_flows: 64, ..Options::default() }, endless()).plain().silent();
    rig.attach("eth0");
    let raw = Raw::open(&rig.there, "eth1");
    let mut sent = 0;
    let mut send = |rig: &Rig, frames: &mut dyn Iterator<Item = Vec<u8>>| {
        for frame in frames {
            raw.send(&frame);
            sent += 1;
        }
        wait_for("the last packet", || (rig.hook(Direction::Receive).packets >= sent).then_some(()));
    };
    // The slots are taken by flows that stay; then one server is hit that was hit before the flood.
    send(&rig, &mut (0..64).map(|n| to(11, n)));
    send(&rig, &mut (0..500).map(|_| to(12, 1)));
    let early = ([12, 0, 0, 1], 500);
    assert_eq!(victims(&mut rig), [early]);

    // A flood of made-up servers, below what is crowded: all are there.
    let crowd = COARSE_ENTRIES as u16 / 4 * 3;
    send(&rig, &mut (0..crowd - 2).map(|n| to(13, n)));
    assert_eq!(victims(&mut rig).len(), usize::from(crowd) - 1);
    // It goes on, and a server is hit: it gained most and stays, as do some of the crowd. The early one gained
    // nothing since the last reading, as most of the crowd, and has more packets than they.
    send(&rig, &mut (0..20).map(|_| to(14, 1)));
    send(&rig, &mut (crowd..crowd + 400).map(|n| to(13, n)));
    let thinned = victims(&mut rig);
    assert_eq!(thinned.len(), COARSE_ENTRIES as usize / 4);
    assert!(thinned.contains(&([14, 0, 0, 1], 20)), "{:?}", &thinned[..5]);
    assert!(thinned.contains(&early));
    // What was forgotten has left the kernel's table: another whole crowd and a victim behind it find room. All of
    // them gained something, and the early one is forgotten.
    send(&rig, &mut (0..crowd - 1).map(|n| to(15, n)));
    send(&rig, &mut (0..30).map(|_| to(16, 1)));
    let thinned = victims(&mut rig);
    assert!(thinned.contains(&([16, 0, 0, 1], 30)));
    assert!(!thinned.contains(&early));
    // Only the picture forgets: the sums have every packet.
    rig.drain();
    let seen = rig.interface_totals("eth0").hooks[Direction::Receive.index()];
    assert_eq!((seen.packets, seen.accounted_sum()), (sent, sent));
}
