//! `cargo xtask test`: every check and test, in one order, with what each took.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::audit;
use crate::boards;
use crate::build::{self, OBJECT_VARIABLE};
use crate::check;
use crate::error::Error;
use crate::kernels;
use crate::memory;
use crate::page::{self, AXE_VARIABLE};
use crate::project::Project;
use crate::python::{self, PYTHON_VARIABLE};
use crate::sbom;
use crate::setup::{self, Scope};
use crate::skips::{self, Skips};
use crate::test_dist;
use crate::toolchain::Compiler;

/// The feature of `monitor` that its tests of the kernel side need.
pub(crate) const ROOT_FEATURE: &str = "monitor/root-tests";

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// Could not run here; why.
    Skipped(&'static str),
    Failed,
}

/// The steps done so far.
#[derive(Debug, Default)]
struct Report {
    steps: Vec<(&'static str, Outcome, Duration)>,
}

impl Report {
    /// Runs a step and says how it went; whether it did not fail.
    fn step(&mut self, name: &'static str, step: impl FnOnce() -> Result<Outcome, Error>) -> bool {
        eprintln!("\n== {name}");
        let start = now();
        let outcome = step().unwrap_or_else(|error| {
            eprintln!("xtask: {error}");
            Outcome::Failed
        });
        let outcome = match outcome {
            Outcome::Skipped(why) if !skips::is_allowed(name) => {
                eprintln!("xtask: not run: {why}; xtask/src/skips.rs does not allow that");
                Outcome::Failed
            }
            outcome => outcome,
        };
        let took = now().duration_since(start);
        eprintln!("== {}", line(name, outcome, took));
        self.steps.push((name, outcome, took));
        outcome != Outcome::Failed
    }

    fn failed(&self) -> Vec<&'static str> {
        let failed = self.steps.iter().filter(|(_, outcome, _)| *outcome == Outcome::Failed);
        failed.map(|(name, _, _)| *name).collect()
    }

    fn summary(&self) -> String {
        let total = self.steps.iter().map(|(_, _, took)| *took).sum();
        let all = ("all", if self.failed().is_empty() { Outcome::Passed } else { Outcome::Failed }, total);
        let lines = self.steps.iter().chain([&all]);
        let lines: Vec<String> = lines.map(|(name, outcome, took)| line(name, *outcome, *took)).collect();
        lines.join("\n")
    }
}

fn line(name: &str, outcome: Outcome, took: Duration) -> String {
    let took = took.as_secs_f64();
    match outcome {
        Outcome::Passed => format!("{name:<34} passed  {took:>7.1} s"),
        Outcome::Failed => format!("{name:<34} FAILED  {took:>7.1} s"),
        Outcome::Skipped(why) => format!("{name:<34} not run: {why}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a step takes is the point here")]
fn now() -> Instant {
    Instant::now()
}

/// Runs everything. A failed step does not keep the others from running, so that one run shows all
/// that is wrong; without setup there is nothing to run.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    let mut report = Report::default();
    if report.step("setup", || setup::run(project, Scope::Everything).map(passed)) {
        project_steps(project, &mut report);
        rust_steps(project, &mut report);
        kernel_steps(project, &mut report);
    }
    eprintln!("\nSummary\n{}", report.summary());
    let steps = report.failed();
    if steps.is_empty() { Ok(()) } else { Err(Error::Suite { steps }) }
}

fn passed<T>(_: T) -> Outcome {
    Outcome::Passed
}

/// What can be said without compiling.
fn project_steps(project: &Project, report: &mut Report) {
    report.step("format", || project.cargo().args(["fmt", "--all", "--check"]).run().map(passed));
    report.step("lock file is current", || {
        let metadata = project.cargo().args(["metadata", "--locked", "--quiet", "--format-version", "1"]);
        metadata.output().map(passed)
    });
    report.step("monitor-core is pure", || check::purity::run(project).map(passed));
    report.step("rooms have floors", || check::rooms::run(project).map(passed));
    report.step("licences and sources of crates", || audit::terms(project).map(passed));
    report.step("no crate was withdrawn", || audit::withdrawn(project).map(asked));
    report.step("advisories", || audit::advisories(project).map(asked));
    report.step("unsafe code is listed", || check::unsafe_code::check(project).map(passed));
    report.step("systemd's unit", || {
        let exposure = check::unit::run(project)?;
        Ok(exposure.map_or(Outcome::Skipped("there is no systemd-analyze"), passed))
    });
    report.step("dependencies are explained", || check::dependencies::run(project).map(passed));
    report.step("metrics are documented", || check::metrics::run(project).map(passed));
    report.step("people read the terms of the field", || check::words::run(project).map(passed));
    report.step("live page is current", || page::check(project).map(passed));
    report.step("boards and rules", || boards::check(project).map(passed));
}

