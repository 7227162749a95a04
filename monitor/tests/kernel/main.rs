//! The kernel side against real traffic in network namespaces. Needs root and the kernel side in
//! the build: `cargo xtask test` provides both.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

use testing::{bpffs, capture, frames, hooks, netns, test_run, traffic};

mod attach;
mod broken_off;
mod coarse;
mod conservation;
mod differential;
mod encapsulation;
mod features;
mod generator;
mod pins;
mod rig;
mod routes;
mod samples;
mod stack;
mod wire_truth;
