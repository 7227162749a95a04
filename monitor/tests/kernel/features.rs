//! What Weir asks of a kernel: `cargo xtask test-kernels` runs this on the oldest kernel that is
//! supported, on the newest and on some between, and makes a table of what it prints.
//!
//! A line `feature NAME works` stands behind what was shown; `feature NAME absent` says that the kernel
//! is too old for it and the agent goes another way. Where a test fails the line is missing. The features
//! of one hook share a load of its programs: in an emulated machine loading is what takes the time.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::{maps::HashMap, programs::Xdp};
use monitor::source::ebpf::{
    Ingress, Interface, Options, Source, TcAttach,
    probe::{Features, kernel_features},
};
use monitor_common::{
    abi::{Flow, FlowKey, IpVersion, Sampling, Side},
    wire::Tunnel,
};
use monitor_core::engine::{EngineConfig, Timeouts};

use crate::{
    frames::{self, Raw},
    netns::wait_for,
    rig::{HERE, Rig, THERE, THERE6, endless, interface},
    stack,
    traffic::{self, Ending},
};

/// Datagrams of one exchange, and as many answers of one byte.
const DATAGRAMS: usize = 20;

fn features() -> Features {
    kernel_features().expect("a kernel that is supported")
}

fn works(feature: &str) {
    println!("feature {feature} works");
}

fn absent(feature: &str) {
    println!("feature {feature} absent");
}

/// Everything that makes programs larger is on.
fn options(ingress: Ingress, tc_attach: TcAttach) -> Options {
    let sampling = Sampling { flow_bytes: 16_384, per_second: 100_000, sample_bytes: 4096, udp_packets: 100 };
    Options { max_flows: 256, ingress, tc_attach, sampling: Some(sampling), ..Options::default() }
}

fn rig(ingress: Ingress, tc_attach: TcAttach) -> Rig {
    let mut rig = Rig::new(options(ingress, tc_attach), endless()).plain();
    rig.attach("eth0");
    rig
}

fn verified(source: &mut Source) {
    for stats in source.program_stats() {
        let load = stack::of(source, &stats.name);
        // Kernels before 5.16 tell the number in the log alone.
        let instructions = match stats.verified_instructions {
            0 => load.instructions,
            told => told,
        };
        println!("verified {} {instructions}", stats.name);
        println!("verified {}:stack {}", stats.name, load.stack);
    }
}

fn flow(rig: &Rig, wanted: impl Fn(&Flow) -> bool) -> &Flow {
    let flows = rig.source.slots().expect("slots");
    flows.iter().find(|flow| flow.head.live.get() != 0 && wanted(flow)).expect("the flow")
}

/// Hooks and flows are equal to the packet.
fn adds_up(rig: &mut Rig) {
    let report = wait_for("a pause", || {
        let report = rig.drain();
        (report.quiet_hooks == report.checked_hooks).then_some(report)
    });
    assert!(report.checked_hooks >= 2);
    for hook in rig.interface_totals("eth0").hooks {
        assert!(hook.packets > 0);
        assert_eq!(hook.packets, hook.accounted_sum());
    }
}

/// Traffic from end to end of the cable counts to the packet and byte. The size tells exchanges apart.
fn counts(rig: &mut Rig, version: IpVersion, size: usize) {
    let (address, number, header) = match version {
        IpVersion::V4 => (THERE, 4, 20),
        IpVersion::V6 => (THERE6, 6, 40),
    };
    let upwards = 20_000 + size;
    traffic::tcp(&rig.here, &rig.there, address, upwards, 30_000, Ending::Client);
    traffic::udp(&rig.here, &rig.there, address, DATAGRAMS, size);
    adds_up(rig);
    let of_version = |flow: &Flow| flow.head.key.get().ip_version == number;
    let sent = |payload: usize| ((14 + header + 8 + payload) * DATAGRAMS) as u64;
    let udp = flow(rig, |f| of_version(f) && f.hot.iter().any(|hot| hot.bytes.get() == sent(size)));
    for side in [Side::Lower, Side::Upper] {
        assert_eq!(udp.hot[side.index()].packets.get(), DATAGRAMS as u64);
    }
    assert!(udp.hot.iter().any(|hot| hot.bytes.get() == sent(1)), "the answers");
    // What a slow machine acknowledges late is sent again, and counts again.
    let payload = |bytes: usize| {
        move |f: &Flow| {
            f.hot.iter().zip(&f.counters).any(|(hot, counters)| {
                let (sent, bytes) = (hot.payload_bytes.get(), bytes as u64);
                sent == bytes || sent > bytes && counters.retransmissions.get() > 0
            })
        }
    };
    flow(rig, |f| of_version(f) && payload(upwards)(f) && payload(30_000)(f));
}

