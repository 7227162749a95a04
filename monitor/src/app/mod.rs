//! `weir run`: from a configuration to a clean end.
//!
//! [`Plan`] is what was asked for. `Parts` is all that a run consists of, made in the order in which it may
//! fail: nothing counts before everything is there. `Running` counts and serves until a signal, a reload
//! in between, and ends in the order in which nothing is lost.

mod counter;
mod difference;
mod error;
mod hello;
mod orders;
mod own;
mod parts;
mod plan;
mod running;
mod settings;
mod signals;
mod threads;
mod told;

use tokio::runtime::Builder;

use crate::{config::Overrides, source::ebpf, telemetry::Log};
pub use error::RunError;
use error::system;
pub use own::OwnRun;
use parts::Parts;
pub use plan::{Plan, Recording, RunOutputs};
pub(crate) use plan::{Table, given, named, short_forms};
use running::Running;
pub(crate) use settings::{capture as capture_engine, source as source_options};

/// Runs until a signal ends it, or the time that it was given.
///
/// # Errors
/// When it cannot start, and when counting ended by itself.
pub fn run(overrides: &Overrides, plan: &Plan) -> Result<(), RunError> {
    let mut loaded = overrides.load()?;
    // Nothing that a user could do otherwise would help.
    if !ebpf::is_embedded() {
        return Err(ebpf::Error::NoKernelSide.into());
    }
    plan.adapt(&mut loaded);
    let log = Log::start(loaded.config.log_level, loaded.config.log_format)?;
    // For signals and the end; what is asked over HTTP runs on threads with fewer rights.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(system("starting threads"))?;
    let parts = Parts::make(plan, &loaded, &runtime)?;
    Running::start(overrides, plan, log, loaded.config, parts)?.until_the_end(&runtime)
}
