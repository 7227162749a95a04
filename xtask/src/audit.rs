//! `cargo xtask audit`: what Weir is made of may be used, is what it was, and has no known holes, as far as that
//! can be asked here.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use crate::check;
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// The only place that crates come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
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
    check::licences::run(project)?;
    eprintln!("licences: accepted");
    sources(project)?;
    for (name, outcome) in [("withdrawn releases", withdrawn(project)?), ("advisories", advisories(project)?)]
    {
        match outcome {
            Outcome::Passed => eprintln!("{name}: none"),
            Outcome::Skipped(why) => eprintln!("{name}: not asked: {why}"),
        }
    }
    Ok(())
}

/// A crate of the lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

fn lock(project: &Project) -> Result<Vec<Locked>, Error> {
    let path = project.root().join("Cargo.lock");
    let text = fs::read_to_string(&path).map_err(|source| Error::File { operation: "read", path, source })?;
    Ok(packages(&text))
}

/// The crates of a lock file, which cargo writes one key a line.
fn packages(lock: &str) -> Vec<Locked> {
    let field = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        line.strip_suffix('"').map(str::to_owned)
    };
    lock.split("[[package]]")
        .skip(1)
        .filter_map(|block| {
            Some(Locked {
                name: field(block, "name")?,
                version: field(block, "version")?,
                source: field(block, "source"),
                checksum: field(block, "checksum"),
            })
        })
        .collect()
}

/// Every crate is of this checkout, or of the registry with its checksum.
pub(crate) fn sources(project: &Project) -> Result<(), Error> {
    let locked = lock(project)?;
    let findings = foreign(&locked);
    if findings.is_empty() {
        eprintln!(
            "lock file: {} crates, each of this checkout or of crates.io with its checksum",
            locked.len()
        );
        return Ok(());
    }
    Err(Error::Check { findings, hint: "crates come from crates.io, at releases that the lock file pins" })
}

fn foreign(locked: &[Locked]) -> Vec<String> {
    let ours = |source: &Option<String>| source.is_none();
    let pinned = |package: &Locked| package.source.as_deref() == Some(REGISTRY) && package.checksum.is_some();
    let wrong = locked.iter().filter(|package| !ours(&package.source) && !pinned(package));
    wrong
        .map(|package| {
            let source = package.source.as_deref().unwrap_or("nowhere");
            format!("{} {} comes from {source}, or has no checksum", package.name, package.version)
        })
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
    let locked: BTreeSet<Locked> = lock(project)?.into_iter().filter(|p| p.source.is_some()).collect();
    file("Cargo.toml", &manifest(&locked))?;
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

/// Known holes, by cargo-deny, where it is installed and the advisories can be fetched.
pub(crate) fn advisories(project: &Project) -> Result<Outcome, Error> {
    if project.cargo().args(["deny", "--version"]).probe().is_none() {
        return Ok(Outcome::Skipped("cargo-deny is not installed (`cargo install cargo-deny --locked`)"));
    }
    let reached = Program::new("timeout")
        .args(["20", "git", "ls-remote", "--quiet", ADVISORIES, "HEAD"])
        .env("GIT_TERMINAL_PROMPT", "0");
    if reached.probe().is_none() {
        return Ok(Outcome::Skipped(
            "the advisories' repository cannot be reached, and the registry carries none",
        ));
    }
    project.cargo().args(["deny", "--all-features", "check", "advisories", "bans", "sources"]).run()?;
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"aya\"\nversion = \"0.14.0\"\nsource = \
        \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"00\"\ndependencies = [\n \"libc\",\n]\n\n\
        [[package]]\nname = \"monitor\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"other\"\nversion = \"1.0.0\"\n\
        source = \"git+https://example.org/other\"\n";

    #[test]
    fn crates_that_are_not_pinned_are_found() {
        let locked = packages(LOCK);
        assert_eq!(locked.len(), 3);
        assert_eq!(
            foreign(&locked),
            ["other 1.0.0 comes from git+https://example.org/other, or has no checksum"]
        );
    }

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
        let locked = packages(LOCK).into_iter().filter(|p| p.source.is_some()).collect();
        assert!(manifest(&locked).contains("package = \"aya\", version = \"=0.14.0\""));
    }
}
