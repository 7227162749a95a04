//! The command line.

use std::path::PathBuf;

use crate::attack;
use crate::bench::{self, Bench};
use crate::build::Profile;
use crate::dist::{self, Arch};
use crate::error::{Error, Usage};
use crate::fuzz;
use crate::kernels::{Extent, Plan};
use crate::setup::Scope;
use crate::soak;
use crate::test_dist;

/// What `cargo xtask help` prints.
pub(crate) const HELP: &str = "\
Usage: cargo xtask TASK

  run [--release] [-- ARGUMENTS]
                           set up, build and start `weir run` on this host (sudo only for packages and for that);
                           release: build what runs fast, which takes longer
  demo [--seconds N]       a small network with real traffic, Weir on its hosts and Prometheus over them, until
                           Ctrl-C or so long: to look at boards, rules and pages
  test                     set up, then every check and test, those that need root too
  test-kernels [--quick | --everything] [--record]
                           what the kernel side needs on Debian's kernels from 5.10 to the newest, in emulated
                           machines (quick: on those two; everything: all its tests, which takes long);
                           record: writes down in docs/verifier.md how much the verifier walks
  test-systemd             the service's units under the systemd and kernels of three releases, in emulated machines
  build [--release]        the kernel side and the program around it
  test-dist [--quick] [RELEASE…]
                           what dist left: packages installed, started, upgraded under traffic and removed on fresh
                           systems (Debian's releases) in emulated machines, image, chart, install.sh (quick:
                           packages of the debug build, in directories)
  test-chart               the chart alone, by helm, and what it makes by the schemas of Kubernetes
  ebpf                     the kernel side alone
  dist [--profile NAME | --binary PATH] [--arch NAME]
                           what a release consists of, in target/dist: static programs, packages, images, sources, chart
                           (binary: packages of a program that is built already)
  setup [--toolchain]      install what building and testing need (or building alone)
  bench [NAME…] [--quick] [-- ARGUMENTS]
                           datapath, live, drain, agent, scrape, race, page (as root), watch, dpi, pcap; without a name all
                           of them, which takes 20 minutes and writes docs/benchmarks.md (quick: only proves that
                           they work)
  views                    the tests of all that shows something: boards, live page, terminal (as root)
  boards [--check|--draw]  write Grafana's boards into dashboards/ (check: them, the rules and their tests instead;
                           draw: as Grafana's components draw them, into docs/images/boards, as root)
  page [--check]           bundle the live page from monitor/page/src into monitor/page/dist (check: that it is current)
  fuzz [--minutes N | --seconds N] [--differential | TARGET…]
                           what reads foreign bytes, under libFuzzer: a minute each unless told; differential:
                           generated and bent frames through kernel side and user space instead, as root
  soak [--minutes N] [--rate N]
                           an agent under new flows (50,000 a second unless told), reloads, interfaces that flap,
                           scrapes, and stops, as root, for 5 minutes unless told: what it holds stays flat
  attack [--minutes N] [--flows N]
                           an agent with 118,000 flows (unless told) under clients and packets that mean harm, as root,
                           for 5 minutes unless told, then guesses and captures: what scrapes, drains, a stop, the
                           right password and a capture take
  applications LIST        which applications are named in captures, by bytes or by port: LIST has the path of a
                           capture, a tab and the words of its application (commas between them) on each line
  detect LABELS [DIRECTORY…]
                           precision and recall of detections, into docs/detections.md: LABELS has the path of a
                           capture, a tab and the kinds in it on each line; captures in the directories have none
  audit                    licences, sources, withdrawn releases, advisories of the crates that Weir is made of
  sbom                     write them down in CycloneDX's form: target/weir.cdx.json
  unsafe [--check]         write docs/unsafe.md, the list of unsafe code (check: compare it instead)
  miri                     tests of what shares memory with the kernel, under Miri, else AddressSanitizer
  help                     this text
";

