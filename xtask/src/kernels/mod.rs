//! `cargo xtask test-kernels`: the tests of the kernel side on Debian's kernels, from the oldest that
//! is supported to the newest, in virtual machines that QEMU emulates. No root, no KVM.

mod archive;
mod cpio;
mod emulator;
mod guest;
pub(crate) mod life;
mod programs;
mod report;
mod systemd;
mod unpack;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::build::{self, OBJECT_VARIABLE};
use crate::error::Error;
use crate::project::Project;
use crate::setup::{self, Scope};
use crate::suite::ROOT_FEATURE;

pub(crate) use archive::KEYRING;
use archive::{Archive, Kernel, MODULES, Series};
use emulator::Emulator;
use guest::{Built, Guest};
use report::{Counts, KERNEL, Run};
pub(crate) use systemd::run as run_systemd;

/// How much of the tests runs. An emulated machine needs seconds to load a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The oldest and the newest kernel only, and what the agent uses there.
    Quick,
    /// All features on all kernels.
    Features,
    /// All tests of the kernel side that need no capture by tcpdump.
    Everything,
}

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) extent: Extent,
    /// Write the verifier's counts down instead of comparing them.
    pub(crate) record: bool,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// Not run; why.
    Skipped(&'static str),
}

/// The variable that CI sets; there nothing is skipped.
const CI_VARIABLE: &str = "CI";

/// Tests that need a capture by tcpdump: too slow in an emulated machine.
const ELSEWHERE: [&str; 1] = ["wire_truth::"];

/// Sets up, and runs the plan.
pub(crate) fn run(project: &Project, plan: Plan) -> Result<(), Error> {
    setup::run(project, Scope::Everything)?;
    let object = build::object(project)?;
    match test(project, plan, &object)? {
        Outcome::Passed => {}
        Outcome::Skipped(why) => println!("SKIPPED test-kernels: {why}"),
    }
    Ok(())
}

/// Runs the plan with an object that is built.
pub(crate) fn test(project: &Project, plan: Plan, object: &Path) -> Result<Outcome, Error> {
    let archive = match archive(|| Archive::of_kernels(project))? {
        Ok(archive) => archive,
        Err(skipped) => return Ok(skipped),
    };
    let emulator = Emulator::find(project)?;
    let built = build_tests(project, object)?;
    let guest = Guest::new(&built, &arguments(plan), plan.extent != Extent::Quick)?;
    let document = project.root().join("docs/verifier.md");
    let mut counts = Counts::parse(&fs::read_to_string(&document).unwrap_or_default());
    let (mut runs, mut findings) = (Vec::new(), Vec::new());
    let quick = plan.extent == Extent::Quick;
    for series in if quick { vec![Series::V5_10, Series::Newest] } else { Series::ALL.to_vec() } {
        let kernel = archive.fetch(series)?;
        let root = guest.root(&kernel)?;
        let problems = |run: &Run| run.problems(&KERNEL, quick);
        let run = twice(&kernel, problems, || emulator.boot(&kernel, &root, &kernel.release, project))?;
        let on = |problem| format!("{}: {problem}", kernel.release);
        findings.extend(problems(&run).into_iter().map(on));
        if plan.record {
            counts.record(kernel.series, &run);
        } else {
            findings.extend(counts.differences(kernel.series, &run));
        }
        runs.push((kernel.release, run));
    }
    println!("{}", report::table(&KERNEL, &runs, quick));
    if plan.record {
        fs::write(&document, counts.document()).map_err(|source| Error::File {
            operation: "write",
            path: document,
            source,
        })?;
    }
    let hint = "consoles are in target/kernels/*.log; `cargo xtask test-kernels --record` takes over counts";
    if findings.is_empty() { Ok(Outcome::Passed) } else { Err(Error::Check { findings, hint }) }
}

