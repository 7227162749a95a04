//! `cargo xtask test-systemd`: the units of packaging/ under the systemd of Debian's releases, in virtual machines with
//! their kernels: what they promise holds, and what they grant suffices.

use std::fs;
use std::path::Path;

use super::archive::{Archive, Kernel, MODULES, Series, files, store};
use super::cpio::Archive as Cpio;
use super::emulator::Emulator;
use super::guest::{Built, END, put_modules};
use super::programs::{Programs, read};
use super::report::{self, Run, UNIT};
use super::{Outcome, archive, build_tests, twice};
use crate::build;
use crate::error::Error;
use crate::project::Project;
use crate::setup::{self, Scope};

/// Releases of Debian, each with its own kernel and systemd (247, 252, 257): where maps count as locked memory and
/// filters hang at clsact; the same without that; TCX.
const RELEASES: [Release; 3] = [
    Release { number: 11, name: "bullseye", kernel: Series::V5_10 },
    Release { number: 12, name: "bookworm", kernel: Series::V6_1 },
    Release { number: 13, name: "trixie", kernel: Series::V6_12 },
];

/// A release of Debian.
struct Release {
    number: u32,
    name: &'static str,
    kernel: Series,
}

/// Debian's package.
const PACKAGE: &str = "systemd";

/// Where the root directory lies before it is one.
const ROOT: &str = "/root";

/// The first process. The kernel's first root cannot be exchanged, and services have roots of their own: so
/// another one is put over it.
pub(super) const INIT: &str = r"#!/bin/sh
export PATH=/bin
for module in MODULES; do
  if [ -e /modules/$module.ko ]; then insmod /modules/$module.ko; fi
done
mount --bind /root /root
cd /root
mount --move . /
exec busybox chroot . /lib/systemd/systemd --unit=weir-test.target --show-status=false
";

pub(super) const TARGET: &str = "\
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
    match test(project, &object)? {
        Outcome::Passed => {}
        Outcome::Skipped(why) => println!("SKIPPED test-systemd: {why}"),
    }
    Ok(())
}

fn test(project: &Project, object: &Path) -> Result<Outcome, Error> {
    let kernels = match archive(|| Archive::of_kernels(project))? {
        Ok(archive) => archive,
        Err(skipped) => return Ok(skipped),
    };
    let emulator = Emulator::find(project)?;
    let machine = Machine::new(project, &build_tests(project, object)?)?;
    let (mut runs, mut findings) = (Vec::new(), Vec::new());
    for release in RELEASES {
        let kernel = kernels.fetch(release.kernel)?;
        let packages = match archive(|| Archive::of_release(project, release.name))? {
            Ok(archive) => archive,
            Err(skipped) => return Ok(skipped),
        };
        let unpacked = store(project).join(format!("systemd-{}", release.name));
        packages.unpack(PACKAGE, &unpacked)?;
        let root = machine.root(&kernel, &release, &unpacked)?;
        let name = format!("{}-systemd", kernel.release);
        let problems = |run: &Run| run.problems(&UNIT, false);
        let run = twice(&kernel, problems, || emulator.boot(&kernel, &root, &name, project))?;
        findings.extend(problems(&run).into_iter().map(|problem| format!("{}: {problem}", kernel.release)));
        runs.push((format!("{}, {}", release.name, kernel.release), run));
    }
    println!("{}", report::table(&UNIT, &runs, false));
    let hint = "consoles are in target/kernels/*-systemd.log";
    if findings.is_empty() { Ok(Outcome::Passed) } else { Err(Error::Check { findings, hint }) }
}

/// The parts that all machines share.
struct Machine {
    programs: Programs,
    units: Vec<(String, Vec<u8>)>,
}

impl Machine {
    fn new(project: &Project, built: &Built) -> Result<Self, Error> {
        let mut programs = Programs::of_tests()?;
        programs.add_here("chown")?;
        programs.add_stripped(&built.agent, "/agent-tests")?;
        programs.add_stripped(&built.weir, "/bin/weir")?;
        let mut units = Vec::new();
        for unit in UNITS {
            let text = read(&project.root().join("packaging").join(unit))?;
            units.push((format!("/etc/systemd/system/{unit}"), text));
        }
        Ok(Self { programs, units })
    }

    /// The root directory of a machine, with a release's packages.
    fn root(&self, kernel: &Kernel, release: &Release, packages: &Path) -> Result<Vec<u8>, Error> {
        let mut root = Cpio::default();
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
        // What is built here needs libraries that are as new; what is in packages, those that are as new as it is.
        if release.number < here() {
            self.programs.put_libraries(&mut root, place)?;
        }
        put_packages(&mut root, packages)?;
        self.programs.put(&mut root, place);
        Ok(root.finish())
    }
}

fn put_packages(root: &mut Cpio, packages: &Path) -> Result<(), Error> {
    for path in files(packages)? {
        let Some(name) = path.strip_prefix(packages).ok().and_then(Path::to_str) else { continue };
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

/// This machine's release: a number, or newer than all that have one.
fn here() -> u32 {
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let number = system.lines().find_map(|line| line.strip_prefix("VERSION_ID="));
    number.and_then(|number| number.trim_matches('"').parse().ok()).unwrap_or(u32::MAX)
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