/// The first bytes of both directions of a TCP connection come through the ring.
fn samples(rig: &mut Rig) {
    rig.source.read_samples(|_| {});
    traffic::tcp(&rig.here, &rig.there, THERE, 5000, 9000, Ending::Client);
    let (mut up, mut down) = (0, 0);
    rig.source.read_samples(|sample| match sample.data.first() {
        Some(b'u') => up += sample.header.payload_length,
        Some(b'd') => down += sample.header.payload_length,
        other => panic!("a sample that nobody sent: {other:?}"),
    });
    assert_eq!((up, down), (5000, 9000));
}

/// Datagrams of all lengths of a last word are copied whole.
fn whole_samples(rig: &mut Rig) {
    for size in [1, 7, 8, 9, 1400] {
        rig.source.read_samples(|_| {});
        traffic::udp(&rig.there, &rig.here, HERE, 1, size);
        let mut seen = Vec::new();
        rig.source.read_samples(|sample| seen.push(sample.data.to_vec()));
        assert!(seen.contains(&vec![b'q'; size]), "{size}: {seen:?}");
    }
}

/// A frame in VXLAN counts on the flow inside.
fn tunnel(rig: &Rig) {
    let inside =
        frames::ipv4([10, 1, 1, 1], [10, 1, 1, 2], 6, &frames::tcp(40_000, 443, 1, 1, 0x18, &[7; 40]));
    Raw::open(&rig.there, "eth1").send(&frames::vxlan(4789, &frames::ethernet(0x0800, &inside)));
    let inner = |f: &Flow| f.head.tunnel.get() == Tunnel::Vxlan as u8 && f.head.key.protocol() == 6;
    wait_for("the inner flow", || {
        let flows = rig.source.slots().expect("slots");
        flows.iter().any(|f| inner(f) && f.hot.iter().any(|hot| hot.payload_bytes.get() == 40)).then_some(())
    });
}

/// Loopback passes both hooks: each packet counts once.
fn loopback(rig: &mut Rig) {
    let lo = Interface { loopback: true, ..interface(&rig.here, "lo") };
    rig.here.enter(|| rig.source.attach(&lo)).unwrap_or_else(|e| panic!("{e}"));
    for (address, number) in [("127.0.0.1", 4), ("::1", 6)] {
        traffic::udp(&rig.here, &rig.here, address, DATAGRAMS, 100);
        let udp = flow(rig, |f| {
            let key = &f.head.key.get();
            (key.ifindex, key.protocol, key.ip_version) == (lo.ifindex, 17, number)
        });
        let packets: u64 = udp.hot.iter().map(|hot| hot.packets.get()).sum();
        assert_eq!(packets, 2 * DATAGRAMS as u64);
    }
}

/// Many flows end in one drain: their keys go in a batch, their packets are all accounted for.
fn batch_deletion(rig: &mut Rig) {
    for _ in 0..20 {
        traffic::udp(&rig.here, &rig.there, THERE, 1, 100);
    }
    delete_two(&mut rig.source);
    let timeouts =
        Timeouts { idle_tcp: 1, idle_udp: 1, idle_other: 1, active: 1, fin: 1, rst: 1, pressure: 1 };
    rig.engine.get_mut().expect("engine").reconfigure(EngineConfig { timeouts, ..EngineConfig::default() });
    let mut closed = 0;
    wait_for("the flows to end", || {
        closed += rig.drain().closed;
        keys(&mut rig.source).is_empty().then_some(())
    });
    assert!(closed >= 20, "{closed}");
    adds_up(rig);
}

