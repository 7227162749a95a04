//! What the kernel says of our programs and maps.

use std::os::fd::AsFd as _;

use aya::programs::Program;
use monitor_common::abi::COARSE_ENTRIES;

use super::{Source, sys};

/// A loaded program.
#[derive(Clone, Debug)]
pub struct ProgramStats {
    /// Its name.
    pub name: String,
    /// Runs counted while `kernel.bpf_stats_enabled` is 1.
    pub runs: u64,
    /// Seconds they took.
    pub run_seconds: f64,
    /// Instructions that the verifier walked; 0 before kernel 5.16.
    pub verified_instructions: u32,
}

/// How full a map is.
#[derive(Clone, Copy, Debug)]
pub struct MapStats {
    /// Its name.
    pub name: &'static str,
    /// Entries in use.
    pub entries: u64,
    /// Room.
    pub max_entries: u64,
}

impl Source {
    /// Statistics of the loaded programs.
    pub fn program_stats(&self) -> Vec<ProgramStats> {
        let mut out = Vec::new();
        for (name, program) in self.ebpf.programs() {
            let fd = match program {
                Program::SchedClassifier(p) => p.fd(),
                Program::Xdp(p) => p.fd(),
                _ => continue,
            };
            let Ok(stats) = fd.map_err(drop).and_then(|fd| sys::run_stats(fd.as_fd()).map_err(drop)) else {
                continue;
            };
            out.push(ProgramStats {
                name: name.to_owned(),
                runs: stats.runs,
                run_seconds: stats.run_time_ns as f64 / 1e9,
                verified_instructions: stats.verified_instructions,
            });
        }
        out
    }

    /// How full the maps are that can become full.
    pub fn map_stats(&self) -> Vec<MapStats> {
        vec![
            MapStats { name: "flows", entries: self.live.into(), max_entries: self.options.max_flows.into() },
            MapStats {
                name: "coarse",
                entries: self.coarse.known() as u64,
                max_entries: COARSE_ENTRIES as u64,
            },
        ]
    }
}
