//! `cargo xtask setup`: brings what building and testing need.
//!
//! Runs as the calling user; apt alone runs as root. Everything is named before it is installed, and
//! nothing outside the target directory is touched except by apt and rustup.

use std::fs;

use crate::boards;
use crate::error::Error;
use crate::packages::{self, Apt, Package};
use crate::peers;
use crate::project::Project;
use crate::python;
use crate::toolchain::{self, Compiler, LINKER_VERSION, Llvm};

/// What to set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What builds the agent.
    Toolchain,
    /// That, and what the demo runs.
    Demo,
    /// That, and what the tests use.
    Everything,
}

/// Installs what is missing; does nothing, quickly, when nothing is.
pub(crate) fn run(project: &Project, scope: Scope) -> Result<(), Error> {
    let apt = Apt::find();
    let compiler = compiler(project, apt.as_ref())?;
    let linker_llvm = match toolchain::linker(project, compiler.llvm()) {
        Ok(_) => None,
        Err(Error::NoLinker { .. }) => Some(llvm_for_linker(apt.as_ref(), compiler)?),
        Err(error) => return Err(error),
    };
    let mut wanted = linker_llvm.map(packages::linker).unwrap_or_default();
    match scope {
        Scope::Toolchain => {}
        Scope::Demo => wanted.extend(packages::demo()),
        Scope::Everything => {
            wanted.extend(packages::tests());
            wanted.extend(packages::dist());
            wanted.extend(compiler.is_debians().then(packages::linter));
        }
    }
    install(apt.as_ref(), &packages::missing(wanted))?;
    if scope != Scope::Toolchain {
        python::setup(project)?;
    }
    if scope == Scope::Everything {
        boards::setup(project)?;
        peers::setup()?;
    }
    match linker_llvm {
        Some(llvm) => build_linker(project, llvm),
        None => Ok(()),
    }
}

fn install(apt: Option<&Apt>, missing: &[Package]) -> Result<(), Error> {
    match apt {
        _ if missing.is_empty() => Ok(()),
        Some(apt) => apt.install(missing),
        None => Err(Error::NoApt { packages: packages::names(missing) }),
    }
}

/// The compiler that is here if bpf-linker is there for it or can be; else Debian's, else rustup's nightly.
fn compiler(project: &Project, apt: Option<&Apt>) -> Result<Compiler, Error> {
    let found = Compiler::find();
    if let Ok(compiler) = found
        && (toolchain::linker(project, compiler.llvm()).is_ok() || llvm_for_linker(apt, compiler).is_ok())
    {
        return Ok(compiler);
    }
    // Debian's first: its LLVM, which bpf-linker needs, has a package too.
    let debian = match apt {
        Some(apt) if apt.has_compiler()? => Some(apt),
        _ => None,
    };
    if let Some(apt) = debian {
        apt.install(&packages::compiler())?;
        return Compiler::find();
    }
    // What is here has no linker, and there is nothing better: the caller says so.
    let missing = match found {
        Ok(compiler) => return Ok(compiler),
        Err(error) => error,
    };
    if toolchain::rustup().arg("--version").probe().is_none() {
        return Err(missing);
    }
    eprintln!("xtask installs with rustup: the toolchain nightly with rust-src and clippy");
    toolchain::rustup()
        .args(["toolchain", "install", "nightly", "--profile", "minimal"])
        .args(["--component", "rust-src", "--component", "clippy"])
        .run()?;
    Compiler::find()
}

/// The oldest LLVM that will do and is here or can be installed.
fn llvm_for_linker(apt: Option<&Apt>, compiler: Compiler) -> Result<&'static Llvm, Error> {
    let llvm = compiler.llvm();
    for candidate in toolchain::linker_llvms(llvm) {
        let here = packages::missing(packages::linker(candidate)).iter().all(|p| p.name != candidate.package);
        let installable = match apt {
            Some(apt) => apt.has(candidate.package)?,
            None => false,
        };
        if here || installable {
            return Ok(candidate);
        }
    }
    Err(Error::NoLinkerSource { llvm })
}

fn build_linker(project: &Project, llvm: &Llvm) -> Result<(), Error> {
    let root = toolchain::linker_root(project, llvm);
    let scratch = root.join("build");
    eprintln!("xtask builds bpf-linker {LINKER_VERSION} into {}", root.display());
    project
        .cargo()
        .args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked", "--quiet"])
        .args(["--no-default-features", "--features", llvm.feature, "--root"])
        .arg(&root)
        .env("LLVM_PREFIX", llvm.prefix)
        .env("CARGO_TARGET_DIR", &scratch)
        .run()?;
    fs::remove_dir_all(&scratch).map_err(|source| Error::File { operation: "remove", path: scratch, source })
}
