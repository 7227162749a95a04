//! The kernel side, and the agent around it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

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
    /// Compiles fast and counts as exactly: for the first run of a checkout.
    First,
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
    let flags = RUSTFLAGS.iter().map(|flag| (*flag).to_owned());
    let flags = flags.chain(mapped_paths(project).into_iter().map(|(from, to)| remap(&from, to)));
    Ok(compiler
        .cargo(subcommand)
        .args(["--quiet", "--release", "--package", "monitor-ebpf", "--bin", "weir-ebpf"])
        .args(["--target", TARGET, "-Z", "build-std=core"])
        .directory(project.root())
        .env("CARGO_TARGET_DIR", kernel_target(project))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.collect::<Vec<_>>().join("\x1f"))
        .env(LINKER_VARIABLE, toolchain::linker(project, compiler.llvm())?))
}

/// Where sources lie on this machine, and what is said instead: the same sources make the same bytes anywhere.
pub(crate) fn mapped_paths(project: &Project) -> Vec<(String, &'static str)> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let mut mapped: Vec<_> = registries
        .into_iter()
        .flatten()
        .flatten()
        .map(|registry| (registry.path().display().to_string(), "/usr/src/crates"))
        .collect();
    mapped.sort();
    mapped.insert(0, (project.root().display().to_string(), "/usr/src/weir"));
    mapped
}

/// rustc's flag for one of them.
pub(crate) fn remap(from: &str, to: &str) -> String {
    format!("--remap-path-prefix={from}={to}")
}

/// Builds the agent with the object inside and returns where it is.
pub(crate) fn agent(project: &Project, profile: Profile) -> Result<PathBuf, Error> {
    agent_with(project, profile, &object(project)?)
}

/// The same with an object that is built.
pub(crate) fn agent_with(project: &Project, profile: Profile, object: &Path) -> Result<PathBuf, Error> {
    let build = project.cargo().args(["build", "--package", "monitor", "--bin", "weir", "--profile"]);
    build.arg(profile.as_str()).env(OBJECT_VARIABLE, object).run()?;
    let directory = if profile == Profile::Dev { "debug" } else { profile.as_str() };
    Ok(project.target().join(directory).join("weir"))
}

/// Builds the crates that the agent is made of while the kernel side is made. If that fails, the agent's own build
/// says why.
pub(crate) fn crates_ahead(project: &Project, profile: Profile) {
    let mut crates = project.cargo().args(["build", "--quiet", "--profile", profile.as_str()]);
    for name in ["monitor-core", "monitor"] {
        crates = crates.args(["--package", name]);
    }
    let _ = crates.arg("--lib").without(&[OBJECT_VARIABLE]).probe();
}

impl Profile {
    /// cargo's name of it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::First => "first",
            Self::Release => "release",
        }
    }
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
