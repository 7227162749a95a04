//! What compiles the kernel side: a compiler with core's sources, and bpf-linker.
//!
//! Two compilers will do. Debian packages one for its browsers, with sources (`rustc-web`,
//! `cargo-web`, `rust-web-src`); it is a stable release, so `RUSTC_BOOTSTRAP` lets it build core. A
//! developer with rustup has a nightly with the component `rust-src`. Neither is assumed.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::{Program, find, is_executable};
use crate::project::Project;
use crate::version::{Version, verbose_field};

/// The release of bpf-linker that setup builds, and the oldest that is used.
pub(crate) const LINKER_VERSION: &str = "0.13.0";
const OLDEST_LINKER: Version = Version::new(0, 13, 0);

/// The oldest compiler whose core and LLVM the kernel side is built with.
pub(crate) const OLDEST_COMPILER: Version = Version::new(1, 96, 0);

/// Flags of rustc for the kernel side alone.
pub(crate) const RUSTFLAGS: &[&str] = &[
    // Types for the verifier's log, map definitions and global data.
    "-C",
    "debuginfo=2",
    "-C",
    "link-arg=--btf",
    // 32-bit arithmetic and jumps, which every kernel since 5.1 knows.
    "-C",
    "target-cpu=v3",
    // Bytes that are set or copied become words; else each is a loop in a function of its own.
    "-C",
    "link-arg=--disable-expand-memcpy-in-order",
];

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// In a package of its own (`rust-web-clippy`).
pub(crate) const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// Variables by which the caller's cargo, rustup or flags would leak into another compiler.
const FOREIGN: &[&str] = &[
    "RUSTUP_TOOLCHAIN",
    "CARGO",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
];

/// Which of the two compilers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `/usr/bin/rustc` of Debian's packages.
    Debian,
    /// rustup's toolchain `nightly`.
    Nightly,
}

/// What is known of a compiler that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    release: Version,
    llvm: u32,
    /// core's sources and the matching cargo are there.
    complete: bool,
}

impl Facts {
    /// Why the compiler will not do.
    fn lack(facts: Option<Self>) -> Option<&'static str> {
        match facts {
            None => Some("not installed"),
            Some(facts) if facts.release < OLDEST_COMPILER => Some("older than 1.96"),
            Some(facts) if !facts.complete => Some("without cargo or the sources of core"),
            Some(_) => None,
        }
    }
}

/// A compiler for the kernel side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compiler {
    origin: Origin,
    llvm: u32,
}

impl Compiler {
    /// The compiler of this machine; Debian's when both are there, since its LLVM has a package too.
    pub(crate) fn find() -> Result<Self, Error> {
        choose(debian_facts(), nightly_facts())
    }

    /// Major version of the LLVM that it is built on.
    pub(crate) fn llvm(self) -> u32 {
        self.llvm
    }

    /// Whether its clippy is a package of Debian's, too.
    pub(crate) fn is_debians(self) -> bool {
        self.origin == Origin::Debian
    }

    /// A subcommand of its cargo, free of the caller's settings.
    pub(crate) fn cargo(self, subcommand: &str) -> Program {
        let program = match (self.origin, subcommand) {
            // cargo would take the first cargo-clippy in PATH, which may be rustup's.
            (Origin::Debian, "clippy") => debian(DEBIAN_CLIPPY).env("CARGO", DEBIAN_CARGO),
            (Origin::Debian, _) => debian(DEBIAN_CARGO),
            (Origin::Nightly, _) => rustup().args(["run", "nightly", "cargo"]),
        };
        program.arg(subcommand)
    }
}

fn debian(program: &str) -> Program {
    Program::new(program).without(FOREIGN).env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1")
}

fn choose(debian: Option<Facts>, nightly: Option<Facts>) -> Result<Compiler, Error> {
    match (Facts::lack(debian), Facts::lack(nightly)) {
        (None, _) => Ok(compiler(Origin::Debian, debian)),
        (_, None) => Ok(compiler(Origin::Nightly, nightly)),
        (Some(debian), Some(nightly)) => Err(Error::NoToolchain { debian, nightly }),
    }
}

fn compiler(origin: Origin, facts: Option<Facts>) -> Compiler {
    Compiler { origin, llvm: facts.map_or(0, |facts| facts.llvm) }
}

/// rustup, free of the caller's toolchain.
pub(crate) fn rustup() -> Program {
    let program = find("rustup").unwrap_or_else(|| cargo_home().join("bin/rustup"));
    Program::new(program).shown_as("rustup").without(FOREIGN)
}

fn debian_facts() -> Option<Facts> {
    let rustc = || Program::new(DEBIAN_RUSTC).without(FOREIGN);
    let cargo = Program::new(DEBIAN_CARGO).without(FOREIGN).arg("-V").probe();
    facts(&rustc().arg("-vV").probe()?, &rustc().args(["--print", "sysroot"]).probe()?, cargo.is_some())
}