#[test]
fn tc() {
    let mut rig = rig(Ingress::Tc, TcAttach::Auto);
    verified(&mut rig.source);
    counts(&mut rig, IpVersion::V4, 700);
    if features().tcx {
        works("tcx");
    } else {
        absent("tcx");
        works("clsact");
    }
    counts(&mut rig, IpVersion::V6, 700);
    works("ipv6");
    tunnel(&rig);
    works("tunnel");
    loopback(&mut rig);
    works("loopback");
    samples(&mut rig);
    works("ring_buffer");
    batch_deletion(&mut rig);
    works("batch_deletion");
}

#[test]
fn xdp() {
    let mut rig = rig(Ingress::Xdp, TcAttach::Auto);
    verified(&mut rig.source);
    counts(&mut rig, IpVersion::V4, 700);
    counts(&mut rig, IpVersion::V6, 700);
    tunnel(&rig);
    works("xdp");
    whole_samples(&mut rig);
    works("xdp_samples");
    if !features().xdp_frags {
        absent("xdp_frags");
        return;
    }
    // A frame of more than a page lies in several buffers on a veth device.
    rig.here.ip("link set eth0 mtu 9000");
    rig.there.ip("link set eth1 mtu 9000");
    counts(&mut rig, IpVersion::V4, 8000);
    works("xdp_frags");
}

#[test]
fn xdp_generic() {
    let mut rig = rig(Ingress::XdpGeneric, TcAttach::Auto);
    counts(&mut rig, IpVersion::V4, 700);
    counts(&mut rig, IpVersion::V6, 700);
    works("xdp_generic");
}

/// What this kernel would not choose works on it too.
#[test]
fn the_other_way() {
    if features().tcx {
        let mut rig = rig(Ingress::Tc, TcAttach::Clsact);
        counts(&mut rig, IpVersion::V4, 700);
        works("clsact");
    }
    if features().xdp_frags {
        let options = options(Ingress::XdpGeneric, TcAttach::Auto);
        let mut source = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
        let linear: &mut Xdp =
            source.ebpf().program_mut("weir_xdp").expect("a program").try_into().expect("XDP");
        linear.load().unwrap_or_else(|e| panic!("{e}"));
        verified(&mut source);
    }
}

fn keys(source: &mut Source) -> Vec<FlowKey> {
    let map: HashMap<_, FlowKey, u32> =
        HashMap::try_from(source.ebpf().map("FLOWS").expect("the map")).expect("a hash");
    map.keys().filter_map(Result::ok).collect()
}

/// Deletes two keys with one call. What the agent does where that is refused would hide it.
fn delete_two(source: &mut Source) {
    /// `union bpf_attr` for batch operations (include/uapi/linux/bpf.h).
    #[repr(C)]
    struct Attr {
        in_batch: u64,
        out_batch: u64,
        keys: u64,
        values: u64,
        count: u32,
        map_fd: u32,
        elem_flags: u64,
        flags: u64,
    }
    const BPF_MAP_DELETE_BATCH: libc::c_int = 27;
    let present = keys(source);
    let Some(two) = present.first_chunk::<2>() else { panic!("{} flows", present.len()) };
    let aya::maps::Map::HashMap(map) = source.ebpf().map("FLOWS").expect("the map") else {
        panic!("the table is no hash")
    };
    let mut attr = Attr {
        in_batch: 0,
        out_batch: 0,
        keys: two.as_ptr() as u64,
        values: 0,
        count: 2,
        map_fd: map.fd().as_fd().as_raw_fd() as u32,
        elem_flags: 0,
        flags: 0,
    };
    // SAFETY: two keys are in `two`, which outlives the call.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_DELETE_BATCH, &raw mut attr, size_of::<Attr>()) };
    assert_eq!(done, 0, "BPF_MAP_DELETE_BATCH: {}", std::io::Error::last_os_error());
    assert_eq!(keys(source).len(), present.len() - 2);
}
