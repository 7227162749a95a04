//! `cargo xtask bench`: the measurements, each a bench target of `monitor`.

use crate::build;
use crate::error::Error;
use crate::project::Project;

/// A bench target of `monitor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bench {
    /// Nanoseconds a packet in the kernel.
    Datapath,
    /// Nanoseconds a live slot of one drain.
    Drain,
    /// CPU time of one scrape.
    Scrape,
    /// Packets lost while flows are deleted under load.
    Race,
}

impl Bench {
    /// All, in the order in which `all` runs them.
    pub(crate) const ALL: [Self; 4] = [Self::Datapath, Self::Drain, Self::Scrape, Self::Race];

    /// The name of the target.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Datapath => "datapath",
            Self::Drain => "drain",
            Self::Scrape => "scrape",
            Self::Race => "race",
        }
    }
}

/// Builds as the calling user and runs each bench as root.
pub(crate) fn run(project: &Project, benches: &[Bench], arguments: &[String]) -> Result<(), Error> {
    let object = build::object(project)?;
    for bench in benches {
        build::cargo_as_root(project, "bench", &object)?
            .args(["--package", "monitor", "--bench", bench.as_str(), "--"])
            .args(arguments)
            .run()?;
    }
    Ok(())
}