fn nightly_facts() -> Option<Facts> {
    let rustc = || rustup().args(["run", "nightly", "rustc"]);
    facts(&rustc().arg("-vV").probe()?, &rustc().args(["--print", "sysroot"]).probe()?, true)
}

fn facts(verbose: &str, sysroot: &str, cargo: bool) -> Option<Facts> {
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    Some(Facts {
        release: Version::parse(verbose_field(verbose, "release")?)?,
        llvm: Version::parse(verbose_field(verbose, "LLVM version")?)?.major(),
        complete: cargo && sources.join("core/src/lib.rs").exists() && sources.join("Cargo.lock").exists(),
    })
}

/// An LLVM that bpf-linker can be built with.
#[derive(Debug)]
pub(crate) struct Llvm {
    pub(crate) major: u32,
    /// Debian's package with its headers and libraries.
    pub(crate) package: &'static str,
    /// Where that package puts them.
    pub(crate) prefix: &'static str,
    /// bpf-linker's feature.
    pub(crate) feature: &'static str,
}

/// All that [`LINKER_VERSION`] knows and that [`OLDEST_COMPILER`] may need, oldest first.
const LINKER_LLVM: [Llvm; 2] = [
    Llvm { major: 22, package: "llvm-22-dev", prefix: "/usr/lib/llvm-22", feature: "llvm-22" },
    Llvm { major: 23, package: "llvm-23-dev", prefix: "/usr/lib/llvm-23", feature: "llvm-23" },
];

/// The LLVMs that read what a compiler on LLVM `oldest` writes: the same or newer.
pub(crate) fn linker_llvms(oldest: u32) -> impl Iterator<Item = &'static Llvm> {
    LINKER_LLVM.iter().filter(move |llvm| llvm.major >= oldest)
}

/// The directory below which setup installs bpf-linker for one LLVM.
pub(crate) fn linker_root(project: &Project, llvm: &Llvm) -> PathBuf {
    project.tools().join(llvm.feature)
}

/// A bpf-linker for a compiler on LLVM `llvm`: the one that setup built, whose LLVM is known; else
/// the user's own.
pub(crate) fn linker(project: &Project, llvm: u32) -> Result<PathBuf, Error> {
    linker_llvms(llvm)
        .map(|llvm| linker_root(project, llvm).join("bin/bpf-linker"))
        .chain(find("bpf-linker"))
        .chain([cargo_home().join("bin/bpf-linker")])
        .filter(|path| is_executable(path))
        .find(|path| {
            let banner = Program::new(path).arg("--version").probe();
            banner.and_then(|b| Version::of_banner(&b)).is_some_and(|version| version >= OLDEST_LINKER)
        })
        .ok_or(Error::NoLinker { llvm })
}

fn cargo_home() -> PathBuf {
    match env::var_os("CARGO_HOME") {
        Some(directory) => directory.into(),
        None => PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: Facts = Facts { release: Version::new(1, 96, 0), llvm: 22, complete: true };
    const NIGHTLY: Facts = Facts { release: Version::new(1, 99, 0), llvm: 23, complete: true };

    fn old(facts: Facts) -> Facts {
        Facts { release: Version::new(1, 85, 0), ..facts }
    }

    fn bare(facts: Facts) -> Facts {
        Facts { complete: false, ..facts }
    }

    #[test]
    fn prefers_debian_when_both_are_complete() {
        let chosen = choose(Some(DEBIAN), Some(NIGHTLY)).unwrap();
        assert_eq!(chosen, Compiler { origin: Origin::Debian, llvm: 22 });
    }

    #[test]
    fn takes_nightly_when_debian_is_missing_old_or_without_sources() {
        for debian in [None, Some(old(DEBIAN)), Some(bare(DEBIAN))] {
            let chosen = choose(debian, Some(NIGHTLY)).unwrap();
            assert_eq!(chosen, Compiler { origin: Origin::Nightly, llvm: 23 });
        }
    }

    #[test]
    fn says_what_each_compiler_lacks() {
        let error = choose(Some(old(DEBIAN)), Some(bare(NIGHTLY))).unwrap_err().to_string();
        assert!(error.contains("Debian's: older than 1.96"), "{error}");
        assert!(error.contains("nightly: without cargo or the sources"), "{error}");
        assert!(error.contains("cargo xtask setup") && error.lines().count() == 1, "{error}");
    }

    #[test]
    fn reads_the_facts_of_a_compiler() {
        let verbose = "rustc 1.96.0 (ac68faa20 2026-05-25)\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        let found = facts(verbose, "/nonexistent\n", true).unwrap();
        assert_eq!(found, Facts { release: Version::new(1, 96, 0), llvm: 22, complete: false });
        assert_eq!(facts("rustc 1.96.0\n", "/nonexistent", true), None);
    }

    #[test]
    fn a_linker_is_never_built_on_an_older_llvm() {
        assert!(linker_llvms(22).map(|llvm| llvm.major).eq([22, 23]));
        assert!(linker_llvms(24).next().is_none());
    }
}
