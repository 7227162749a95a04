//! Layouts that the kernel side writes and the user side reads. Any change of a layout is a new
//! [`VERSION`]: pinned maps of another version are refused.

mod config;
mod counters;
mod event;
mod flow;
mod fragment;
mod hook;
mod index;
mod key;
mod owner;
mod reported;
mod supply;

pub use config::{KernelConfig, Sampling, bench_flags};
pub use counters::Counters;
pub use event::{SAMPLE_DATA_MAX, SampleHeader, SampleKind, SampleState, Superseded};
pub use flow::{ClientRule, Flow, Head, Hot, Timing, bits};
pub use fragment::{FRAGMENTED_DATAGRAMS, FragmentFlow, FragmentKey};
pub use hook::{
    COARSE_ENTRIES, CoarseCells, CoarseCounters, CoarseKey, Direction, HookCounters, MAX_CELLS, MIN_CELLS,
    TRAFFIC_CLASSES, Transport, cells_for, hook_flags,
};
pub use index::{IndexLine, Place, WAYS, index_lines};
pub use key::{Address, FlowKey, IpVersion, KEY_WORDS, KeyCells, Side, View};
pub use owner::{COMM, FlowOwners, OwnerCells, SocketOwner, owner_flags};
pub use reported::{REPORTED_WORDS, Reported};
pub use supply::Supply;

/// Version of every layout in this module.
pub const VERSION: u32 = 7;

/// A type whose bytes may be copied between kernel and user space.
///
/// The user side needs `aya::Pod` for it; this crate has no other use for aya.
#[cfg(feature = "user")]
mod pod {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker")]
    use super::{
        CoarseCounters, CoarseKey, FlowKey, FragmentFlow, FragmentKey, HookCounters, KernelConfig,
        SampleHeader, SampleState, Sampling, Superseded,
    };

    macro_rules! pod {
        ($($t:ty),*) => {$(
            // SAFETY: `repr(C)`, integers only, no padding (each layout has a size assertion) and
            // every bit pattern is a value.
            unsafe impl aya::Pod for $t {}
        )*};
    }
    pod!(
        FlowKey,
        FragmentFlow,
        FragmentKey,
        HookCounters,
        CoarseKey,
        CoarseCounters,
        KernelConfig,
        SampleHeader,
        SampleState,
        Sampling,
        Superseded
    );
}
