//! The page of metrics.

mod families;
mod numbers;
mod own;
mod owners;
mod page;
mod protocols;
mod series;
mod totals;

use monitor_core::engine::Engine;

pub use numbers::Numbers;
pub use page::{Family, Format, Kind, Label, Labels, Number, Page};

use crate::telemetry::{Events, KernelStatus, Own};
use families::{
    INTERFACE_ATTACHED, INTERFACE_DIFFERENCE, LOST_SAMPLES, MAP_ENTRIES, MAP_MAX_ENTRIES, PROGRAM_RUNS,
    PROGRAM_SECONDS,
};

/// All that a page shows beside the engine.
#[derive(Debug)]
pub struct Context<'a> {
    /// The kernel side.
    pub kernel: &'a KernelStatus,
    /// Weir's own instruments.
    pub own: &'a Own,
    /// Weir's own events.
    pub events: &'a Events,
    /// Whether OpenMetrics says when each series began: most databases store that as one more series.
    pub created: bool,
    /// Whether the configuration could be read when it was last asked for.
    pub config_ok: bool,
    /// Of a capture: packets of which it is not known which way they passed.
    pub undirected: Option<u64>,
}

/// Writes the page of an engine that nobody else asks, whose clock stands still. `buffer` gives its memory.
pub fn write(engine: &Engine, context: &Context<'_>, format: Format, buffer: Vec<u8>) -> Vec<u8> {
    Numbers::of(engine, 0).write(context, format, buffer)
}

fn kernel(page: &mut Page, kernel: &KernelStatus) {
    page.family(&INTERFACE_ATTACHED);
    for (interface, hook) in &kernel.attached {
        page.sample(&[("interface", interface.as_str().into()), ("hook", (*hook).into())], 1);
    }
    page.family(&INTERFACE_DIFFERENCE);
    for (interface, direction, difference) in &kernel.differences {
        let labels = [("interface", interface.as_str().into()), ("direction", direction.as_str().into())];
        page.sample(&labels, *difference);
    }
    page.family(&PROGRAM_RUNS);
    for program in &kernel.programs {
        page.sample(&[("program", program.name.as_str().into())], program.runs);
    }
    page.family(&PROGRAM_SECONDS);
    for program in &kernel.programs {
        page.sample(&[("program", program.name.as_str().into())], program.seconds);
    }
    page.family(&MAP_ENTRIES);
    for map in &kernel.maps {
        page.sample(&[("map", map.name.as_str().into())], map.entries);
    }
    page.family(&MAP_MAX_ENTRIES);
    for map in &kernel.maps {
        page.sample(&[("map", map.name.as_str().into())], map.max_entries);
    }
    page.family(&LOST_SAMPLES);
    for (reason, count) in &kernel.lost_samples {
        page.sample(&[("reason", (*reason).into())], *count);
    }
}

#[cfg(test)]
mod tests;
