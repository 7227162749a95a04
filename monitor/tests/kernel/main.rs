//! The kernel side against real traffic in network namespaces. Needs root and the kernel side in
//! the build: `cargo xtask test` provides both.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod attach;
mod bpffs;
mod capture;
mod coarse;
mod conservation;
mod differential;
mod encapsulation;
mod features;
mod frames;
mod generator;
mod hooks;
mod netns;
mod pins;
mod rig;
mod samples;
mod stack;
mod test_run;
mod traffic;
mod wire_truth;