/// Debian's archive, once it is opened, or why nothing can be tested; in CI that is an error.
fn archive(open: impl FnOnce() -> Result<Option<Archive>, Error>) -> Result<Result<Archive, Outcome>, Error> {
    let skip = |why| {
        if env::var(CI_VARIABLE).is_ok_and(|ci| ci == "true") {
            Err(Error::Unreachable { why })
        } else {
            Ok(Err(Outcome::Skipped(why)))
        }
    };
    if !cfg!(target_arch = "x86_64") {
        return skip("Debian's kernels for virtual machines are fetched for amd64 alone");
    }
    match open()? {
        Some(archive) => Ok(Ok(archive)),
        None => skip("Debian's archive cannot be reached; kernels and systemd come from there"),
    }
}

/// Boots once, and once more if there were problems: what an emulated machine does in an hour another does in
/// a minute, and deadlines may pass. What fails twice fails.
fn twice(
    kernel: &Kernel,
    problems: impl Fn(&Run) -> Vec<String>,
    boot: impl Fn() -> Result<Run, Error>,
) -> Result<Run, Error> {
    let mut run = boot()?;
    if !problems(&run).is_empty() {
        eprintln!("{}", run.failures());
        eprintln!("xtask boots {} once more, since it failed: {:?}", kernel.release, problems(&run));
        run = boot()?;
        if !problems(&run).is_empty() {
            eprintln!("{}", run.failures());
        }
    }
    Ok(run)
}

/// What the test harness is asked to run.
fn arguments(plan: Plan) -> Vec<&'static str> {
    match plan.extent {
        Extent::Quick => vec!["--exact", "features::tc", "features::xdp"],
        Extent::Features => vec!["features::"],
        Extent::Everything => ELSEWHERE.into_iter().flat_map(|tests| ["--skip", tests]).collect(),
    }
}

/// Builds the tests of the kernel side, and what a machine of one's own is for.
fn build_tests(project: &Project, object: &Path) -> Result<Built, Error> {
    let build = project
        .cargo()
        .args(["test", "--locked", "--quiet", "--package", "monitor", "--features", ROOT_FEATURE])
        .args(["--test", "kernel", "--test", "kernel_agent", "--no-run", "--message-format", "json"])
        .env(OBJECT_VARIABLE, object);
    eprintln!("$ {}", build.line());
    let messages = build.output()?;
    let program = |kind, name| {
        let path = executable(&messages, kind, name).map(PathBuf::from);
        path.ok_or_else(|| Error::Output { command: build.line(), expected: "the paths of the tests" })
    };
    Ok(Built {
        kernel: program("test", "kernel")?,
        agent: program("test", "kernel_agent")?,
        weir: program("bin", "weir")?,
    })
}

/// A program in cargo's messages, one line of JSON each.
fn executable<'a>(messages: &'a str, kind: &str, name: &str) -> Option<&'a str> {
    let (kind, name) = (format!(r#""kind":["{kind}"]"#), format!(r#""name":"{name}""#));
    let mut messages = messages.lines().filter(|line| line.contains(&kind) && line.contains(&name));
    let (_, rest) = messages.find_map(|line| line.split_once(r#""executable":""#))?;
    rest.split_once('"').map(|(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_programs_among_the_messages_of_cargo() {
        let messages = concat!(
            r#"{"target":{"kind":["lib"],"name":"monitor"},"executable":null}"#,
            "\n",
            r#"{"target":{"kind":["bin"],"name":"weir"},"executable":"/t/weir"}"#,
            "\n",
            r#"{"target":{"kind":["test"],"name":"kernel_agent"},"executable":"/t/deps/kernel_agent-1"}"#,
            "\n",
            r#"{"target":{"kind":["test"],"name":"kernel"},"executable":"/t/deps/kernel-5fe5","fresh":true}"#,
            "\n"
        );
        assert_eq!(executable(messages, "test", "kernel"), Some("/t/deps/kernel-5fe5"));
        assert_eq!(executable(messages, "test", "kernel_agent"), Some("/t/deps/kernel_agent-1"));
        assert_eq!(executable(messages, "bin", "weir"), Some("/t/weir"));
        assert_eq!(executable(messages, "bench", "weir"), None);
    }

    #[test]
    fn each_extent_names_its_tests() {
        let arguments = |extent| arguments(Plan { extent, record: false });
        assert_eq!(arguments(Extent::Quick), ["--exact", "features::tc", "features::xdp"]);
        assert_eq!(arguments(Extent::Everything), ["--skip", "wire_truth::"]);
    }
}
