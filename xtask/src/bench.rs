//! `cargo xtask bench`: the measurements, each a bench target.

use crate::build;
use crate::error::Error;
use crate::project::Project;

/// A bench target.
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
    /// Hellos and messages a second.
    Dpi,
    /// CPU time and memory of reading a large capture, beside other programs.
    Pcap,
}

impl Bench {
    /// All, in the order in which `all` runs them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Datapath, Self::Drain, Self::Scrape, Self::Race, Self::Dpi, Self::Pcap];

    /// The name of the target.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Datapath => "datapath",
            Self::Drain => "drain",
            Self::Scrape => "scrape",
            Self::Race => "race",
            Self::Dpi => "dpi",
            Self::Pcap => "pcap",
        }
    }

    /// Whether it needs the kernel side, and root for it.
    const fn is_of_the_kernel_side(self) -> bool {
        !matches!(self, Self::Dpi | Self::Pcap)
    }
}

/// Builds as the calling user and runs each bench, as root where it loads the kernel side.
pub(crate) fn run(project: &Project, benches: &[Bench], arguments: &[String]) -> Result<(), Error> {
    let kernel_side = benches.iter().any(|bench| bench.is_of_the_kernel_side());
    let object = kernel_side.then(|| build::object(project)).transpose()?;
    for bench in benches {
        let cargo = match &object {
            Some(object) if bench.is_of_the_kernel_side() => {
                build::cargo_as_root(project, "bench", object, &[] as &[(&str, &str)])?
                    .args(["--package", "monitor"])
            }
            _ if *bench == Bench::Pcap => project.cargo().args(["bench", "--package", "monitor"]),
            _ => project.cargo().args([
                "bench",
                "--package",
                "monitor-core",
                "--features",
                "monitor-core/fuzzing",
            ]),
        };
        cargo.args(["--bench", bench.as_str(), "--"]).args(arguments).run()?;
    }
    Ok(())
}
