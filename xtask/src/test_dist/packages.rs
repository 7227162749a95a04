//! The packages in directories: dpkg and rpm themselves install, verify and remove them.

use std::collections::BTreeSet;
use std::path::Path;

use super::one;
use crate::dist::{self, Arch};
use crate::error::Error;
use crate::process::{Program, find};
use crate::project::Project;

/// What both must bring.
const BROUGHT: [&str; 14] = [
    "usr/bin/weir",
    "usr/lib/systemd/system/weir.service",
    "usr/lib/systemd/system/weir.socket",
    "usr/lib/systemd/system/run-weir.mount",
    "usr/lib/sysusers.d/weir.conf",
    "usr/share/weir/weir-pins.conf",
    "usr/share/weir/dashboards/overview.json",
    "usr/share/weir/rules/alerts.yaml",
    "usr/share/bash-completion/completions/weir",
    "usr/share/fish/vendor_completions.d/weir.fish",
    "usr/share/man/man1/weir.1.gz",
    "usr/share/man/man1/weir-run.1.gz",
    "usr/share/doc/weir/copyright",
    "etc/weir/weir.toml",
];

/// Installs into empty directories, and removes without a trace.
pub(super) fn test(project: &Project, directory: &Path) -> Result<(), Error> {
    let arch = Arch::here();
    let deb = one(directory, &format!("_{}.deb", arch.debian()))?;
    let rpm = one(directory, &format!(".{}.rpm", arch.as_str()))?;
    let root = project.target().join("dist-root");
    let dpkg = |arguments: &[&str]| {
        Program::new("dpkg")
            .arg(format!("--root={}", root.display()))
            .args(["--force-confold"])
            .args(arguments)
    };
    life(
        &root,
        "mkdir -p var/lib/dpkg/info var/lib/dpkg/updates; : >var/lib/dpkg/status",
        &dpkg(&["--install"]).arg(&deb),
        // What differs from the package's own sums is printed.
        &dpkg(&["--verify", "weir"]),
        &dpkg(&["--purge", "weir"]),
    )?;
    let rpms =
        |arguments: &[&str]| Program::new("rpm").arg(format!("--root={}", root.display())).args(arguments);
    life(
        &root,
        "rpm --root=\"$PWD\" --initdb",
        &rpms(&["--install", "--nodeps", "--ignorearch"]).arg(&rpm),
        &rpms(&["--verify", "--nodeps", "weir"]),
        &rpms(&["--erase", "weir"]),
    )
}

/// Prepares a root directory, and sees what each step leaves.
fn life(
    root: &Path,
    prepare: &str,
    install: &Program,
    verify: &Program,
    remove: &Program,
) -> Result<(), Error> {
    // Scripts of packages run in it: a shell, and programs that they ask for.
    let busybox = find("busybox").unwrap_or_default();
    let script = format!(
        "set -eu; rm -rf \"$1\"; mkdir -p \"$1/bin\"; cd \"$1\"; cp \"$2\" bin/busybox; \
         for name in sh rm getent true; do ln -s busybox bin/$name; done; mkdir dev; : >dev/null; {prepare}"
    );
    let arguments = [root.as_os_str(), busybox.as_os_str()];
    Program::new("sh").args(["-c", &script, "sh"]).args(arguments).with_root()?.output()?;
    let before = paths(root)?;
    install.clone().with_root()?.output()?;
    let after = paths(root)?;
    let mut findings: Vec<String> =
        BROUGHT.iter().filter(|path| !after.contains(**path)).map(|path| format!("lacks /{path}")).collect();
    let said = verify.clone().with_root()?.output()?;
    if !said.trim().is_empty() {
        findings.push(format!("is not as packed: {}", said.trim()));
    }
    let program = root.join("usr/bin/weir");
    let settings = root.join("etc/weir/weir.toml");
    Program::new(program).args(["config", "--config.file"]).arg(settings).output()?;
    remove.clone().with_root()?.output()?;
    let left = paths(root)?;
    findings.extend(left.difference(&before).map(|path| format!("leaves /{path}")));
    if findings.is_empty() { Ok(()) } else { Err(Error::Check { findings, hint: "xtask/src/dist packs it" }) }
}

/// Files in a root directory, and directories of our own; not the package managers' books, nor directories that a
/// system has before the first package comes.
fn paths(root: &Path) -> Result<BTreeSet<String>, Error> {
    let found = Program::new("find")
        .arg(root)
        .args(["(", "!", "-type", "d", "-o", "-name", "weir", ")", "-printf", "%P\\n"])
        .with_root()?
        .output()?;
    let own = ["var/lib/dpkg", "var/lib/rpm", "usr/lib/sysimage"];
    let ours = |path: &&str| {
        !path.is_empty() && !own.iter().any(|own| path.starts_with(own) || own.starts_with(path))
    };
    Ok(found.lines().filter(ours).map(str::to_owned).collect())
}

/// Whether a file of a release is named in its sums; used by what installs from them.
pub(super) fn sums(directory: &Path) -> Result<BTreeSet<String>, Error> {
    Program::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).directory(directory).output()?;
    let listed = dist::text(&directory.join("SHA256SUMS"))?;
    Ok(listed.lines().filter_map(|line| line.split("  ").nth(1)).map(str::to_owned).collect())
}
