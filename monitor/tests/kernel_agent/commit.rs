//! kill −9 where it could cost most: in the drain that writes to the pins what was told and then empties the
//! slots. When it happens is seen in the pinned maps, and where it struck in what the dead process left.

use std::{mem::offset_of, path::Path};

use aya::maps::{Array, Map, MapData};
use monitor_common::abi::{Flow, FlowKey, Head};
use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, cable},
    bpffs::BpfFs,
    frames::{self, Raw},
    netns::wait_for,
    pins::flag,
};

/// Flows that end in one drain, so that marking and emptying their slots takes a while.
const FLOWS: u16 = 6_000;
const SLOTS: u32 = 16_384;
/// At most; one that strikes beside the commit has shown something too.
const KILLS: usize = 40;
/// A slot in words, and where in it stands what is looked at.
const WORDS: usize = size_of::<Flow>() / 4;
const LIVE: usize = (offset_of!(Flow, head) + offset_of!(Head, live)) / 4;
const RETIRED: usize = (offset_of!(Flow, head) + offset_of!(Head, retired)) / 4;
/// The first byte of this one.
const PROTOCOL: usize = (offset_of!(Flow, head) + offset_of!(Head, key) + offset_of!(FlowKey, protocol)) / 4;

/// The maps that say how far a commit is.
struct Pinned {
    slots: Array<MapData, [u32; WORDS]>,
    state: Array<MapData, u64>,
}

impl Pinned {
    fn open(directory: &Path) -> Self {
        let map = |name| Map::Array(MapData::from_pin(directory.join(name)).expect("the pin"));
        Self {
            slots: Array::try_from(map("SLOTS")).expect("an array"),
            state: Array::try_from(map("STATE")).expect("an array"),
        }
    }

    /// Number of the state that is in force.
    fn generation(&self) -> u64 {
        self.state.get(&0, 0).expect("a word")
    }

    /// Number of the state that has the numbers of a slot whose flow has ended.
    fn retired(&self, slot: u32) -> Option<u64> {
        let words = self.slots.get(&slot, 0).expect("a slot");
        let retired = u64::from(words[RETIRED]) | u64::from(words[RETIRED + 1]) << 32;
        (words[LIVE] != 0 && retired != 0).then_some(retired)
    }

    fn is_live(&self, slot: u32) -> bool {
        self.slots.get(&slot, 0).expect("a slot")[LIVE] != 0
    }

    /// Of the flows that were sent: what the stacks say to each other does not end so soon.
    fn first_live(&self) -> Option<u32> {
        let is_udp = |slot: u32| self.slots.get(&slot, 0).expect("a slot")[PROTOCOL].to_ne_bytes()[0] == 17;
        (0..SLOTS).find(|slot| self.is_live(*slot) && is_udp(*slot))
    }
}

/// Where a kill is meant to strike, or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Slots are marked, and the state that has their numbers is not in force.
    Marked,
    /// It is, and slots are not emptied.
    InForce,
    /// Before or after.
    Beside,
}

/// Looks without a pause until it is so.
fn watch(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || (0..100_000).any(|_| is_so()).then_some(()));
}

fn frame(flow: u16) -> Vec<u8> {
    let datagram = frames::udp(1024 + flow, 80, b"ends soon");
    frames::ethernet(0x0800, &frames::ipv4([11, 0, 0, 1], [10, 7, 0, 1], 17, &datagram))
}

#[test]
fn a_kill_within_the_commit_costs_no_packet_and_doubles_none() {
    let (here, there) = cable();
    let bpf = BpfFs::new();
    let slots = format!("--max-flows={SLOTS}");
    let start = || {
        let pins = flag(&bpf);
        Agent::start(
            &here,
            &["--interface=eth0", &pins, &slots, "--timeout.udp=1s", "--drain-interval=500ms"],
        )
    };
    let raw = Raw::open(&there, "eth1");
    let mut sent = 0;
    let mut send = |flows: u16| {
        for flow in 0..flows {
            raw.send(&frame(flow));
        }
        sent += u64::from(flows);
    };
    let mut struck = Vec::new();
    let mut agent = start();
    let pinned = Pinned::open(&bpf.pins());
    for aim in [At::Marked, At::InForce].into_iter().cycle().take(KILLS) {
        send(FLOWS);
        // None: on a slow machine they have ended already.
        let Some(first) = pinned.first_live() else { continue };
        // All of them end in the same drain or the next: their slots are marked in turn, then emptied.
        let mut of = None;
        watch("the commit, or that it is over", || {
            of = pinned.retired(first);
            of.is_some() || !pinned.is_live(first)
        });
        if let (At::InForce, Some(of)) = (aim, of) {
            watch("the state", || pinned.generation() >= of);
        }
        agent.kill();
        let generation = pinned.generation();
        let marks: Vec<u64> = (0..SLOTS).filter_map(|slot| pinned.retired(slot)).collect();
        struck.push(if marks.iter().any(|retired| *retired > generation) {
            At::Marked
        } else if marks.is_empty() {
            At::Beside
        } else {
            At::InForce
        });
        // Nobody runs: the same flows go on, some in slots of their own, some in new ones.
        send(500);
        agent = start();
        if [At::Marked, At::InForce].iter().all(|at| struck.iter().filter(|s| *s == at).count() >= 2) {
            break;
        }
    }
    eprintln!("where {} kills struck: {struck:?}", struck.len());
    for at in [At::Marked, At::InForce] {
        assert!(struck.contains(&at), "no kill struck so: {at:?}, of {struck:?}");
    }
    let udp = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
    agent.wait_for("every packet", |page| page.sum("weir_network_io_packets_total", &udp) >= sent as f64);
    let page = agent.wait_for_drains();
    assert_eq!(page.sum("weir_network_io_packets_total", &udp), sent as f64);
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR"), "{log}");
}