/// A task.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print [`HELP`].
    Help,
    /// Install what is missing.
    Setup {
        scope: Scope,
    },
    /// Build the eBPF object.
    Ebpf,
    /// Build the agent with the object inside.
    Build {
        profile: Profile,
    },
    /// Build and start the agent.
    Run {
        arguments: Vec<String>,
    },
    /// Show Weir on a network of its own.
    Demo {
        seconds: Option<u32>,
    },
    /// Test what shows something.
    Views,
    /// Write or check Grafana's boards.
    Boards {
        check: bool,
    },
    /// Draw Grafana's boards.
    DrawBoards,
    /// Build or check the live page.
    Page {
        check: bool,
    },
    /// Check and test everything.
    Test,
    /// Test the kernel side on other kernels.
    TestKernels {
        plan: Plan,
    },
    /// Test the units under systemd.
    TestSystemd,
    TestChart,
    /// Measure.
    Bench {
        plan: bench::Plan,
    },
    /// Make a release.
    Dist {
        plan: dist::Plan,
    },
    /// Test what a release consists of.
    TestDist {
        plan: test_dist::Plan,
    },
    /// Name the applications of captures.
    Applications {
        list: PathBuf,
    },
    /// Measure detections on captures.
    Detect {
        labels: PathBuf,
        negatives: Vec<PathBuf>,
    },
    /// Ask about the crates.
    Audit,
    /// Write the bill of materials.
    Sbom,
    /// Write or check the list of unsafe code.
    Unsafe {
        check: bool,
    },
    /// Test where memory is watched.
    Miri,
    /// Look for bytes that break what reads them.
    Fuzz {
        plan: fuzz::Plan,
    },
    /// See that what a run holds does not grow.
    Soak {
        plan: soak::Plan,
    },
    /// Clients that mean harm.
    Attack {
        plan: attack::Plan,
    },
}

/// Reads the words after `cargo xtask`.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, Error> {
    let mut words = words.into_iter();
    let Some(task) = words.next() else { return Ok(Command::Help) };
    let (own, rest) = split(words);
    let command = match task.as_str() {
        "help" | "-h" | "--help" => Command::Help,
        "setup" => Command::Setup {
            scope: if flag("setup", "--toolchain", &own)? { Scope::Toolchain } else { Scope::Everything },
        },
        "ebpf" => none("ebpf", &own).map(|()| Command::Ebpf)?,
        "build" => Command::Build {
            profile: if flag("build", "--release", &own)? { Profile::Release } else { Profile::Dev },
        },
        // Without `--` too: nothing of `run` could be meant for xtask itself.
        "run" => return Ok(Command::Run { arguments: own.into_iter().chain(rest).collect() }),
        "demo" => Command::Demo { seconds: demo_seconds(&own)? },
        "views" => none("views", &own).map(|()| Command::Views)?,
        "boards" if own == ["--draw"] => Command::DrawBoards,
        "boards" => Command::Boards { check: flag("boards", "--check", &own)? },
        "page" => Command::Page { check: flag("page", "--check", &own)? },
        "test" => none("test", &own).map(|()| Command::Test)?,
        "test-kernels" => Command::TestKernels { plan: plan(&own)? },
        "test-systemd" => none("test-systemd", &own).map(|()| Command::TestSystemd)?,
        "test-chart" => none("test-chart", &own).map(|()| Command::TestChart)?,
        "dist" => Command::Dist { plan: dist_plan(own)? },
        "test-dist" => {
            let (quick, releases) = own.into_iter().partition::<Vec<_>, _>(|word| word == "--quick");
            if let Some(option) = releases.iter().find(|word| word.starts_with('-')) {
                return Err(usage(Usage::Argument { task: "test-dist", argument: option.clone() }));
            }
            Command::TestDist { plan: test_dist::Plan { quick: !quick.is_empty(), releases } }
        }
        "applications" => {
            let (list, more) = first("applications", "the path of a list", own)?;
            none("applications", &more)?;
            Command::Applications { list }
        }
        "detect" => {
            let (labels, more) = first("detect", "the path of a list", own)?;
            Command::Detect { labels, negatives: more.into_iter().map(PathBuf::from).collect() }
        }
        "audit" => none("audit", &own).map(|()| Command::Audit)?,
        "sbom" => none("sbom", &own).map(|()| Command::Sbom)?,
        "unsafe" => Command::Unsafe { check: flag("unsafe", "--check", &own)? },
        "miri" => none("miri", &own).map(|()| Command::Miri)?,
        "fuzz" => Command::Fuzz { plan: fuzz_plan(own)? },
        "soak" => Command::Soak { plan: soak_plan(own)? },
        "attack" => Command::Attack { plan: attack_plan(own)? },
        "bench" => return Ok(Command::Bench { plan: bench_plan(own, rest)? }),
        _ => return Err(usage(Usage::Task(task))),
    };
    none(command.name(), &rest)?;
    Ok(command)
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Setup { .. } => "setup",
            Self::Ebpf => "ebpf",
            Self::Build { .. } => "build",
            Self::Run { .. } => "run",
            Self::Demo { .. } => "demo",
            Self::Views => "views",
            Self::Boards { .. } | Self::DrawBoards => "boards",
            Self::Page { .. } => "page",
            Self::TestChart => "test-chart",
            Self::Test => "test",
            Self::TestKernels { .. } => "test-kernels",
            Self::TestSystemd => "test-systemd",
            Self::Bench { .. } => "bench",
            Self::Dist { .. } => "dist",
            Self::TestDist { .. } => "test-dist",
            Self::Applications { .. } => "applications",
            Self::Detect { .. } => "detect",
            Self::Audit => "audit",
            Self::Sbom => "sbom",
            Self::Unsafe { .. } => "unsafe",
            Self::Miri => "miri",
            Self::Fuzz { .. } => "fuzz",
            Self::Soak { .. } => "soak",
            Self::Attack { .. } => "attack",
        }
    }
}

