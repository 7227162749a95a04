//! Debian's and Ubuntu's packages: which ones and why, which are missing, how they come.

use std::cell::Cell;
use std::path::Path;

use crate::error::Error;
use crate::kernels;
use crate::process::{Program, find};
use crate::toolchain::{DEBIAN_CLIPPY, Llvm, OLDEST_COMPILER};
use crate::version::Version;

/// A package and the reason to install it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    proof: Proof,
}

/// How to see that what a package brings is here, wherever it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
    /// A program in PATH.
    Program(&'static str),
    /// A file.
    File(String),
    /// A module of Python.
    Module(&'static str),
}

/// Debian's compiler for the kernel side. Either all of it is there or it is installed whole.
pub(crate) fn compiler() -> Vec<Package> {
    vec![
        file("rustc-web", "a Rust compiler that targets eBPF", "/usr/bin/rustc"),
        file("cargo-web", "the cargo of that compiler", "/usr/bin/cargo"),
        file(
            "rust-web-src",
            "the sources of core, which is built for eBPF",
            "/usr/lib/rustlib/src/rust/library",
        ),
    ]
}

/// What lints the kernel side with Debian's compiler.
pub(crate) fn linter() -> Package {
    file("rust-web-clippy", "lints the kernel side", DEBIAN_CLIPPY)
}

/// What bpf-linker is built with.
pub(crate) fn linker(llvm: &Llvm) -> Vec<Package> {
    vec![
        Package {
            name: llvm.package,
            why: "LLVM, on which bpf-linker is built",
            proof: Proof::File(format!("{}/bin/llvm-config", llvm.prefix)),
        },
        file("libzstd-dev", "bpf-linker: LLVM needs it", "/usr/include/zstd.h"),
        file("zlib1g-dev", "bpf-linker: LLVM needs it", "/usr/include/zlib.h"),
        program("gcc", "links Rust programs", "cc"),
        file("libc6-dev", "links Rust programs", "/usr/include/stdio.h"),
    ]
}

/// What the demo runs, and tests too.
pub(crate) fn demo() -> Vec<Package> {
    vec![
        program("prometheus", "a real scrape, and promtool; its service is not started", "prometheus"),
        program("iproute2", "network namespaces and interfaces", "ip"),
        program("systemd", "judges the unit, and hands over sockets as it does", "systemd-analyze"),
        program("ethtool", "switches offloads of test interfaces", "ethtool"),
        program("iputils-ping", "sends ICMP and ICMPv6 in tests", "ping"),
        program("nftables", "drops and translates test traffic", "nft"),
        program("openssl", "a TLS server", "openssl"),
        program("python3", "small servers for test traffic", "python3"),
        Package {
            name: "python3-venv",
            why: "a place for what tests need of PyPI",
            proof: Proof::Module("ensurepip"),
        },
    ]
}

/// What the tests use.
pub(crate) fn tests() -> Vec<Package> {
    let mut all = demo();
    all.extend([
        program("tcpdump", "captures what the agent should count", "tcpdump"),
        program("tshark", "reads captures: the oracle of the tests", "tshark"),
        program("iperf3", "TCP and UDP traffic", "iperf3"),
        program("nmap", "nping sends packets of every kind", "nping"),
        program("curl", "HTTP traffic, and reads the metrics", "curl"),
        program("jq", "picks from records, as the pages by task do", "jq"),
        program("busybox-static", "the programs of those machines", "busybox"),
        file("debian-archive-keyring", "proves that their kernels are Debian's", kernels::KEYRING),
        program("dnsmasq-base", "a DNS server", "dnsmasq"),
        program("bind9-dnsutils", "a DNS client", "dig"),
        program("unbound", "a DNS server over UDP, TCP and TLS; its service is not started", "unbound"),
        program("knot-dnsutils", "a DNS client that speaks TLS", "kdig"),
        program("nginx-light", "a web server with HTTP/2; its service is not started", "nginx"),
        program("chromium", "opens the page of a report, and speaks TLS and QUIC as browsers do", "chromium"),
        program("chromium-driver", "tells that browser what to do", "chromedriver"),
        program("tmux", "a terminal that tests can look at", "tmux"),
        program("nfdump", "collects IPFIX and NetFlow", "nfcapd"),
        program("nats-server", "takes records; its service is not started", "nats-server"),
        program("maven", "brings Kafka's own broker", "mvn"),
        program("default-jre-headless", "runs it", "java"),
        program("kcat", "reads what Kafka has", "kcat"),
        program("nodejs", "bundles the live page, and checks boards", "node"),
        program("npm", "brings what both need", "npm"),
    ]);
    all
}

/// What reading captures is compared with, beside what the tests use.
pub(crate) fn compared() -> Vec<Package> {
    vec![program("softflowd", "reads captures in measurements; its service is not started", "softflowd")]
}

/// What packages and images are made with.
pub(crate) fn dist() -> Vec<Package> {
    vec![
        program("rpm", "makes packages for systems that have RPM", "rpmbuild"),
        program("xz-utils", "packs packages", "xz"),
        program("binutils", "splits symbols off programs", "objcopy"),
        file("ca-certificates", "certificates of the image", "/etc/ssl/certs/ca-certificates.crt"),
    ]
}

/// What a release is made with besides.
pub(crate) fn release() -> Vec<Package> {
    vec![program("llvm", "takes the debug information out of the kernel side", "llvm-objcopy")]
}

/// What packages, images and the chart are tested with.
pub(crate) fn dist_tests() -> Vec<Package> {
    vec![
        program("debootstrap", "fresh systems to install on", "debootstrap"),
        program("cpio", "packs those systems for the kernel", "cpio"),
        program("podman", "runs the image", "podman"),
        program("runc", "runs it by specifications", "runc"),
    ]
}

/// What builds the program for 64-bit ARM.
pub(crate) fn cross() -> Vec<Package> {
    vec![
        program("gcc-aarch64-linux-gnu", "links Rust programs for 64-bit ARM", "aarch64-linux-gnu-gcc"),
        file("libc6-dev-arm64-cross", "its C library", "/usr/aarch64-linux-gnu/lib/libc.a"),
    ]
}

/// Packages whose services apt would start, and these services.
const SERVICES: [(&str, &str); 6] = [
    ("prometheus", "prometheus"),
    ("nginx-light", "nginx"),
    ("unbound", "unbound"),
    ("nfdump", "nfdump"),
    ("nats-server", "nats-server"),
    ("softflowd", "softflowd"),
];

fn file(name: &'static str, why: &'static str, path: &str) -> Package {
    Package { name, why, proof: Proof::File(path.to_owned()) }
}

fn program(name: &'static str, why: &'static str, program: &'static str) -> Package {
    Package { name, why, proof: Proof::Program(program) }
}

/// The packages whose proof is not here.
pub(crate) fn missing(packages: Vec<Package>) -> Vec<Package> {
    missing_by(packages, |proof| match proof {
        Proof::Program(name) => find(name).is_some(),
        Proof::File(path) => Path::new(path).exists(),
        Proof::Module(name) => {
            Program::new("python3").args(["-c", &format!("import {name}")]).probe().is_some()
        }
    })
}

fn missing_by(packages: Vec<Package>, here: impl Fn(&Proof) -> bool) -> Vec<Package> {
    packages.into_iter().filter(|package| !here(&package.proof)).collect()
}

/// Installs packages without starting these services.
///
/// A package with a service starts it when it is installed. `policy-rc.d` is Debian's way to say no;
/// this one says no to those services alone, so that it does no harm if it should be left behind.
const INSTALL_WITHOUT_SERVICES: &str = r#"
set -eu
services=$1
shift
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  {
    echo '#!/bin/sh'
    echo '# Written by Weir'"'"'s `cargo xtask setup` while it installs packages for its tests. May be removed.'
    for service in $services; do echo 'case " $* " in *" '"$service"'"*) exit 101 ;; esac'; done
  } >"$policy"
  chmod 755 "$policy"
fi
apt-get "$@"
if [ -d /run/systemd/system ]; then
  for service in $services; do systemctl --quiet disable --now "$service.service"; done
fi
"#;

/// apt, with what it has been asked in this run.
#[derive(Debug, Default)]
pub(crate) struct Apt {
    updated: Cell<bool>,
}

impl Apt {
    /// apt, where it is there.
    pub(crate) fn find() -> Option<Self> {
        (find("apt-get").is_some() && find("apt-cache").is_some()).then(Self::default)
    }

    /// Whether Debian's compiler can be installed and is new enough.
    pub(crate) fn has_compiler(&self) -> Result<bool, Error> {
        let new_enough = || {
            let version = candidate(&policy("rustc-web")).and_then(Version::parse);
            version.is_some_and(|version| version >= OLDEST_COMPILER)
        };
        // Old lists may know an old release only.
        if !new_enough() {
            self.update()?;
        }
        Ok(new_enough())
    }

    /// Whether a package can be installed.
    pub(crate) fn has(&self, name: &str) -> Result<bool, Error> {
        if !Self::knows(name) {
            self.update()?;
        }
        Ok(Self::knows(name))
    }

    /// Says what it installs and why, then does.
    pub(crate) fn install(&self, packages: &[Package]) -> Result<(), Error> {
        if packages.is_empty() {
            return Ok(());
        }
        announce(packages);
        let unknown = || -> Vec<&'static str> {
            packages.iter().map(|package| package.name).filter(|name| !Self::knows(name)).collect()
        };
        if !unknown().is_empty() {
            self.update()?;
            let packages = unknown();
            if !packages.is_empty() {
                return Err(Error::UnknownPackages { packages });
            }
        }
        match install_command(packages).with_root()?.run() {
            // Old lists name releases that the archive has dropped.
            Err(Error::Failed { .. }) if !self.updated.get() => {
                self.update()?;
                install_command(packages).with_root()?.run()
            }
            result => result,
        }
    }

    fn update(&self) -> Result<(), Error> {
        if self.updated.replace(true) {
            return Ok(());
        }
        Program::new("apt-get").args(["-qq", "update"]).with_root()?.run()
    }

    fn knows(name: &str) -> bool {
        candidate(&policy(name)).is_some()
    }
}

