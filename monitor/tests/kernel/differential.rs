//! The same frames through the kernel's programs and through user space give equal flow tables, byte
//! for byte: time stands still between the frames and moves alike on both sides.

use std::collections::BTreeMap;

use aya::{
    maps::Array,
    programs::{SchedClassifier, TestRun as _, TestRunOptions, Xdp},
};
use monitor::source::ebpf::{Ingress, Options, Source, probe::kernel_features};
use monitor_common::{
    abi::{Direction, Flow, FlowKey, HookCounters, hook_flags},
    wire::{Link, TunnelPorts},
};
use monitor_core::offline::{Frame, Table, TableConfig};

use crate::{
    frames::{ethernet, ipv4, tag, tcp, udp},
    netns::Namespace,
    rig::interface,
};

/// A generator of frames: reproducible, and mean.
struct Frames(u64);

impl Frames {
    /// xorshift64*: Marsaglia, 2003; Vigna, 2016.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn frame(&mut self) -> Vec<u8> {
        let mut frame = self.well_formed();
        // A third is bent: bytes changed, the end cut off.
        match self.below(6) {
            0 => {
                for _ in 0..=self.below(4) {
                    let at = self.below(frame.len() as u64) as usize;
                    frame[at] = self.next() as u8;
                }
            }
            1 => frame.truncate(15 + self.below(frame.len() as u64 - 14) as usize),
            _ => {}
        }
        frame
    }

    fn well_formed(&mut self) -> Vec<u8> {
        let mut packet = self.ip();
        let mut ether_type = if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
        for _ in 0..self.below(3) {
            match self.below(9) {
                0 => {
                    packet = ipv4(
                        [172, 16, 0, 1],
                        [172, 16, 0, 2],
                        if ether_type == 0x0800 { 4 } else { 41 },
                        &packet,
                    );
                }
                1 => {
                    let gre =
                        [&[0x20, 0, (ether_type >> 8) as u8, ether_type as u8, 0, 0, 0, 9][..], &packet]
                            .concat();
                    packet = ipv4([172, 16, 0, 1], [172, 16, 0, 2], 47, &gre);
                }
                2 => {
                    let vxlan = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &ethernet(ether_type, &packet)].concat();
                    packet = ipv4([172, 16, 0, 1], [172, 16, 0, 2], 17, &udp(5555, 4789, &vxlan));
                }
                3 => {
                    let geneve =
                        [&[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 4][..], &ethernet(ether_type, &packet)]
                            .concat();
                    packet = ipv4([172, 16, 0, 1], [172, 16, 0, 2], 17, &udp(5555, 6081, &geneve));
                }
                4 => {
                    let gtp = [&[0x30, 255, 0, packet.len() as u8, 0, 0, 0, 1][..], &packet].concat();
                    packet = ipv4([172, 16, 0, 1], [172, 16, 0, 2], 17, &udp(2152, 2152, &gtp));
                }
                5 => {
                    packet = tag(self.below(4095) as u16, ether_type, &packet);
                    ether_type = if self.below(2) == 0 { 0x8100 } else { 0x88a8 };
                    break;
                }
                6 => {
                    packet = [&[0, 1, 0x00, 64, 0, 2, 0x01, 64][..], &packet].concat();
                    ether_type = 0x8847;
                    break;
                }
                7 => {
                    let ppp: u16 = if ether_type == 0x0800 { 0x21 } else { 0x57 };
                    let mut pppoe = vec![0x11, 0, 0, 1];
                    pppoe.extend(((packet.len() + 2) as u16).to_be_bytes());
                    pppoe.extend(ppp.to_be_bytes());
                    packet = [pppoe, packet].concat();
                    ether_type = 0x8864;
                    break;
                }
                _ => break,
            }
            ether_type = 0x0800;
        }
        ethernet(ether_type, &packet)
    }

    /// An IPv4 or IPv6 packet between a few hosts, so that flows repeat.
    fn ip(&mut self) -> Vec<u8> {
        let (a, b) = (self.below(4) as u8, self.below(4) as u8);
        let (protocol, body) = self.transport();
        match self.below(8) {
            0..=3 => ipv4([10, 0, 0, a], [10, 0, 1, b], protocol, &body),
            // A fragment, first or later.
            4 => {
                let mut packet = ipv4([10, 0, 0, a], [10, 0, 1, b], protocol, &body);
                packet[4..6].copy_from_slice(&(self.below(3) as u16).to_be_bytes());
                let offset = if self.below(2) == 0 { 0x2000 } else { 0x2000 | self.below(100) as u16 };
                packet[6..8].copy_from_slice(&offset.to_be_bytes());
                packet
            }
            // Options.
            5 => {
                let mut packet =
                    ipv4([10, 0, 0, a], [10, 0, 1, b], protocol, &[&[1, 1, 1, 0][..], &body].concat());
                packet[0] = 0x46;
                packet
            }
            n => {
                let mut packet = vec![0x60, 0, 0, 0];
                let extension: &[u8] = if n == 6 { &[] } else { &[0, 0, 1, 4, 0, 0, 0, 0] };
                let mut extension = extension.to_vec();
                let next = if let Some(first) = extension.first_mut() {
                    *first = protocol;
                    0
                } else {
                    protocol
                };
                packet.extend(((extension.len() + body.len()) as u16).to_be_bytes());
                packet.extend([next, 60]);
                for host in [a, b] {
                    packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
                }
                packet.extend(extension);
                packet.extend(body);
                packet
            }
        }
    }

    fn transport(&mut self) -> (u8, Vec<u8>) {
        let (from, to) = (40_000 + self.below(3) as u16, [443, 80, 53][self.below(3) as usize]);
        let (from, to) = if self.below(2) == 0 { (from, to) } else { (to, from) };
        let payload = vec![0x55; self.below(200) as usize];
        match self.below(8) {
            0..=4 => {
                let flags =
                    [0x02, 0x12, 0x10, 0x10, 0x18, 0x18, 0x11, 0x04, 0xd2, 0x30][self.below(10) as usize];
                // Near enough to each other to be in order, out of it, repeated and acknowledged.
                let (seq, ack) = (1000 + self.below(6) as u32 * 100, 1000 + self.below(6) as u32 * 100);
                let payload = if flags & 2 == 0 { &payload[..(payload.len() / 100) * 100] } else { &[] };
                let mut segment = tcp(from, to, seq, ack, flags, payload);
                if flags & 2 != 0 {
                    segment[12] = 0x80;
                    segment.extend([2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 1, 0]);
                }
                (6, segment)
            }
            5 => (17, udp(from, to, &payload)),
            6 => (132, [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0; 8], &payload].concat()),
            _ => ([1, 58, 50, 89][self.below(4) as usize], payload),
        }
    }
}