/// The path that a task wants first, and what follows it.
fn first(
    task: &'static str,
    argument: &'static str,
    words: Vec<String>,
) -> Result<(PathBuf, Vec<String>), Error> {
    let mut words = words.into_iter();
    let path = words.next().map(PathBuf::from).ok_or_else(|| usage(Usage::Missing { task, argument }))?;
    Ok((path, words.collect()))
}

/// What stands before and what stands after `--`.
fn split(words: impl Iterator<Item = String>) -> (Vec<String>, Vec<String>) {
    let mut own: Vec<String> = words.collect();
    match own.iter().position(|word| word == "--") {
        Some(at) => {
            let rest = own.split_off(at).into_iter().skip(1).collect();
            (own, rest)
        }
        None => (own, Vec::new()),
    }
}

fn bench_plan(words: Vec<String>, arguments: Vec<String>) -> Result<bench::Plan, Error> {
    let mut plan = bench::Plan { benches: Vec::new(), quick: false, arguments };
    for word in words {
        match Bench::ALL.into_iter().find(|bench| bench.as_str() == word) {
            Some(bench) => plan.benches.push(bench),
            None if word == "--quick" => plan.quick = true,
            None if word == "all" => plan.benches.extend(Bench::ALL),
            None => return Err(usage(Usage::Argument { task: "bench", argument: word })),
        }
    }
    if plan.benches.is_empty() {
        plan.benches = Bench::ALL.to_vec();
    }
    Ok(plan)
}

fn demo_seconds(words: &[String]) -> Result<Option<u32>, Error> {
    let missing = || usage(Usage::Missing { task: "demo", argument: "a number of seconds after --seconds" });
    match words {
        [] => Ok(None),
        [option, rest @ ..] if option == "--seconds" => {
            let (number, more) = rest.split_first().ok_or_else(missing)?;
            none("demo", more)?;
            number.parse().map(Some).map_err(|_| missing())
        }
        [other, ..] => Err(usage(Usage::Argument { task: "demo", argument: other.clone() })),
    }
}

fn plan(words: &[String]) -> Result<Plan, Error> {
    let mut plan = Plan { extent: Extent::Features, record: false };
    for word in words {
        match word.as_str() {
            "--quick" => plan.extent = Extent::Quick,
            "--everything" => plan.extent = Extent::Everything,
            "--record" => plan.record = true,
            _ => return Err(usage(Usage::Argument { task: "test-kernels", argument: word.clone() })),
        }
    }
    Ok(plan)
}

