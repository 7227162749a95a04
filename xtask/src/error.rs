//! What can go wrong, each in one line that says what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::version::Version;

/// An error of any task.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line is not understood.
    Usage { problem: Usage },
    /// A file of the project could not be used.
    File { operation: &'static str, path: PathBuf, source: io::Error },
    /// A program could not be started.
    Start { program: String, source: io::Error },
    /// A program ran and said no; its own output is above.
    Failed { command: String, status: ExitStatus },
    /// A program printed something else than expected.
    Output { command: String, expected: &'static str },
    /// The workspace's manifest has no `rust-version`, or one that is no version.
    NoRustVersion,
    /// cargo is older than the workspace's `rust-version`.
    OldCargo { found: Version, needed: Version },
    /// The task was started through sudo in somebody else's checkout.
    ThroughSudo { user: String, target: PathBuf },
    /// Rights of root are needed and there is no sudo.
    NoRights { command: String },
    /// Packages are missing and there is no apt to bring them.
    NoApt { packages: Vec<&'static str> },
    /// apt knows no such packages, not even after an update.
    UnknownPackages { packages: Vec<&'static str> },
    /// Nothing here compiles for the kernel, and nothing can be installed that does.
    NoToolchain { debian: &'static str, nightly: &'static str },
    /// No bpf-linker fits the compiler.
    NoLinker { llvm: u32 },
    /// bpf-linker cannot be built here.
    NoLinkerSource { llvm: u32 },
    /// Debian's archive has no kernel of a series.
    NoKernel { series: &'static str },
    /// The packages of a kernel lack a part.
    KernelPart { release: String, part: &'static str },
    /// Other kernels cannot be tested here, and CI must not skip that.
    Unreachable { why: &'static str },
    /// A check of the project failed.
    Check { findings: Vec<String>, hint: &'static str },
    /// Nothing by this name is fuzzed.
    NoFuzzTarget { name: String, known: Vec<String> },
    /// Steps of the test suite failed; what and why is above.
    Suite { steps: Vec<&'static str> },
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// No such task.
    Task(String),
    /// The task has no such argument.
    Argument { task: &'static str, argument: String },
    /// The task needs an argument.
    Missing { task: &'static str, argument: &'static str },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { problem } => write!(f, "{problem}; see `cargo xtask help`"),
            Self::File { operation, path, source } => {
                write!(f, "cannot {operation} {}: {source}", path.display())
            }
            Self::Start { program, source } => write!(f, "cannot start {program}: {source}"),
            Self::Failed { command, status } => write!(f, "`{command}` failed ({status})"),
            Self::Output { command, expected } => write!(f, "`{command}` did not print {expected}"),
            Self::NoRustVersion => write!(f, "Cargo.toml: [workspace.package] lacks a rust-version"),
            Self::OldCargo { found, needed } => write!(
                f,
                "cargo {found} is older than the {needed} that Weir needs; type `rustup update stable`, \
                 or install Rust from https://rustup.rs"
            ),
            Self::ThroughSudo { user, target } => write!(
                f,
                "start it as {user}, without sudo: it asks for sudo where that is needed; to give back what \
                 root has written, type `sudo chown -R {user} {}`",
                target.display()
            ),
            Self::NoRights { command } => {
                write!(f, "not root, and sudo is not installed; as root type `{command}`")
            }
            Self::NoApt { packages } => write!(
                f,
                "apt-get is not here to install what is missing; install what these packages of Debian hold: {}",
                packages.join(" ")
            ),
            Self::UnknownPackages { packages } => write!(
                f,
                "apt knows no package {}; enable Debian's main and security archives (or Ubuntu's universe) \
                 and type `sudo apt-get update`",
                packages.join(", ")
            ),
            Self::NoToolchain { debian, nightly } => write!(
                f,
                "no compiler for the kernel side (Debian's: {debian}; rustup's nightly: {nightly}); type \
                 `cargo xtask setup`, or `rustup toolchain install nightly --component rust-src`"
            ),
            Self::NoLinker { llvm } => write!(
                f,
                "no bpf-linker for LLVM {llvm} in target/tools, PATH or ~/.cargo/bin; type `cargo xtask setup`"
            ),
            Self::NoLinkerSource { llvm } => write!(
                f,
                "no llvm-*-dev package from LLVM {llvm} on to build bpf-linker with; type `cargo install \
                 cargo-binstall && cargo binstall bpf-linker@{}`",
                crate::toolchain::LINKER_VERSION
            ),
            Self::NoKernel { series } => {
                write!(
                    f,
                    "Debian's archive has no kernel {series} any more: name its suite in xtask/src/kernels"
                )
            }
            Self::KernelPart { release, part } => {
                write!(f, "the packages of kernel {release} have no {part}: Debian packs it elsewhere now")
            }
            Self::Unreachable { why } => {
                write!(f, "other kernels cannot be tested: {why}; unset CI to go on without")
            }
            Self::Check { findings, hint } => write!(f, "{}; {hint}", findings.join("; ")),
            Self::NoFuzzTarget { name, known } => {
                write!(f, "fuzz: there is no target {name}; there are {}", known.join(", "))
            }
            Self::Suite { steps } => write!(f, "failed: {}", steps.join("; ")),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(task) => write!(f, "no task `{task}`"),
            Self::Argument { task, argument } => write!(f, "`{task}` has no argument `{argument}`"),
            Self::Missing { task, argument } => write!(f, "`{task}` needs {argument}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Start { source, .. } => Some(source),
            _ => None,
        }
    }
}
