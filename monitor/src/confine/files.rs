//! Files that a thread may reach: Landlock (Linux 5.13, `landlock(7)`), as far as this kernel has it.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::{Confinement, Role, directories};

/// What is asked for at most: files (5.13), names (5.19), lengths (6.2), TCP (6.7), devices (6.10), signals and
/// abstract sockets (6.12).
const NEWEST: ABI = ABI::V6;

/// How files are kept from a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// All that was asked for holds.
    Whole,
    /// This kernel knows a part of it: that of this version.
    Part(ABI),
    /// This kernel has none, or it was not switched on when it started.
    None,
}

impl Landlock {
    /// What is amiss.
    pub const fn lack(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Part(ABI::V1 | ABI::V2 | ABI::V3) => Some(
                "files alone: this kernel has no rules for TCP (6.7), signals and abstract sockets (6.12)",
            ),
            Self::Part(ABI::V4 | ABI::V5) => {
                Some("files and TCP alone: this kernel has no rules for signals and abstract sockets (6.12)")
            }
            Self::Part(_) => Some("this kernel knows a part of it"),
            Self::None => Some("this kernel has none (5.13, CONFIG_SECURITY_LANDLOCK, lsm=landlock)"),
        }
    }
}

/// What is read.
fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// What a file takes that is written, rotated and removed.
fn writing() -> BitFlags<AccessFs> {
    reading() | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile
}

/// Keeps this thread, and those that it starts, to the files of its role.
pub(super) fn restrict(role: Role, plan: &Confinement) -> Result<Landlock, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        // Sockets that listen are there already, and nobody connects but to the ports of outputs.
        .handle_access(AccessNet::from_all(NEWEST))?
        // Nor a signal to another process, nor a way to an abstract socket: systemd's is connected already.
        .scope(Scope::from_all(NEWEST))?;
    let mut created = ruleset.create()?;
    for (path, access) in rules(role, plan) {
        // What is not there cannot be read either.
        if let Ok(descriptor) = PathFd::new(path) {
            created = created.add_rule(PathBeneath::new(descriptor, access))?;
        }
    }
    if role == Role::Connector {
        // And to name servers, whose answers may be long (RFC 7766).
        for port in plan.ports.iter().chain(&[53]) {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    let status = created.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Whole,
        RulesetStatus::PartiallyEnforced => Landlock::Part(status.landlock.into()),
        RulesetStatus::NotEnforced => Landlock::None,
    })
}