fn fuzz_plan(words: Vec<String>) -> Result<fuzz::Plan, Error> {
    let mut plan = fuzz::Plan::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let unit = match word.as_str() {
            "--seconds" => 1,
            "--minutes" => 60,
            "--differential" => {
                plan.differential = true;
                continue;
            }
            _ if word.starts_with('-') => {
                return Err(usage(Usage::Argument { task: "fuzz", argument: word }));
            }
            _ => {
                plan.targets.push(word);
                continue;
            }
        };
        plan.seconds = whole("fuzz", "a number of minutes or seconds", words.next())?.saturating_mul(unit);
    }
    // Frames go through both sides or bytes through a target, not both.
    if let (true, Some(target)) = (plan.differential, plan.targets.first()) {
        return Err(usage(Usage::Argument { task: "fuzz", argument: target.clone() }));
    }
    Ok(plan)
}

fn dist_plan(words: Vec<String>) -> Result<dist::Plan, Error> {
    let mut plan = dist::Plan::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut value =
            |argument| words.next().ok_or_else(|| usage(Usage::Missing { task: "dist", argument }));
        match word.as_str() {
            "--profile" => plan.profile = Some(value("a profile of cargo's after --profile")?),
            "--binary" => plan.binary = Some(value("a program after --binary")?.into()),
            "--arch" => {
                let name = value("an architecture after --arch")?;
                let arch = Arch::ALL.into_iter().find(|arch| arch.as_str() == name);
                plan.arches.push(arch.ok_or(usage(Usage::Argument { task: "dist", argument: name }))?);
            }
            _ => return Err(usage(Usage::Argument { task: "dist", argument: word })),
        }
    }
    // A program that is built was built in some profile.
    match (&plan.binary, &plan.profile) {
        (Some(_), Some(profile)) => Err(usage(Usage::Argument { task: "dist", argument: profile.clone() })),
        _ => Ok(plan),
    }
}

fn attack_plan(words: Vec<String>) -> Result<attack::Plan, Error> {
    let mut plan = attack::Plan::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--minutes" => plan.minutes = whole("attack", "a number of minutes", words.next())?,
            "--flows" => plan.flows = whole("attack", "a number of flows", words.next())?,
            _ => return Err(usage(Usage::Argument { task: "attack", argument: word })),
        }
    }
    Ok(plan)
}

fn soak_plan(words: Vec<String>) -> Result<soak::Plan, Error> {
    let mut plan = soak::Plan::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--minutes" => plan.minutes = whole("soak", "a number of minutes", words.next())?,
            "--rate" => plan.rate = whole("soak", "a number of flows a second", words.next())?,
            _ => return Err(usage(Usage::Argument { task: "soak", argument: word })),
        }
    }
    Ok(plan)
}

/// The number behind an argument that takes one.
fn whole(task: &'static str, argument: &'static str, word: Option<String>) -> Result<u32, Error> {
    let word = word.ok_or_else(|| usage(Usage::Missing { task, argument }))?;
    word.parse().map_err(|_| usage(Usage::Argument { task, argument: word }))
}

fn flag(task: &'static str, name: &str, words: &[String]) -> Result<bool, Error> {
    match words.iter().find(|word| *word != name) {
        Some(other) => Err(usage(Usage::Argument { task, argument: other.clone() })),
        None => Ok(!words.is_empty()),
    }
}

fn none(task: &'static str, words: &[String]) -> Result<(), Error> {
    match words.first() {
        Some(word) => Err(usage(Usage::Argument { task, argument: word.clone() })),
        None => Ok(()),
    }
}

