//! `cargo xtask test-systemd`: the units of packaging/ under a real systemd, in virtual machines with Debian's
//! kernels: what they promise holds, and what they grant suffices.

use std::fs;
use std::path::{Path, PathBuf};

use super::archive::{Kernel, MODULES, Series, files, store};
use super::cpio::Archive;
use super::emulator::Emulator;
use super::guest::{Built, END, put_modules};
use super::programs::{Programs, read};
use super::report::{self, Run, UNIT};
use super::unpack::{Needs, unpack};
use super::{Outcome, archive, build_tests, twice};
use crate::build;
use crate::error::Error;
use crate::project::Project;
use crate::setup::{self, Scope};

/// Where maps count as locked memory and filters hang at clsact; the same without that; TCX.
const KERNELS: [Series; 3] = [Series::V5_10, Series::V6_1, Series::V6_12];

/// Debian's package.
const PACKAGE: &str = "systemd";

/// Where the root directory lies before it is one.
const ROOT: &str = "/root";

/// The first process. The kernel's first root cannot be exchanged, and services have roots of their own: so
/// another one is put over it.
const INIT: &str = r"#!/bin/sh
export PATH=/bin
for module in MODULES; do
  if [ -e /modules/$module.ko ]; then insmod /modules/$module.ko; fi
done
mount --bind /root /root
cd /root
mount --move . /
exec busybox chroot . /lib/systemd/systemd --unit=weir-test.target --show-status=false
";

const TARGET: &str = "\
[Unit]
Requires=basic.target weir-test.service
AllowIsolate=yes
";

const SERVICE: &str = r#"[Unit]
Requires=basic.target
After=basic.target

[Service]
Type=oneshot
TimeoutStartSec=infinity
Environment=PATH=/usr/bin:/usr/sbin WEIR_TEST_DEADLINE=300
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -c '/agent-tests --test-threads 1 --show-output --ignored guest::unit; echo "END $?"; poweroff -f'
"#;

/// What a machine has beside its packages.
const SETTINGS: [(&str, &str); 7] = [
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/nsswitch.conf", "passwd: files systemd\ngroup: files systemd\n"),
    ("/etc/hostname", "weir\n"),
    // Without one systemd takes this for the first boot ever.
    ("/etc/machine-id", "00000000000000000000000000000001\n"),
    ("/etc/systemd/system/weir-test.target", TARGET),
    // An emulated machine needs a minute for what another does in a second.
    (
        "/etc/systemd/system.conf.d/slow.conf",
        "[Manager]\nDefaultTimeoutStartSec=30min\nDefaultTimeoutStopSec=10min\n",
    ),
];

/// Units as they are installed.
const UNITS: [&str; 2] = ["weir.service", "weir.socket"];

/// Sets up, boots and tests.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    setup::run(project, Scope::Everything)?;
    let object = build::object(project)?;
    let archive = match archive(project)? {
        Ok(archive) => archive,
        Err(Outcome::Skipped(why)) => {
            println!("SKIPPED test-systemd: {why}");
            return Ok(());
        }
        Err(Outcome::Passed) => return Ok(()),
    };
    let emulator = Emulator::find(project)?;
    let machine = Machine::new(project, &build_tests(project, &object)?)?;
    let (mut runs, mut findings) = (Vec::new(), Vec::new());
    for series in KERNELS {
        let kernel = archive.fetch(series)?;
        let root = machine.root(&kernel)?;
        let name = format!("{}-systemd", kernel.release);
        let problems = |run: &Run| run.problems(&UNIT, false);
        let run = twice(&kernel, problems, || emulator.boot(&kernel, &root, &name, project))?;
        findings.extend(problems(&run).into_iter().map(|problem| format!("{}: {problem}", kernel.release)));
        runs.push((kernel.release, run));
    }
    println!("{}", report::table(&UNIT, &runs, false));
    let hint = "consoles are in target/kernels/*-systemd.log";
    if findings.is_empty() { Ok(()) } else { Err(Error::Check { findings, hint }) }
}

/// The parts that all kernels share.
struct Machine {
    /// Where systemd and all that it needs are unpacked.
    packages: PathBuf,
    programs: Programs,
    units: Vec<(String, Vec<u8>)>,
}