/// Names packages and reasons on standard error.
fn announce(packages: &[Package]) {
    eprintln!("xtask installs with apt:");
    for package in packages {
        eprintln!("  {:<14} {}", package.name, package.why);
    }
}

/// The services that come with these packages.
fn services(packages: &[Package]) -> Vec<&'static str> {
    let of = |package: &Package| SERVICES.into_iter().find(|(name, _)| *name == package.name);
    packages.iter().filter_map(of).map(|(_, service)| service).collect()
}

fn install_command(packages: &[Package]) -> Program {
    let services = services(packages);
    let program = if services.is_empty() {
        Program::new("apt-get")
    } else {
        Program::new("sh").args(["-c", INSTALL_WITHOUT_SERVICES, "sh", &services.join(" ")]).shown_as_line(
            format!(
                "apt-get {} {} # services stay off: {}",
                INSTALL.join(" "),
                names(packages).join(" "),
                services.join(" ")
            ),
        )
    };
    // No questions: tshark would ask who may capture.
    program.args(INSTALL).args(names(packages)).env("DEBIAN_FRONTEND", "noninteractive")
}

/// Never removes a package that the user has: rustc-web conflicts with rustc. Without a pseudo
/// terminal dpkg writes lines and no progress bars.
const INSTALL: [&str; 7] =
    ["install", "-qq", "-o", "Dpkg::Use-Pty=0", "-y", "--no-install-recommends", "--no-remove"];

