//! The maps, and what user space set before it loaded them. Sizes are the smallest; user space
//! sets the real ones when it loads.
#![expect(
    unsafe_code,
    reason = "shared memory of the kernel: per-CPU pointers and a constant that user space writes"
)]

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf, Stack},
};
use monitor_common::{
    abi::{
        COARSE_ENTRIES, CoarseCells, CoarseKey, FRAGMENTED_DATAGRAMS, Flow, FlowKey, FlowOwners,
        FragmentFlow, FragmentKey, HookCounters, IndexLine, KernelConfig, SAMPLE_DATA_MAX, SampleHeader,
        SampleState, Sampling, Supply,
    },
    wire::{Packet, ParseState, TunnelPorts},
};

/// Key to slot number. Preallocated: an insertion never waits for memory.
#[map]
pub(crate) static FLOWS: HashMap<FlowKey, u32> = HashMap::with_max_entries(64, 0);

/// The slots. User space maps them.
#[map]
pub(crate) static SLOTS: Array<Flow> = Array::with_max_entries(64, BPF_F_MMAPABLE);

/// Beside each slot whose its flow is. User space maps them; as many as slots, or one where nobody asks.
#[map]
pub(crate) static OWNERS: Array<FlowOwners> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// How many slots [`crate::fill`] has still to offer. User space writes it before any other program runs.
#[map]
pub(crate) static UNOFFERED: Array<u32> = Array::with_max_entries(1, 0);

/// Numbers of free slots. Last in, first out: those in use stay dense, and warm in the caches.
#[map]
pub(crate) static FREE: Stack<u32> = Stack::with_max_entries(64, 0);

/// From a key to its slot, without the hash where it is right. User space sets its size.
#[map]
pub(crate) static INDEX: Array<IndexLine> = Array::with_max_entries(64, 0);

/// One less than the lines of it that are in use, a power of two. User space lets it follow the number of flows.
#[map]
pub(crate) static INDEX_MASK: Array<u32> = Array::with_max_entries(1, 0);

/// How many were taken. User space maps it, and says when it wants to hear of that.
#[map]
pub(crate) static SUPPLY: Array<Supply> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// A message wakes user space: slots run out. What it says is of no interest.
#[map]
pub(crate) static WAKE: RingBuf = RingBuf::with_byte_size(4096, 0);

/// By CPU: one more than the highest slot ever taken, so that user space knows how far to read.
#[map]
pub(crate) static HIGH_WATER: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// By CPU and hook: what was seen and where it went. Two a cell.
#[map]
pub(crate) static HOOKS: PerCpuArray<HookCounters> = PerCpuArray::with_max_entries(64 * 2, 0);

/// Flows of datagrams whose fragments may still come. It forgets the oldest; it holds no counts.
#[map]
pub(crate) static FRAGMENTS: LruHashMap<FragmentKey, FragmentFlow> =
    LruHashMap::with_max_entries(FRAGMENTED_DATAGRAMS, 0);

/// Who is behind the packets that found no slot.
#[map]
pub(crate) static COARSE: HashMap<CoarseKey, CoarseCells> = HashMap::with_max_entries(COARSE_ENTRIES, 0);

/// Room for what does not fit the stack.
#[repr(C)]
pub(crate) struct Scratch {
    pub(crate) packet: Packet,
    pub(crate) state: ParseState,
    pub(crate) flow: FragmentFlow,
}

/// By CPU: [`Scratch`].
#[map]
pub(crate) static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// Payload samples on their way to user space.
#[map]
pub(crate) static SAMPLES: RingBuf = RingBuf::with_byte_size(4096, 0);

/// A sample being made.
#[repr(C)]
pub(crate) struct Sample {
    pub(crate) header: SampleHeader,
    pub(crate) data: [u8; SAMPLE_DATA_MAX],
}

/// By CPU: the sample being made.
#[map]
pub(crate) static SAMPLE: PerCpuArray<Sample> = PerCpuArray::with_max_entries(1, 0);

/// By CPU: [`SampleState`].
#[map]
pub(crate) static SAMPLE_STATE: PerCpuArray<SampleState> = PerCpuArray::with_max_entries(1, 0);

/// Bounds of samples; user space may change them while programs run.
#[map]
pub(crate) static SAMPLING: Array<Sampling> = Array::with_max_entries(1, 0);

/// The time, where tests set it.
#[map]
pub(crate) static TEST_CLOCK: Array<u64> = Array::with_max_entries(1, 0);

/// What user space knows of this kernel; frozen when loaded, so the verifier drops what it rules out.
#[unsafe(no_mangle)]
static CONFIG: KernelConfig = KernelConfig {
    coarse_clock: 0,
    test_clock: 0,
    samples: 0,
    xdp_load_bytes: 0,
    bench_mask: 0,
    bench_hold: 0,
    bench_flags: 0,
    cells: 64,
    owners: 0,
    tunnels: TunnelPorts::NONE,
};

/// One field of the configuration as loaded, not as compiled.
macro_rules! loaded {
    ($name:ident, $field:ident, $type:ty) => {
        #[inline(always)]
        pub(crate) fn $name() -> $type {
            // SAFETY: a plain static; volatile, because the loader writes other values into the object.
            unsafe { (&raw const CONFIG.$field).read_volatile() }
        }
    };
}

/// [`KernelConfig`], field by field: what is not asked for is not read.
pub(crate) mod config {
    use super::{CONFIG, TunnelPorts};

    loaded!(coarse_clock, coarse_clock, u8);
    loaded!(test_clock, test_clock, u8);
    loaded!(samples, samples, u8);
    loaded!(xdp_load_bytes, xdp_load_bytes, u8);
    loaded!(tunnels, tunnels, TunnelPorts);
    loaded!(bench_mask, bench_mask, u32);
    loaded!(bench_hold, bench_hold, u32);
    loaded!(bench_flags, bench_flags, u32);
    loaded!(cells, cells, u32);
    loaded!(owners, owners, u32);
}

/// The value of this CPU in a per-CPU array.
#[expect(clippy::mut_from_ref, reason = "each CPU has a value of its own behind the one map")]
#[inline(always)]
pub(crate) fn this_cpu<T>(map: &'static PerCpuArray<T>) -> Option<&'static mut T> {
    let pointer = map.get_ptr_mut(0)?;
    // SAFETY: programs of one CPU do not interrupt each other at these hooks, and each program
    // takes a map's value once.
    Some(unsafe { &mut *pointer })
}
