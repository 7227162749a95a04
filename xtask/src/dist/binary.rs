//! The static program: for any Linux of its architecture, whatever C library that has.

use std::path::{Path, PathBuf};

use super::{Arch, Release};
use crate::build::{self, OBJECT_VARIABLE};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// How many bytes a stripped program may have: a tenth more than it had when it was last looked at, so that growth is seen.
pub(crate) const LIMIT: u64 = 24 * 1024 * 1024;

/// Builds it, in a profile of cargo's, and returns where it is, with all symbols.
///
/// Paths of this machine are in no byte of it: the same sources make the same program anywhere.
pub(crate) fn build(
    project: &Project,
    release: &Release,
    object: &Path,
    profile: &str,
) -> Result<PathBuf, Error> {
    let target = release.arch.target();
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    let mapped = build::mapped_paths(project);
    flags.extend(mapped.iter().map(|(from, to)| build::remap(from, to)));
    let c: Vec<_> = mapped.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
    let mut build = project
        .cargo()
        .args(["build", "--locked", "--package", "monitor", "--bin", "weir", "--profile", profile])
        .args(["--target", target])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CFLAGS", c.join(" "))
        .env(OBJECT_VARIABLE, object)
        .env("WEIR_COMMIT", &release.commit)
        .env("SOURCE_DATE_EPOCH", release.time.to_string());
    if release.arch != Arch::here() {
        let name = target.to_uppercase().replace('-', "_");
        build = build
            .env(format!("CARGO_TARGET_{name}_LINKER"), release.arch.tool("gcc"))
            .env(format!("CC_{}", target.replace('-', "_")), release.arch.tool("gcc"))
            .env(format!("AR_{}", target.replace('-', "_")), release.arch.tool("ar"));
    }
    build.run()?;
    let directory = if profile == "dev" { "debug" } else { profile };
    Ok(project.target().join(target).join(directory).join("weir"))
}

/// The kernel side as it is given away: what describes it to debuggers is four fifths of it, and the kernel reads none of
/// that; its types and lines for the kernel (BTF) stay.
pub(crate) fn without_debug_information(project: &Project, object: &Path) -> Result<PathBuf, Error> {
    let directory = project.target().join("dist-object");
    super::empty(&directory)?;
    let stripped = directory.join("weir-ebpf");
    Program::new("llvm-objcopy").arg("--strip-debug").args([object, &stripped]).output()?;
    Ok(stripped)
}

/// Splits a program into one without symbols and its symbols, which it names.
pub(crate) fn split(arch: Arch, program: &Path, stripped: &Path, symbols: &Path) -> Result<(), Error> {
    let objcopy = || Program::new(arch.tool("objcopy"));
    objcopy().args(["--only-keep-debug", "--compress-debug-sections"]).arg(program).arg(symbols).output()?;
    let mut link = std::ffi::OsString::from("--add-gnu-debuglink=");
    link.push(symbols);
    objcopy().arg("--strip-all").arg(link).arg(program).arg(stripped).output()?;
    Ok(())
}

/// Fails with a program that asks for a loader: it would run only where one of its C library is.
pub(crate) fn is_static(program: &Path) -> Result<bool, Error> {
    let headers = Program::new("readelf").args(["--wide", "--program-headers"]).arg(program);
    Ok(!headers.env("LC_ALL", "C").output()?.contains("INTERP"))
}
