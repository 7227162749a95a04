//! `cargo xtask miri`: tests of the crates that share memory with the kernel, where the rules of memory are
//! watched: by Miri, which needs a nightly with that component, else by `AddressSanitizer`, whose runtime comes with
//! every toolchain for 64-bit Linux.

use std::path::Path;

use crate::error::Error;
use crate::process::Program;
use crate::project::Project;
use crate::toolchain::rustup;

/// Crates without files, sockets or threads, which Miri can run: what is unsafe in them, and what goes through it. The
/// second forbids unsafe code, so the suite runs the first alone.
pub(crate) const CRATES: [&str; 2] = ["monitor-common", "monitor-core"];
const TRIPLE: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With Miri.
    Miri,
    /// With the sanitizer: there is no Miri here, for this reason.
    Sanitizer(&'static str),
    /// With neither.
    Skipped(&'static str),
}

/// Runs the tests with the best that is here.
pub(crate) fn run(project: &Project, crates: &[&str]) -> Result<Outcome, Error> {
    match miri() {
        None => under_miri(project, crates).map(|()| Outcome::Miri),
        Some(why) => {
            eprintln!("Miri: not run: {why}");
            sanitized(project, crates, why)
        }
    }
}

/// Why Miri cannot run; `None`: it can.
fn miri() -> Option<&'static str> {
    if rustup().args(["run", "nightly", "cargo", "--version"]).probe().is_none() {
        return Some("rustup has no nightly toolchain (`rustup toolchain install nightly --component miri`)");
    }
    let there = rustup().args(["run", "nightly", "cargo", "miri", "--version"]).probe();
    there
        .is_none()
        .then_some("the nightly here has no component miri (`rustup component add miri --toolchain nightly`)")
}

fn under_miri(project: &Project, crates: &[&str]) -> Result<(), Error> {
    let test = rustup()
        .args(["run", "nightly", "cargo", "miri", "test", "--locked", "--lib"])
        .args(packages(crates));
    // Random tests run as many rounds as they always do: hours. Those that are marked run none of it.
    test.directory(project.root())
        .env("CARGO_TARGET_DIR", project.target().join("miri"))
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .run()
}

/// The same under `AddressSanitizer`, by the compiler of this machine.
fn sanitized(project: &Project, crates: &[&str], why: &'static str) -> Result<Outcome, Error> {
    let Some(libraries) = Program::new("rustc").args(["--print", "target-libdir"]).probe() else {
        return Ok(Outcome::Skipped("no Miri, and rustc is not in PATH"));
    };
    let has_runtime = |name: &std::ffi::OsStr| name.to_string_lossy().contains("_rt.asan");
    let there = Path::new(libraries.trim())
        .read_dir()
        .is_ok_and(|mut files| files.any(|file| file.is_ok_and(|file| has_runtime(&file.file_name()))));
    if !there {
        return Ok(Outcome::Skipped("no Miri, and this toolchain has no runtime of AddressSanitizer"));
    }
    project
        .cargo()
        .args(["test", "--locked", "--quiet", "--lib", "--target", TRIPLE])
        .args(packages(crates))
        // A stable compiler has the sanitizer too; only its switch is not stable.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", "-Zsanitizer=address\u{1f}-Cdebuginfo=1")
        .env("CARGO_TARGET_DIR", project.target().join("asan"))
        .run()?;
    eprintln!("AddressSanitizer: tests of {} passed", crates.join(" and "));
    Ok(Outcome::Sanitizer(why))
}

fn packages<'a>(crates: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    crates.iter().flat_map(|name| ["--package", *name])
}
