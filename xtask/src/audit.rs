//! `cargo xtask audit`: what Weir is made of may be used, is what it was, and has no known holes, as far as that
//! can be asked here.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use crate::error::Error;
use crate::process::Program;
use crate::project::Project;
use crate::tools;

/// The release of cargo-deny that is built.
const VERSION: &str = "0.20.2";
/// Where advisories are kept: a repository of git. The registry carries none.
const ADVISORIES: &str = "https://github.com/rustsec/advisory-db";

/// How a question went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Asked, and well.
    Passed,
    /// Could not be asked; why.
    Skipped(&'static str),
}

/// Asks everything; what cannot be asked here is named.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    terms(project)?;
    for (name, outcome) in [("withdrawn releases", withdrawn(project)?), ("advisories", advisories(project)?)]
    {
        match outcome {
            Outcome::Passed => eprintln!("{name}: none"),
            Outcome::Skipped(why) => eprintln!("{name}: not asked: {why}"),
        }
    }
    Ok(())
}

/// Every crate may be used under terms that Weir accepts, and comes from the registry: deny.toml.
pub(crate) fn terms(project: &Project) -> Result<(), Error> {
    deny(project, &["licenses", "bans", "sources"])
}

fn deny(project: &Project, what: &[&str]) -> Result<(), Error> {
    let tool = tools::subcommand(project, "cargo-deny", VERSION)?;
    let deny = project.cargo().args(["deny", "--locked", "--all-features", "check"]).args(what);
    deny.env("PATH", tools::path_with(&tool)).run()
}

/// A crate of the lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Locked {
    name: String,
    version: String,
}

/// The crates of the registry in a lock file, which cargo writes one key a line.
fn packages(lock: &str) -> BTreeSet<Locked> {
    let field = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        line.strip_suffix('"').map(str::to_owned)
    };
    let blocks = lock.split("[[package]]").skip(1).filter(|block| field(block, "source").is_some());
    blocks
        .filter_map(|block| Some(Locked { name: field(block, "name")?, version: field(block, "version")? }))
        .collect()
}

/// Releases that their authors have withdrawn ("yanked"): cargo chooses none of them anew, so a package that asks
/// for exactly those of the lock file can be resolved only when none is withdrawn.
pub(crate) fn withdrawn(project: &Project) -> Result<Outcome, Error> {
    let directory = project.target().join("audit");
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|source| Error::File { operation: "write", path, source })
    };
    fs::create_dir_all(directory.join("src")).map_err(|source| Error::File {
        operation: "create",
        path: directory.clone(),
        source,
    })?;
    let lock = project.root().join("Cargo.lock");
    let text =
        fs::read_to_string(&lock).map_err(|source| Error::File { operation: "read", path: lock, source })?;
    file("Cargo.toml", &manifest(&packages(&text)))?;
    file("src/lib.rs", "")?;
    drop(fs::remove_file(directory.join("Cargo.lock")));
    let resolve = project.cargo().directory(&directory).args(["generate-lockfile", "--quiet"]);
    let said = Program::new("sh")
        .directory(&directory)
        .args(["-c", "\"$@\" 2>&1 || true", "sh"])
        .args(resolve.words())
        .env("CARGO_TERM_COLOR", "never")
        .output()?;
    verdict(&said)
}

/// A package with exactly these crates.
fn manifest(locked: &BTreeSet<Locked>) -> String {
    let mut out = String::from(
        "[package]\nname = \"audit\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n",
    );
    for (number, Locked { name, version, .. }) in locked.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "d{number} = {{ package = \"{name}\", version = \"={version}\", default-features = false }}"
        );
    }
    out
}

fn verdict(said: &str) -> Result<Outcome, Error> {
    if said.trim().is_empty() {
        return Ok(Outcome::Passed);
    }
    if said.contains("yanked") {
        let findings =
            said.lines().filter(|line| line.contains("yanked")).map(|line| line.trim().to_owned()).collect();
        return Err(Error::Check { findings, hint: "type `cargo update` for that crate" });
    }
    for offline in ["network", "download", "Could not resolve", "timed out", "failed to get"] {
        if said.contains(offline) {
            return Ok(Outcome::Skipped("the registry cannot be reached"));
        }
    }
    let findings = said.lines().take(5).map(|line| line.trim().to_owned()).collect();
    Err(Error::Check { findings, hint: "the lock file's crates do not resolve" })
}

/// Known holes, where they can be fetched.
pub(crate) fn advisories(project: &Project) -> Result<Outcome, Error> {
    let reached = Program::new("timeout")
        .args(["20", "git", "ls-remote", "--quiet", ADVISORIES, "HEAD"])
        .env("GIT_TERMINAL_PROMPT", "0");
    if reached.probe().is_none() {
        return Ok(Outcome::Skipped(
            "the advisories' repository cannot be reached, and the registry carries none",
        ));
    }
    deny(project, &["advisories"])?;
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"aya\"\nversion = \"0.14.0\"\nsource = \
        \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"00\"\ndependencies = [\n \"libc\",\n]\n\n\
        [[package]]\nname = \"monitor\"\nversion = \"0.1.0\"\n";

    #[test]
    fn a_withdrawn_release_an_unreachable_registry_and_anything_else_are_told_apart() {
        assert_eq!(verdict("\n").unwrap(), Outcome::Passed);
        let yanked = "error: failed to select a version for the requirement `x = \"=1.0.0\"`\n  version 1.0.0 is yanked\n";
        assert!(verdict(yanked).unwrap_err().to_string().contains("yanked"));
        assert!(matches!(
            verdict("error: failed to download from `https://…`").unwrap(),
            Outcome::Skipped(_)
        ));
        assert!(verdict("error: something else").is_err());
    }

    #[test]
    fn a_package_asks_for_exactly_what_is_locked() {
        let manifest = manifest(&packages(LOCK));
        assert!(manifest.contains("package = \"aya\", version = \"=0.14.0\""), "{manifest}");
        assert!(!manifest.contains("monitor"), "{manifest}");
    }
}
