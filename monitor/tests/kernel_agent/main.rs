//! The real binary, as a user runs it: `weir run` in network namespaces, with real traffic, read by
//! a real Prometheus. Needs root and the kernel side in the build: `cargo xtask test` provides both.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]
#![expect(clippy::float_cmp, reason = "the numbers of a page are counts, and whole numbers are exact")]

use testing::{bpffs, capture, frames, hooks, netns, tmux, traffic, webdriver};

mod abuse;
mod agent;
mod applications;
mod attack;
mod boards;
mod clients;
mod commit;
mod continuity;
mod equal;
mod exposition;
mod flood;
#[cfg(target_arch = "x86_64")]
mod forbidden;
mod foreign;
mod forwarding;
#[path = "../kernel/generator.rs"]
mod generator;
mod guest;
#[cfg(target_arch = "x86_64")]
mod inject;
mod interfaces;
mod lacking;
mod life;
mod live;
mod local;
mod locks;
mod names;
mod neighbours;
mod outputs;
mod owners;
mod page;
mod pins;
mod pressure;
mod prometheus;
mod recording;
mod refusals;
mod rights;
mod risks;
mod scarcity;
mod secrets;
mod several;
mod soak;
mod systemd;
mod tasks;
mod top;
mod web;