/// A slot's bytes, key and all, without the padding that only one side has.
fn bytes(flow: &Flow) -> Vec<u8> {
    // SAFETY: a slot is cells and integers without padding; nobody writes it now.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(flow).cast::<u8>(), size_of::<Flow>()) }.to_vec()
}

fn sorted<'a>(flows: impl Iterator<Item = &'a Flow>) -> BTreeMap<String, (FlowKey, Vec<u8>)> {
    flows
        .filter(|f| f.head.live.get() != 0)
        .map(|f| (format!("{:?}", f.head.key), (f.head.key, bytes(f))))
        .collect()
}

/// `BPF_PROG_TEST_RUN` makes no skb of a frame that ends before its IP header does (`net/bpf/test_run.c`).
const SHORTEST: usize = 14 + 40;

/// Runs generated frames through both sides.
fn compare(ingress: Ingress, program: &str, seed: u64, count: usize) {
    let mut frames = Frames(seed);
    let seen = both_sides(ingress, program, (0..count).map(|_| frames.frame()));
    assert!(seen.flows > 100, "{} flows", seen.flows);
    assert!(seen.skipped < count / 10, "{} frames were too short to run", seen.skipped);
    let counters = seen.counters;
    assert!(counters.not_ip > 0 && counters.undecodable > 0 && counters.fragments > 0);
}

