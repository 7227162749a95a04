//! The life of a package on fresh systems: Debian's releases as debootstrap lays them out, each with its own kernel and
//! systemd, in virtual machines.

use std::fs;
use std::path::{Path, PathBuf};

use super::Outcome;
use super::archive::{Archive, Series, store};
use super::cpio::Archive as Cpio;
use super::emulator::Emulator;
use super::guest::{END, put_modules};
use super::programs::{Programs, read};
use super::systemd::{INIT, TARGET};
use super::{MODULES, archive};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// Releases of Debian with their kernels; more than one kernel is `cargo xtask test-kernels`.
const RELEASES: [(&str, Series); 3] =
    [("bullseye", Series::V5_10), ("bookworm", Series::V6_1), ("trixie", Series::V6_12)];

/// What a fresh system has beside the base.
const PACKAGES: &str = "systemd,systemd-sysv,curl,iproute2,iputils-ping,libnss-systemd,procps";

/// What runs in it.
const SCRIPT: &str = include_str!("life.sh");
/// Begins each of its lines.
const MARK: &str = "weir-life ";

const SERVICE: &str = r#"[Unit]
Requires=basic.target
After=basic.target

[Service]
Type=oneshot
TimeoutStartSec=infinity
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -c '/bin/sh /life.sh; echo "END $?"; poweroff -f'
"#;

/// An emulated machine needs a minute for what another does in a second.
const SLOW: &str = "[Manager]\nDefaultTimeoutStartSec=30min\nDefaultTimeoutStopSec=10min\n";

/// Installs, starts, upgrades, removes and purges a package on each release; `only` those of these names.
pub(crate) fn run(
    project: &Project,
    package: &Path,
    upgrade: &Path,
    only: &[String],
) -> Result<Outcome, Error> {
    let kernels = match archive(|| Archive::of_kernels(project))? {
        Ok(archive) => archive,
        Err(skipped) => return Ok(skipped),
    };
    let emulator = Emulator::find(project)?;
    let mut findings = Vec::new();
    for (name, series) in RELEASES {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        let kernel = kernels.fetch(series)?;
        let mut root = read(&base(project, name)?)?;
        let mut more = Cpio::default();
        more.file("/init", INIT.replace("MODULES", &MODULES.join(" ")).as_bytes());
        Programs::of_tests()?.put(&mut more, str::to_owned);
        put_modules(&mut more, &kernel)?;
        more.text("/root/weir.deb", &read(package)?);
        more.text("/root/upgrade.deb", &read(upgrade)?);
        more.text("/root/life.sh", SCRIPT.as_bytes());
        let units = "/root/etc/systemd/system";
        more.text(&format!("{units}/weir-test.target"), TARGET.as_bytes());
        more.text(&format!("{units}/weir-test.service"), SERVICE.replace("END", END).as_bytes());
        more.text("/root/etc/systemd/system.conf.d/slow.conf", SLOW.as_bytes());
        more.text("/root/etc/machine-id", b"00000000000000000000000000000001\n");
        root.extend(more.finish());
        let log = format!("{}-life", kernel.release);
        // What is tested says so itself.
        emulator.boot(&kernel, &root, &log, project)?;
        let console = read(&store(project).join(format!("{log}.log")))?;
        let console = String::from_utf8_lossy(&console).into_owned();
        for line in console.lines().filter(|line| line.contains("weir-life")) {
            println!("{name}, {}: {}", kernel.release, line.trim());
        }
        findings.extend(problems(&console).into_iter().map(|problem| format!("{name}: {problem}")));
    }
    let hint = "consoles are in target/kernels/*-life.log";
    if findings.is_empty() { Ok(Outcome::Passed) } else { Err(Error::Check { findings, hint }) }
}

/// What failed by a console, or was not come to.
fn problems(console: &str) -> Vec<String> {
    let ended = console.lines().any(|line| line.contains(END));
    let lines = console.lines().filter_map(|line| line.trim().strip_prefix(MARK));
    let (passed, failed): (Vec<_>, Vec<_>) =
        lines.filter_map(|line| line.rsplit_once(' ')).partition(|(_, outcome)| *outcome == "ok");
    let wanted = SCRIPT.lines().filter(|line| line.starts_with("check ")).count();
    let mut problems: Vec<String> = failed.into_iter().map(|(name, _)| name.to_owned()).collect();
    if !ended || passed.len() + problems.len() != wanted {
        problems.push(format!("{} of {wanted} checks came to their end", passed.len() + problems.len()));
    }
    problems
}

/// A release as debootstrap lays it out, packed for the kernel; made once.
fn base(project: &Project, release: &str) -> Result<PathBuf, Error> {
    let store = project.target().join("roots");
    fs::create_dir_all(&store).map_err(|source| Error::File {
        operation: "create",
        path: store.clone(),
        source,
    })?;
    let packed = store.join(format!("{release}.cpio"));
    if packed.exists() {
        return Ok(packed);
    }
    let (root, part) = (store.join(release), store.join(format!("{release}.part")));
    if !root.exists() {
        let mirror = archive::mirror().ok_or(Error::Unreachable { why: "apt names no archive of Debian" })?;
        Program::new("rm").arg("-rf").arg(&part).with_root()?.run()?;
        Program::new("debootstrap")
            .args(["--variant=minbase", &format!("--include={PACKAGES}"), release])
            .arg(format!("--keyring={}", super::KEYRING))
            .arg(&part)
            .arg(mirror)
            .with_root()?
            .output()?;
        Program::new("mv").arg(&part).arg(&root).with_root()?.run()?;
    }
    // Without what nobody reads in a test, below `root`, which becomes the root directory.
    let script = "set -eu; cd \"$1\"; rm -f root; ln -s \"$2\" root; \
        find root/ \\( -path root/usr/share/doc -o -path root/usr/share/man -o -path root/usr/share/locale \
        -o -path root/var/cache -o -path root/var/lib/apt -o -path 'root/usr/share/i18n' \\) -prune -o -print0 \
        | cpio --null --create --quiet --format=newc >\"$3\"; rm root";
    let part = packed.with_extension("part");
    Program::new("sh")
        .args(["-c", script, "sh"])
        .args([store.as_os_str(), release.as_ref(), part.as_os_str()])
        .with_root()?
        .output()?;
    archive::rename(&part, &packed)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_failed_or_was_not_come_to_is_a_problem() {
        let names: Vec<&str> = SCRIPT
            .lines()
            .filter_map(|line| line.strip_prefix("check ")?.split_whitespace().next())
            .collect();
        assert!(names.len() > 20);
        let console = |last: &str| {
            let lines: Vec<String> = names.iter().map(|name| format!("{MARK}{name} ok\r\n")).collect();
            lines.join("").replace(&format!("{} ok", names[3]), &format!("{} {last}", names[3]))
        };
        assert_eq!(problems(&format!("{}{END} 0\n", console("ok"))), Vec::<String>::new());
        assert_eq!(problems(&format!("{}{END} 0\n", console("FAILED"))), [names[3]]);
        assert_eq!(problems(&console("ok")).len(), 1, "the machine did not come to its end");
        let short = console("ok").replace(&format!("{MARK}{} ok", names[5]), "");
        assert_eq!(problems(&format!("{short}{END} 0\n")).len(), 1);
    }
}
