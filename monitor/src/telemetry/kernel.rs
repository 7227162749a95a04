//! What the kernel side says of itself.

use monitor_common::abi::Direction;

/// What the kernel side says of itself, as of the last drain.
#[derive(Clone, Debug, Default)]
pub struct KernelStatus {
    /// Interface and hook (`tc_ingress`, `tc_egress`, `xdp`) of each attached program.
    pub attached: Vec<(String, &'static str)>,
    /// Packets seen minus packets that the device counted.
    pub differences: Vec<(String, Direction, f64)>,
    /// Programs whose runs the kernel counts.
    pub programs: Vec<ProgramRuns>,
    /// Maps.
    pub maps: Vec<MapUse>,
    /// Payload samples lost, by why.
    pub lost_samples: Vec<(&'static str, u64)>,
}

/// How often a kernel program ran.
#[derive(Clone, Debug)]
pub struct ProgramRuns {
    /// Its name.
    pub name: String,
    /// Runs.
    pub runs: u64,
    /// Time that they took, seconds.
    pub seconds: f64,
}

/// How full a kernel map is.
#[derive(Clone, Debug)]
pub struct MapUse {
    /// Its name.
    pub name: String,
    /// Entries in use.
    pub entries: u64,
    /// Room.
    pub max_entries: u64,
}