/// What came of a comparison that found no difference.
pub(crate) struct Seen {
    pub(crate) flows: usize,
    pub(crate) skipped: usize,
    pub(crate) counters: HookCounters,
}

/// The same frames through the program and through user space: slots and counters are equal.
pub(crate) fn both_sides(ingress: Ingress, program: &str, frames: impl Iterator<Item = Vec<u8>>) -> Seen {
    let ns = Namespace::new();
    let options = Options { max_flows: 65_536, ingress, test_clock: true, ..Options::default() };
    let mut source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
    ns.enter(|| source.attach(&interface(&ns, "lo"))).unwrap_or_else(|e| panic!("{e}"));
    let mut table =
        Table::new(TableConfig { max_flows: 65_536, merge_reused: true, ..TableConfig::default() });
    let mut skipped = 0;
    let ifindex = ns.ifindex("lo");
    for (n, frame) in (1_u64..).zip(frames) {
        if frame.len() < SHORTEST && ingress == Ingress::Tc {
            skipped += 1;
            continue;
        }
        let now = 1_000_000_000 + n * 700_000;
        set_clock(&mut source, now);
        ns.enter(|| run(&mut source, program, &frame));
        table.packet(&Frame {
            bytes: &frame,
            link: Link::Ethernet,
            length: frame.len() as u32,
            before: 0,
            ifindex,
            hook_flags: hook_flags::ONE_SIDED,
            direction: Direction::Receive,
            way: None,
            time: now,
            number: n,
            file: 0,
        });
    }
    let kernel = sorted(source.slots().expect("slots").iter());
    let user = sorted(table.live().map(|(_, flow)| flow));
    assert_eq!(kernel.len(), user.len());
    for (name, (key, slot)) in &kernel {
        let other = user.get(name).unwrap_or_else(|| panic!("only the kernel has {key:?}"));
        for (word, (k, u)) in slot.chunks(4).zip(other.1.chunks(4)).enumerate() {
            assert_eq!(k, u, "{key:?}: bytes {} of the slot", word * 4);
        }
    }
    let hook = source.hook_readings().expect("hooks");
    let hook = hook.iter().find(|r| r.direction == Direction::Receive).expect("ingress").counters;
    let ours = *table.counters();
    assert_eq!(
        HookCounters { ifindex: 0, flags: 0, ..hook },
        HookCounters { ifindex: 0, flags: 0, ..ours },
        "packets, not IP, undecodable, fragments"
    );
    Seen { flows: kernel.len(), skipped, counters: ours }
}

fn set_clock(source: &mut Source, now: u64) {
    let mut clock: Array<_, u64> =
        Array::try_from(source.ebpf().map_mut("TEST_CLOCK").expect("the map")).expect("an array");
    clock.set(0, now, 0).expect("set");
}

fn run(source: &mut Source, program: &str, frame: &[u8]) {
    let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() };
    let program = source.ebpf().program_mut(program).expect("the program");
    match program {
        aya::programs::Program::SchedClassifier(p) => {
            let p: &mut SchedClassifier = p;
            p.test_run(options)
        }
        aya::programs::Program::Xdp(p) => {
            let p: &mut Xdp = p;
            p.test_run(options)
        }
        _ => panic!("no such program"),
    }
    .expect("a run");
}

#[test]
fn tc_and_user_space_agree_on_ten_thousand_frames() {
    assert_eq!(TunnelPorts::default(), Options::default().tunnels);
    compare(Ingress::Tc, "weir_ingress", 0x5eed, 10_000);
}

#[test]
fn xdp_and_user_space_agree_on_ten_thousand_frames() {
    let frags = kernel_features().expect("a known kernel").xdp_frags;
    compare(Ingress::XdpGeneric, if frags { "weir_xdp_frags" } else { "weir_xdp" }, 0xfeed, 10_000);
}
