//! `cargo xtask fuzz`: every reader of foreign bytes under libFuzzer, for a time each; and kernel side
//! against user space, on frames that are generated.
//!
//! The code is instrumented by flags that a stable compiler has: coverage of each branch and what is
//! compared with what. There is no sanitizer of memory, which needs a nightly; what is fuzzed is safe
//! Rust, where an access out of bounds is a panic.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::build as builder;
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;
use crate::suite::ROOT_FEATURE;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Targets by name; none: all.
    pub(crate) targets: Vec<String>,
    /// Seconds for each.
    pub(crate) seconds: u32,
    /// Frames through kernel side and user space, instead of bytes through targets.
    pub(crate) differential: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { targets: Vec::new(), seconds: 60, differential: false }
    }
}

/// Coverage as libFuzzer reads it.
const INSTRUMENTATION: [&str; 10] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Cdebuginfo=1",
    "--cfg=fuzzing",
];

/// The triple; with it flags do not reach build scripts.
const TRIPLE: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// Longest input: above the longest hello that is read.
const LENGTH_MAX: &str = "-max_len=70000";

/// Builds and runs the plan.
pub(crate) fn run(project: &Project, plan: &Plan) -> Result<(), Error> {
    if plan.differential {
        return differential(project, plan.seconds);
    }
    let seeds = project.root().join("fuzz/corpus");
    let known = names(&seeds)?;
    if let Some(unknown) = plan.targets.iter().find(|name| !known.contains(name)) {
        return Err(Error::NoFuzzTarget { name: unknown.clone(), known });
    }
    let program = build(project)?;
    let store = project.target().join("fuzz");
    let targets = if plan.targets.is_empty() { known } else { plan.targets.clone() };
    let mut findings = Vec::new();
    for target in &targets {
        let (corpus, artifacts) = (store.join("corpus").join(target), store.join("artifacts").join(target));
        for directory in [&corpus, &artifacts] {
            fs::create_dir_all(directory).map_err(|source| Error::File {
                operation: "create",
                path: directory.clone(),
                source,
            })?;
        }
        let fuzzer = Program::new(&program)
            .shown_as("weir-fuzz")
            .arg(&corpus)
            .arg(seeds.join(target))
            .args([LENGTH_MAX, "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"])
            .arg(format!("-max_total_time={}", plan.seconds))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .env("WEIR_FUZZ_TARGET", target);
        eprintln!("\n== {target}");
        if fuzzer.run().is_err() {
            findings.push(format!("{target}: the input is in {}", artifacts.display()));
        }
    }
    let hint = "put the input into fuzz/corpus/TARGET/ with the change that mends it: tests replay it";
    if findings.is_empty() { Ok(()) } else { Err(Error::Check { findings, hint }) }
}

/// Ends the test that generates frames.
const SECONDS_VARIABLE: &str = "WEIR_FUZZ_SECONDS";
/// The seed that it begins with, for a failure to come again.
const SEED_VARIABLE: &str = "WEIR_FUZZ_SEED";

/// Generated and bent frames through the kernel's programs (`BPF_PROG_TEST_RUN`) and through user space.
fn differential(project: &Project, seconds: u32) -> Result<(), Error> {
    let object = builder::object(project)?;
    let mut variables = vec![(SECONDS_VARIABLE, seconds.to_string())];
    variables.extend(env::var(SEED_VARIABLE).ok().map(|seed| (SEED_VARIABLE, seed)));
    builder::cargo_as_root(project, "test", &object, &variables)?
        .args(["--locked", "--package", "monitor", "--features", ROOT_FEATURE, "--test", "kernel", "--"])
        .args([
            "--ignored",
            "--nocapture",
            "--exact",
            "differential::both_sides_agree_for_as_long_as_it_is_told",
        ])
        .run()
}

fn build(project: &Project) -> Result<PathBuf, Error> {
    let directory = project.target().join("fuzz/build");
    project
        .cargo()
        .args(["build", "--locked", "--quiet", "--release", "--package", "weir-fuzz"])
        .args(["--features", "libfuzzer", "--bin", "weir-fuzz", "--target", TRIPLE])
        .env("CARGO_TARGET_DIR", &directory)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\x1f"))
        .run()?;
    Ok(directory.join(TRIPLE).join("release/weir-fuzz"))
}

/// The targets: each has a directory with its corpus.
fn names(seeds: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::File { operation: "list", path: seeds.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(seeds).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
