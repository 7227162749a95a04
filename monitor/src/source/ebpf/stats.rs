//! What the kernel says of our programs and maps.

use aya::programs::Program;
use monitor_common::abi::COARSE_ENTRIES;

use super::Source;

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
            let info = match program {
                Program::SchedClassifier(p) => p.info(),
                Program::Xdp(p) => p.info(),
                _ => continue,
            };
            // One that is not loaded has nothing to say.
            let Ok(info) = info else { continue };
            out.push(ProgramStats {
                name: name.to_owned(),
                runs: info.run_count(),
                run_seconds: info.run_time().as_secs_f64(),
                verified_instructions: info.verified_instruction_count().unwrap_or(0),
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