/// Directories, with what may be done below them.
fn rules(role: Role, plan: &Confinement) -> Vec<(PathBuf, BitFlags<AccessFs>)> {
    let below = |path: &str| (Path::new(path).to_owned(), reading());
    let around = |files: &[PathBuf]| -> Vec<_> {
        files.iter().flat_map(|file| directories(file)).map(|path| (path, reading())).collect()
    };
    let mut rules = match role {
        Role::Files => {
            let socket = |path: &PathBuf| Some((path.parent()?.to_owned(), AccessFs::RemoveFile.into()));
            let sockets = plan.sockets.iter().filter_map(socket).collect();
            [around(&plan.configuration), around(&plan.web), sockets].concat()
        }
        // What the process takes stands in /proc.
        Role::Main | Role::Server => Vec::new(),
        // Names of hosts: hosts(5), resolv.conf(5), nsswitch.conf(5), and what systemd-resolved puts in their place. Of
        // them what everybody may read: this thread has root's number for no file.
        Role::Connector => vec![below("/etc"), below("/run/systemd/resolve"), below("/run/resolvconf")],
        // Processors in /sys, listening sockets in /proc.
        Role::Counter => {
            let pins = plan.pins.iter().map(|path| (path.clone(), writing()));
            let groups = plan.groups.iter().map(|path| (path.clone(), reading()));
            // Of pods the names of their logs, and none of the logs.
            let named = plan.named.iter().map(|path| (path.clone(), AccessFs::ReadDir.into()));
            pins.chain(groups).chain(named).chain([below("/sys")]).collect()
        }
        Role::Outputs => plan.outputs.iter().map(|path| (path.clone(), writing())).collect(),
        // Where keys come from when standard input is something else.
        Role::Screen => {
            let terminal = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
            vec![(Path::new("/dev/tty").to_owned(), terminal)]
        }
    };
    rules.push(below("/proc"));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Whether this kernel has Landlock: tests of what it does say so if not.
    fn confined<T: Send>(role: Role, plan: &Confinement, work: impl FnOnce() -> T + Send) -> Option<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| match restrict(role, plan).unwrap() {
                Landlock::None => {
                    testing::skip::skip("Landlock", "this kernel has none");
                    None
                }
                Landlock::Whole | Landlock::Part(_) => Some(work()),
            });
            thread.join().unwrap()
        })
    }

    #[test]
    fn what_a_kernel_lacks_is_said_with_the_version_that_has_it() {
        let lack = |landlock: Landlock| landlock.lack().unwrap_or("nothing");
        assert_eq!(lack(Landlock::Whole), "nothing");
        assert!(lack(Landlock::None).contains("5.13"));
        for abi in [ABI::V1, ABI::V2, ABI::V3] {
            let said = lack(Landlock::Part(abi));
            assert!(said.contains("files alone") && said.contains("6.7") && said.contains("6.12"), "{said}");
        }
        for abi in [ABI::V4, ABI::V5] {
            let said = lack(Landlock::Part(abi));
            assert!(said.contains("TCP alone") && said.contains("6.12") && !said.contains("6.7"), "{said}");
        }
    }

    #[test]
    fn the_reader_reads_the_web_config_again_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let (web, other) = (directory.path().join("web"), directory.path().join("other"));
        for path in [&web, &other] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("file"), "old").unwrap();
        }
        let plan = Confinement { web: vec![web.join("file")], ..Confinement::default() };
        // As editors do it: another file takes the name.
        let replace = || {
            fs::write(web.join("new"), "new").unwrap();
            fs::rename(web.join("new"), web.join("file")).unwrap();
        };
        let seen = confined(Role::Files, &plan, || {
            let denied = [
                fs::read(other.join("file")).map(drop),
                fs::read("/etc/passwd").map(drop),
                fs::write(web.join("file"), "x"),
                fs::write(other.join("made"), "x"),
                fs::remove_file(web.join("file")),
                fs::read_dir("/").map(drop),
            ];
            let denied = denied.map(|done| done.map_err(|e| e.kind()));
            (denied, fs::read_to_string(web.join("file")), fs::read("/proc/self/stat").is_ok())
        });
        let Some((denied, read, proc)) = seen else { return };
        assert!(denied.iter().all(|d| *d == Err(std::io::ErrorKind::PermissionDenied)), "{denied:?}");
        assert_eq!((read.unwrap().as_str(), proc), ("old", true));
        replace();
        let again = confined(Role::Files, &plan, || fs::read_to_string(web.join("file")).unwrap());
        assert_eq!(again.as_deref(), Some("new"));
    }

    #[test]
    fn outputs_write_rotate_and_remove_in_their_directory_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (mine, other) = (directory.path().join("mine"), directory.path().join("other"));
        fs::create_dir(&mine).unwrap();
        fs::create_dir(&other).unwrap();
        let plan = Confinement { outputs: vec![mine.clone()], ..Confinement::default() };
        let done = confined(Role::Outputs, &plan, || {
            fs::write(mine.join("flow.part"), "x")?;
            fs::rename(mine.join("flow.part"), mine.join("flow.csv"))?;
            fs::OpenOptions::new().write(true).truncate(true).open(mine.join("flow.csv"))?;
            fs::read_dir(&mine)?;
            fs::remove_file(mine.join("flow.csv"))?;
            let denied = fs::write(other.join("flow.csv"), "x").unwrap_err().kind();
            Ok::<_, std::io::Error>(denied)
        });
        let Some(done) = done else { return };
        assert_eq!(done.unwrap(), std::io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn nobody_of_the_server_connects_or_listens_to_tcp() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let done = confined(Role::Server, &Confinement::default(), || {
            (
                std::net::TcpStream::connect(address).is_ok(),
                std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
            )
        });
        // Landlock knows TCP from 6.7 on; the filter of system calls does it on older ones.
        if let Some((connected, bound)) = done {
            assert_eq!(connected, bound);
        }
    }

    #[test]
    fn a_connector_connects_to_the_ports_of_outputs_and_reads_who_hosts_are_alone() {
        let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
        let plan = Confinement { ports: vec![ports[0]], ..Confinement::default() };
        let done = confined(Role::Connector, &plan, || {
            (
                ports.map(|port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()),
                fs::read("/etc/hosts").is_ok(),
                fs::read(std::env::current_exe().unwrap()),
                fs::write("/etc/weir-test", "x"),
            )
        });
        let Some(([allowed, other], hosts, file, write)) = done else { return };
        // Landlock knows TCP from 6.7 on.
        let knows = rustix::system::uname().release().to_str().is_ok_and(|release| {
            let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
            (numbers.next(), numbers.next()) >= (Some(6), Some(7))
        });
        assert_eq!((allowed, other), (true, !knows));
        assert!(hosts && file.is_err() && write.is_err());
    }
}