impl Machine {
    fn new(project: &Project, built: &Built) -> Result<Self, Error> {
        // Of this machine's release: what is built here runs beside it.
        let packages = store(project).join(format!("systemd-{}", codename()));
        unpack(&packages, PACKAGE, Needs::All)?;
        let mut programs = Programs::of_tests()?;
        programs.add_here("chown")?;
        programs.add_stripped(&built.agent, "/agent-tests")?;
        programs.add_stripped(&built.weir, "/bin/weir")?;
        let mut units = Vec::new();
        for unit in UNITS {
            let text = read(&project.root().join("packaging").join(unit))?;
            units.push((format!("/etc/systemd/system/{unit}"), text));
        }
        Ok(Self { packages, programs, units })
    }

    fn root(&self, kernel: &Kernel) -> Result<Vec<u8>, Error> {
        let mut root = Archive::default();
        // For the first process.
        root.file("/init", INIT.replace("MODULES", &MODULES.join(" ")).as_bytes());
        self.programs.put(&mut root, str::to_owned);
        put_modules(&mut root, kernel)?;
        // For systemd.
        for directory in ["dev", "etc/weir", "proc", "root", "run", "sys", "tmp", "var/lib"] {
            root.directory(&format!("{ROOT}/{directory}"));
        }
        for directory in ["bin", "lib", "lib64", "sbin"] {
            root.link(&format!("{ROOT}/{directory}"), &format!("usr/{directory}"));
        }
        let settings = SETTINGS.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let service =
            ("/etc/systemd/system/weir-test.service".to_owned(), SERVICE.replace("END", END).into());
        for (path, text) in settings.iter().chain([&service]).chain(&self.units) {
            root.text(&place(path), text);
        }
        self.put_packages(&mut root)?;
        self.programs.put(&mut root, place);
        Ok(root.finish())
    }

    fn put_packages(&self, root: &mut Archive) -> Result<(), Error> {
        for path in files(&self.packages)? {
            let Some(name) = path.strip_prefix(&self.packages).ok().and_then(Path::to_str) else { continue };
            // Documentation, translations.
            if name.starts_with("usr/share/") {
                continue;
            }
            let to = place(&format!("/{name}"));
            let failed = |source| Error::File { operation: "read", path: path.clone(), source };
            let kind = fs::symlink_metadata(&path).map_err(failed)?.file_type();
            if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(failed)?;
                root.link(&to, &target.to_string_lossy());
            } else if is_program(name) {
                root.file(&to, &read(&path)?);
            } else {
                root.text(&to, &read(&path)?);
            }
        }
        Ok(())
    }
}

/// Whether a file of a package is run rather than read.
fn is_program(name: &str) -> bool {
    let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
    ["bin", "sbin"].iter().any(|end| directory.ends_with(end))
        || directory.ends_with("lib/systemd")
        || directory.ends_with("system-generators")
        || name.contains(".so")
}

/// Where a file of a package goes: all of /bin, /lib and so on are in /usr.
fn place(path: &str) -> String {
    let moved = ["/bin/", "/lib/", "/lib64/", "/sbin/"].iter().any(|top| path.starts_with(top));
    format!("{ROOT}{}{path}", if moved { "/usr" } else { "" })
}

/// The name of this machine's release.
fn codename() -> String {
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = system.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_usr_whatever_a_package_says() {
        assert_eq!(place("/lib/systemd/systemd"), "/root/usr/lib/systemd/systemd");
        assert_eq!(place("/usr/bin/systemctl"), "/root/usr/bin/systemctl");
        assert_eq!(place("/etc/passwd"), "/root/etc/passwd");
    }

    #[test]
    fn programs_and_libraries_are_run_and_units_are_read() {
        for name in ["bin/systemctl", "usr/sbin/agetty", "lib/systemd/systemd-journald", "lib/x/libc.so.6"] {
            assert!(is_program(name), "{name}");
        }
        for name in ["lib/systemd/system/basic.target", "etc/systemd/system.conf"] {
            assert!(!is_program(name), "{name}");
        }
    }
}
