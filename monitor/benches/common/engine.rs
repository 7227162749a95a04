//! An engine to drain into.

use std::sync::Mutex;

use monitor_core::engine::{Engine, EngineConfig, Timeouts};

/// An engine whose flows end at the first drain after their last packet (`hasty`), or never.
pub(crate) fn engine(hasty: bool, max_flows: u32) -> Mutex<Engine> {
    let t = if hasty { 1 } else { u64::MAX / 4 };
    let timeouts =
        Timeouts { idle_tcp: t, idle_udp: t, idle_other: t, active: t, fin: t, rst: t, pressure: t };
    Mutex::new(Engine::new(
        EngineConfig { timeouts, max_flows, ..EngineConfig::default() },
        monitor::clock::now(),
    ))
}