fn usage(problem: Usage) -> Error {
    Error::Usage { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(String::from)).map_err(|e| e.to_string())
    }

    #[test]
    fn reads_each_task() {
        assert_eq!(read(""), Ok(Command::Help));
        assert_eq!(read("setup"), Ok(Command::Setup { scope: Scope::Everything }));
        assert_eq!(read("setup --toolchain"), Ok(Command::Setup { scope: Scope::Toolchain }));
        assert_eq!(read("build"), Ok(Command::Build { profile: Profile::Dev }));
        assert_eq!(read("build --release"), Ok(Command::Build { profile: Profile::Release }));
        assert_eq!(
            read("test-kernels --record"),
            Ok(Command::TestKernels { plan: Plan { extent: Extent::Features, record: true } })
        );
        assert_eq!(read("ebpf"), Ok(Command::Ebpf));
        assert_eq!(read("demo"), Ok(Command::Demo { seconds: None }));
        assert_eq!(read("demo --seconds 60"), Ok(Command::Demo { seconds: Some(60) }));
        assert_eq!(read("views"), Ok(Command::Views));
        let plan = fuzz::Plan { targets: vec!["tls".into()], seconds: 5, differential: false };
        assert_eq!(read("fuzz tls --seconds 5"), Ok(Command::Fuzz { plan: plan.clone() }));
        let plan = fuzz::Plan { seconds: 120, ..plan };
        assert_eq!(read("fuzz --minutes 2 tls"), Ok(Command::Fuzz { plan }));
        let plan = fuzz::Plan { differential: true, ..fuzz::Plan::default() };
        assert_eq!(read("fuzz --differential"), Ok(Command::Fuzz { plan }));
        assert_eq!(read("soak"), Ok(Command::Soak { plan: soak::Plan { minutes: 5, rate: 50_000 } }));
        let attack = attack::Plan { minutes: 2, flows: 1_000_000 };
        assert_eq!(read("attack --minutes 2 --flows 1000000"), Ok(Command::Attack { plan: attack }));
        let plan = soak::Plan { minutes: 60, rate: 1000 };
        assert_eq!(read("soak --minutes 60 --rate 1000"), Ok(Command::Soak { plan }));
        let dist = dist::Plan { arches: vec![Arch::X86_64], ..dist::Plan::default() };
        assert_eq!(read("dist --arch x86_64"), Ok(Command::Dist { plan: dist }));
        let dist = dist::Plan { binary: Some("target/debug/weir".into()), ..dist::Plan::default() };
        assert_eq!(read("dist --binary target/debug/weir"), Ok(Command::Dist { plan: dist }));
        assert!(read("dist --binary a --profile b").is_err() && read("dist --arch vax").is_err());
        let quick = test_dist::Plan { quick: true, releases: vec![] };
        assert_eq!(read("test-dist --quick"), Ok(Command::TestDist { plan: quick }));
        assert!(read("test-dist --slow").is_err());
        assert_eq!(read("boards"), Ok(Command::Boards { check: false }));
        assert_eq!(read("boards --check"), Ok(Command::Boards { check: true }));
        assert_eq!(read("boards --draw"), Ok(Command::DrawBoards));
        assert_eq!(read("test"), Ok(Command::Test));
        assert_eq!(read("sbom"), Ok(Command::Sbom));
        assert_eq!(read("unsafe --check"), Ok(Command::Unsafe { check: true }));
        assert_eq!(read("miri"), Ok(Command::Miri));
        let bench = |benches: &[Bench], quick| {
            Ok(Command::Bench { plan: bench::Plan { benches: benches.to_vec(), quick, arguments: vec![] } })
        };
        assert_eq!(read("bench race"), bench(&[Bench::Race], false));
        assert_eq!(read("bench drain race --quick"), bench(&[Bench::Drain, Bench::Race], true));
        for all in ["bench", "bench all"] {
            assert_eq!(read(all), bench(&Bench::ALL, false));
        }
    }

    #[test]
    fn hands_on_what_follows_the_dashes() {
        let arguments = vec!["--interface".into(), "eth0".into()];
        assert_eq!(read("run -- --interface eth0"), Ok(Command::Run { arguments: arguments.clone() }));
        assert_eq!(read("run --interface eth0"), Ok(Command::Run { arguments: arguments.clone() }));
        assert_eq!(
            read("bench drain -- --interface eth0"),
            Ok(Command::Bench { plan: bench::Plan { benches: vec![Bench::Drain], quick: false, arguments } })
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in [
            "tset",
            "build --relase",
            "test -- x",
            "ebpf x",
            "test-kernels --fast",
            "bench speed",
            "bench race --quickly",
            "fuzz --seconds",
            "fuzz --second 5",
            "demo 5",
            "demo --seconds",
            "demo --seconds soon",
            "demo --seconds 5 6",
            "views boards",
            "fuzz --minutes many",
            "soak --hours 1",
            "fuzz --differential tls",
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains("cargo xtask help"), "{line}: {error}");
            assert_eq!(error.lines().count(), 1, "{line}: {error}");
        }
    }
}