/// What needs neither root nor the eBPF toolchain.
fn rust_steps(project: &Project, report: &mut Report) {
    report.step("clippy", || {
        let clippy =
            project.cargo().args(["clippy", "--locked", "--all-targets", "--features", ROOT_FEATURE]);
        clippy.args(["--", "-D", "warnings"]).run().map(passed)
    });
    report.step("documentation", || {
        let doc = project.cargo().args(["doc", "--locked", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        doc.run().map(passed)
    });
    report.step("bill of materials", || sbom::run(project).map(passed));
    report.step("memory, by Miri or a sanitizer", || {
        memory::run(project, &memory::CRATES[..1]).map(|outcome| match outcome {
            memory::Outcome::Skipped(why) => Outcome::Skipped(why),
            memory::Outcome::Miri | memory::Outcome::Sanitizer(_) => Outcome::Passed,
        })
    });
    report.step("tests", || {
        // As a user has it who types `cargo test`: without the object, without root.
        let test = project.cargo().args(["test", "--locked", "--no-fail-fast"]).without(&[OBJECT_VARIABLE]);
        let skips = Skips::file(project)?;
        test.env(PYTHON_VARIABLE, python::interpreter(project)).env(skips::VARIABLE, &skips).run()?;
        Skips::read(&skips)?.judge().map(passed)
    });
}

/// How a question about crates went.
fn asked(outcome: audit::Outcome) -> Outcome {
    match outcome {
        audit::Outcome::Passed => Outcome::Passed,
        audit::Outcome::Skipped(why) => Outcome::Skipped(why),
    }
}

fn kernel_steps(project: &Project, report: &mut Report) {
    report.step("clippy, kernel side", || {
        let clippy = build::kernel_cargo(project, Compiler::find()?, "clippy")?;
        clippy.args(["--", "-D", "warnings"]).run().map(passed)
    });
    let mut object = None;
    report.step("kernel side", || {
        object = Some(build::object_without_warnings(project)?);
        Ok(Outcome::Passed)
    });
    report.step("tests that need root, as root", || match &object {
        None => Ok(Outcome::Skipped("the kernel side did not build")),
        Some(object) => root_tests(project, object).map(passed),
    });
    report.step("packages of the debug build", || match &object {
        None => Ok(Outcome::Skipped("the kernel side did not build")),
        // The tests that need root have built the program, with this object.
        Some(object) => test_dist::quick(project, &project.target().join("debug/weir"), object).map(passed),
    });
    report.step("oldest and newest kernel", || match &object {
        None => Ok(Outcome::Skipped("the kernel side did not build")),
        Some(object) => {
            let plan = kernels::Plan { extent: kernels::Extent::Quick, record: false };
            kernels::test(project, plan, object).map(|outcome| match outcome {
                kernels::Outcome::Passed => Outcome::Passed,
                kernels::Outcome::Skipped(why) => Outcome::Skipped(why),
            })
        }
    });
}

fn root_tests(project: &Project, object: &PathBuf) -> Result<(), Error> {
    let skips = Skips::file(project)?;
    let variables = [
        (PYTHON_VARIABLE, python::interpreter(project)),
        (AXE_VARIABLE, page::axe(project)),
        (skips::VARIABLE, skips.clone()),
    ];
    build::cargo_as_root(project, "test", object, &variables)?
        .args(["--locked", "--no-fail-fast", "--package", "monitor", "--features", ROOT_FEATURE])
        .args(["--test", "kernel*"])
        .run()?;
    Skips::read(&skips)?.judge()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_stands_in_the_summary_and_keeps_no_other_from_running() {
        let mut report = Report::default();
        assert!(!report.step("one", || Err(Error::NoRustVersion)));
        assert!(report.step("advisories", || Ok(Outcome::Skipped("no tool"))));
        assert!(report.step("three", || Ok(Outcome::Passed)));
        assert_eq!(report.failed(), ["one"]);
        let summary = report.summary();
        assert!(summary.contains("not run: no tool"), "{summary}");
        assert_eq!(summary.matches("passed").count(), 1, "{summary}");
        assert_eq!(summary.matches("FAILED").count(), 2, "{summary}");
    }

    #[test]
    fn a_step_that_is_skipped_fails_unless_that_is_allowed() {
        let mut report = Report::default();
        assert!(!report.step("planted", || Ok(Outcome::Skipped("no tool"))));
        assert_eq!(report.failed(), ["planted"]);
    }

    #[test]
    fn the_whole_passes_when_every_step_does() {
        let mut report = Report::default();
        assert!(report.step("one", || Ok(Outcome::Passed)));
        assert!(report.failed().is_empty() && !report.summary().contains("FAILED"));
    }
}
