//! `cargo xtask bench`: the measurements, each a bench target, and the table of what they found.

mod document;
mod result;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::build;
use crate::dist;
use crate::error::Error;
use crate::packages;
use crate::process::Program;
use crate::project::Project;

/// Names the file to which a bench appends its results: monitor/benches/common/results.rs.
const RESULTS_VARIABLE: &str = "WEIR_BENCH_RESULTS";

/// A bench target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bench {
    /// Nanoseconds a packet in the kernel, on its real way.
    Situ,
    /// Nanoseconds a packet in the kernel, in a loop.
    Datapath,
    /// Throughput of TCP with the programs attached and without.
    Live,
    /// Nanoseconds a live slot of one drain.
    Drain,
    /// CPU time and memory of the agent while many flows are active.
    Agent,
    /// CPU time of one scrape.
    Scrape,
    /// Packets lost while flows are deleted under load.
    Race,
    /// What is kept for those who watch, on top of a drain.
    Watch,
    /// Hellos and messages a second.
    Dpi,
    /// Tasks of a browser's main thread while it shows the live page.
    Page,
    /// CPU time and memory of reading a large capture, beside other programs.
    Pcap,
}

impl Bench {
    /// All, in the order in which they run.
    pub(crate) const ALL: [Self; 11] = [
        Self::Situ,
        Self::Datapath,
        Self::Live,
        Self::Drain,
        Self::Agent,
        Self::Scrape,
        Self::Race,
        Self::Watch,
        Self::Dpi,
        Self::Pcap,
        Self::Page,
    ];

    /// The name of the target.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Situ => "situ",
            Self::Datapath => "datapath",
            Self::Live => "live",
            Self::Drain => "drain",
            Self::Agent => "agent",
            Self::Scrape => "scrape",
            Self::Race => "race",
            Self::Watch => "watch",
            Self::Dpi => "dpi",
            Self::Pcap => "pcap",
            Self::Page => "page",
        }
    }

    /// What its results say.
    const fn title(self) -> &'static str {
        match self {
            Self::Situ => "A packet on its real way (veth, softirq, socket), over an empty program",
            Self::Datapath => "A packet in the kernel, over an empty program (BPF_PROG_TEST_RUN)",
            Self::Live => "TCP over a veth pair, with the programs and without",
            Self::Drain => "Reading the flow table, CPU time",
            Self::Agent => "The agent: every flow a packet a second, a scrape a second",
            Self::Scrape => "A page of metrics",
            Self::Race => "Flows that end while their packets come",
            Self::Watch => "What is kept for those who watch, on top of a drain of the engine, CPU time",
            Self::Dpi => "Payload understood",
            Self::Page => "The live page in a browser, 10,000 active flows",
            Self::Pcap => {
                "A capture read: 2 million packets of 20,000 long flows at once, and 300,000 short flows of six packets"
            }
        }
    }

    /// Whether only the kernel side is measured: how the rest is compiled does not matter then, and optimising
    /// it around each bench takes minutes.
    const fn is_of_the_kernel_side_alone(self) -> bool {
        matches!(self, Self::Situ | Self::Datapath | Self::Race)
    }

    /// Whether it loads the kernel side, and needs root for it.
    const fn is_of_the_kernel_side(self) -> bool {
        !matches!(self, Self::Dpi | Self::Pcap | Self::Watch)
    }
}

/// What to measure and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In this order.
    pub(crate) benches: Vec<Bench>,
    /// Only to see that they work: the numbers mean nothing.
    pub(crate) quick: bool,
    /// Handed to the benches.
    pub(crate) arguments: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "says how long a bench took")]
fn now() -> Instant {
    Instant::now()
}

/// Builds as the calling user, then runs each bench, as root where it loads the kernel side. Of all of them
/// the results are written to docs/benchmarks.md.
pub(crate) fn run(project: &Project, plan: &Plan) -> Result<(), Error> {
    if plan.benches.contains(&Bench::Pcap) {
        dist::install(packages::compared())?;
    }
    let kernel_side = plan.benches.iter().any(|bench| bench.is_of_the_kernel_side());
    let object = kernel_side.then(|| build::object(project)).transpose()?;
    // First: a compiler that runs beside a measurement is part of it.
    for bench in &plan.benches {
        command(project, *bench, object.as_ref(), None)?.arg("--no-run").run()?;
    }
    let results = Results::new(project)?;
    let mut failed = Vec::new();
    for bench in &plan.benches {
        let begin = now();
        let mut arguments = plan.arguments.clone();
        arguments.extend(plan.quick.then(|| "--quick".to_owned()));
        let program = command(project, *bench, object.as_ref(), Some(&results.path))?;
        // What the others find is not to be lost for one.
        if let Err(error) = program.arg("--").args(arguments).run() {
            eprintln!("xtask: {error}");
            failed.push(bench.as_str());
        }
        eprintln!("xtask: {} took {} s", bench.as_str(), begin.elapsed().as_secs());
    }
    let found = results.read()?;
    let text = document::table(&plan.benches, &found);
    if plan.quick || plan.benches != Bench::ALL {
        println!("{text}");
    } else {
        document::write(project, &text, failed.is_empty())?;
    }
    document::summary(&found);
    if failed.is_empty() { Ok(()) } else { Err(Error::Suite { steps: failed }) }
}

/// cargo's command line of a bench. All that hold the agent are built around the same kernel side, or cargo
/// would build it anew for each.
fn command(
    project: &Project,
    bench: Bench,
    object: Option<&PathBuf>,
    results: Option<&PathBuf>,
) -> Result<Program, Error> {
    let variables: Vec<(&str, PathBuf)> =
        results.map(|path| (RESULTS_VARIABLE, path.clone())).into_iter().collect();
    let cargo = match object {
        Some(object) if bench.is_of_the_kernel_side() => {
            build::cargo_as_root(project, "bench", object, &variables)?
        }
        object => {
            let cargo = project.cargo().arg("bench");
            let cargo =
                object.into_iter().fold(cargo, |cargo, object| cargo.env(build::OBJECT_VARIABLE, object));
            variables.into_iter().fold(cargo, |cargo, (name, value)| cargo.env(name, value))
        }
    };
    let cargo = match bench {
        Bench::Dpi | Bench::Watch => {
            cargo.args(["--package", "monitor-core", "--features", "monitor-core/fuzzing"])
        }
        _ => cargo.args(["--package", "monitor"]),
    };
    let cargo = if bench.is_of_the_kernel_side_alone() { cargo.args(["--profile", "dev"]) } else { cargo };
    Ok(cargo.args(["--bench", bench.as_str()]))
}

/// The file to which benches append what they found.
struct Results {
    path: PathBuf,
}

impl Results {
    /// Makes it anew, as the calling user.
    fn new(project: &Project) -> Result<Self, Error> {
        let path = project.target().join("bench-results.jsonl");
        fs::write(&path, "").map_err(|source| Error::File {
            operation: "write",
            path: path.clone(),
            source,
        })?;
        Ok(Self { path })
    }

    fn read(&self) -> Result<Vec<result::Found>, Error> {
        let text = fs::read_to_string(&self.path).map_err(|source| Error::File {
            operation: "read",
            path: self.path.clone(),
            source,
        })?;
        text.lines()
            .map(|line| {
                let output = || Error::Output { command: "a bench".into(), expected: "a result as JSON" };
                result::Found::parse(line).ok_or_else(output)
            })
            .collect()
    }
}