pub(crate) fn names(packages: &[Package]) -> Vec<&'static str> {
    packages.iter().map(|package| package.name).collect()
}

fn policy(name: &str) -> String {
    Program::new("apt-cache").args(["policy", name]).env("LC_ALL", "C").probe().unwrap_or_default()
}

/// The version that apt would install, by the output of `apt-cache policy`.
fn candidate(policy: &str) -> Option<&str> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.split_once(':').map_or(version, |(_epoch, version)| version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn lists_what_is_missing_and_nothing_else() {
        let packages = || {
            vec![
                program("nmap", "", "nping"),
                program("curl", "", "curl"),
                file("zlib1g-dev", "", "/usr/include/zlib.h"),
            ]
        };
        let with_curl = |proof: &Proof| *proof == Proof::Program("curl");
        assert_eq!(names(&missing_by(packages(), with_curl)), ["nmap", "zlib1g-dev"]);
        assert!(missing_by(packages(), |_| true).is_empty());
    }

    #[test]
    fn every_package_stands_once_and_says_why() {
        let llvm = crate::toolchain::linker_llvms(0).next().unwrap();
        let all: Vec<Package> =
            [compiler(), vec![linter()], linker(llvm), tests(), dist(), release(), dist_tests(), cross()]
                .concat();
        let names: HashSet<_> = names(&all).into_iter().collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|package| !package.why.is_empty()));
    }

    #[test]
    fn reads_the_candidate_of_apt() {
        let known =
            "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate(known), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate("llvm-22-dev:\n  Candidate: 1:22.1.8-1\n"), Some("22.1.8-1"));
        assert_eq!(candidate("virtual:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
        assert_eq!(Version::parse("1.96.0+dfsg1-1~deb12u2"), Some(Version::new(1, 96, 0)));
    }

    #[test]
    fn installs_without_questions_and_without_removing_anything() {
        for packages in [vec![program("curl", "", "curl")], vec![program("nginx-light", "", "nginx")]] {
            let words = install_command(&packages).words();
            for needed in ["-y", "--no-remove", packages[0].name] {
                assert!(words.iter().any(|word| word == needed), "{words:?}");
            }
        }
    }

    #[test]
    fn services_that_come_with_packages_are_named_and_no_others() {
        assert_eq!(
            services(&[tests(), compared()].concat()).len(),
            SERVICES.len(),
            "a service of a package that is not installed"
        );
        assert!(services(&[program("curl", "", "curl")]).is_empty());
        let words = install_command(&[program("nginx-light", "", "nginx")]).words();
        assert!(words.iter().any(|word| word == "nginx"), "{words:?}");
        assert!(!words.iter().any(|word| word.contains("prometheus")), "{words:?}");
    }
}
