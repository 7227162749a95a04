//! The kernel side, and the agent around it.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::error::Error;
use crate::process::Program;
use crate::project::Project;
use crate::toolchain::{self, Compiler, RUSTFLAGS};

/// The variable by which the build script and the tests of `monitor` find the eBPF object.
pub(crate) const OBJECT_VARIABLE: &str = "WEIR_EBPF_OBJECT";

/// The kernel reads eBPF in its own byte order.
const TARGET: &str = if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };
const LINKER_VARIABLE: &str = if cfg!(target_endian = "big") {
    "CARGO_TARGET_BPFEB_UNKNOWN_NONE_LINKER"
} else {
    "CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER"
};

/// How the agent is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// cargo's `dev`.
    Dev,
    /// cargo's `release`.
    Release,
}

/// Builds the eBPF object and returns where it is.
pub(crate) fn object(project: &Project) -> Result<PathBuf, Error> {
    kernel_cargo(project, Compiler::find()?, "build")?.run()?;
    Ok(object_path(project))
}

/// The same, and any warning of the compiler about `monitor-ebpf` is an error.
pub(crate) fn object_without_warnings(project: &Project) -> Result<PathBuf, Error> {
    // Not through the flags of all crates: core would be compiled once more.
    kernel_cargo(project, Compiler::find()?, "rustc")?.args(["--", "-D", "warnings"]).run()?;
    Ok(object_path(project))
}

fn kernel_target(project: &Project) -> PathBuf {
    project.target().join("ebpf")
}

fn object_path(project: &Project) -> PathBuf {
    kernel_target(project).join(TARGET).join("release").join("weir-ebpf")
}

/// A cargo command line on the kernel side, always in release: the verifier takes no debug build.
pub(crate) fn kernel_cargo(
    project: &Project,
    compiler: Compiler,
    subcommand: &'static str,
) -> Result<Program, Error> {
    // A target directory of its own: another compiler, other flags, another lock.
    Ok(compiler
        .cargo(subcommand)
        .args(["--quiet", "--release", "--package", "monitor-ebpf", "--bin", "weir-ebpf"])
        .args(["--target", TARGET, "-Z", "build-std=core"])
        .directory(project.root())
        .env("CARGO_TARGET_DIR", kernel_target(project))
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
        .env(LINKER_VARIABLE, toolchain::linker(project, compiler.llvm())?))
}

/// Builds the agent with the object inside and returns where it is.
pub(crate) fn agent(project: &Project, profile: Profile) -> Result<PathBuf, Error> {
    let object = object(project)?;
    let build =
        project.cargo().args(["build", "--package", "monitor", "--bin", "weir"]).env(OBJECT_VARIABLE, object);
    let (build, directory) = match profile {
        Profile::Dev => (build, "debug"),
        Profile::Release => (build.arg("--release"), "release"),
    };
    build.run()?;
    Ok(project.target().join(directory).join("weir"))
}

/// A cargo command line (`test`, `bench`) whose programs run as root, while cargo and what it writes
/// stay the caller's. They get these variables besides the object's.
pub(crate) fn cargo_as_root(
    project: &Project,
    subcommand: &str,
    object: &PathBuf,
    variables: &[(&str, impl AsRef<OsStr>)],
) -> Result<Program, Error> {
    let cargo = project.cargo().arg(subcommand).env(OBJECT_VARIABLE, object);
    let mut runner = Program::new("env");
    let variables = variables.iter().map(|(name, value)| (*name, value.as_ref()));
    for (name, value) in [(OBJECT_VARIABLE, object.as_os_str())].into_iter().chain(variables) {
        let mut variable = std::ffi::OsString::from(name);
        variable.push("=");
        variable.push(value);
        runner = runner.arg(variable);
    }
    let runner = runner.with_root()?;
    Ok(cargo.arg("--config").arg(runner_setting(&runner.words())))
}

/// cargo's setting of the program that starts other programs.
fn runner_setting(words: &[String]) -> String {
    format!("target.\"cfg(all())\".runner={words:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_is_a_list_so_that_paths_may_have_spaces() {
        let words = ["sudo".to_owned(), "env".to_owned(), "A=/a b/c".to_owned()];
        assert_eq!(runner_setting(&words), r#"target."cfg(all())".runner=["sudo", "env", "A=/a b/c"]"#);
    }
}
