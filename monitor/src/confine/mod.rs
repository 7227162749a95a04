//! What a running instance gives up once it has begun: root's number, capabilities, system calls, files.
//!
//! Linux keeps all four per thread, and a thread hands them to those that it starts. So each thread gives up
//! what it does not need before it begins its work: the counter keeps its hooks and maps, all others keep
//! nothing. Best effort by kernel: what one does not have is reported, and counting goes on.

mod capabilities;
mod files;
mod reader;
mod syscalls;
mod user;

use std::path::{Path, PathBuf};

use rustix::thread::CapabilitySet;

pub use capabilities::raise;
pub use files::Landlock;
pub use reader::Reader;
pub use user::{Identity, User, UserError};

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits for signals.
    Main,
    /// Reads configuration and web config again, and removes sockets of this process.
    Files,
    /// Reads and empties the maps, understands samples, hangs programs on interfaces that come.
    Counter,
    /// Serves HTTP.
    Server,
    /// Writes records and packets.
    Outputs,
    /// Connects to the places of outputs, and hands the sockets on to threads that cannot. It parses nothing of what
    /// comes back but answers of name servers, and of files it has those that say who they are.
    Connector,
    /// Shows on the terminal what this process counts, and reads keys.
    Screen,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Main, Self::Files, Self::Counter, Self::Server, Self::Outputs, Self::Connector, Self::Screen];

    /// The label of its metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Files => "files",
            Self::Counter => "counter",
            Self::Server => "server",
            Self::Outputs => "outputs",
            Self::Connector => "connector",
            Self::Screen => "screen",
        }
    }
}

/// What threads keep.
#[derive(Clone, Debug, Default)]
pub struct Confinement {
    /// Nothing is given up: for debugging.
    pub off: bool,
    /// Whom threads become.
    pub identity: Identity,
    /// Packet sockets are opened for interfaces that come.
    pub packets: bool,
    /// Files that are read again when somebody asks for it.
    pub configuration: Vec<PathBuf>,
    /// Files of the web config, which are read again when they change.
    pub web: Vec<PathBuf>,
    /// Directories that are written to.
    pub outputs: Vec<PathBuf>,
    /// TCP ports that outputs connect to.
    pub ports: Vec<u16>,
    /// Directory of pins: those of interfaces come and go.
    pub pins: Option<PathBuf>,
    /// Directory of the control groups, where it is not below /sys.
    pub groups: Option<PathBuf>,
    /// Directories of which the counter reads the names of files, to any depth.
    pub named: Vec<PathBuf>,
    /// Unix sockets that this process listens at, and removes at its end.
    pub sockets: Vec<PathBuf>,
}

/// What a thread has given up.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub role: Role,
    /// Names of the capabilities that it kept.
    pub kept: Vec<&'static str>,
    /// Why it is not the user that it was to become.
    pub user: Result<(), String>,
    /// Whether it is still root.
    pub root: bool,
    /// Why it could not give up the others.
    pub capabilities: Result<(), String>,
    /// Why system calls are not filtered.
    pub syscalls: Result<(), String>,
    /// How files are kept from it.
    pub files: Result<Landlock, String>,
}

impl Report {
    /// By what rights are given up.
    pub const MEANS: [&'static str; 4] = ["user", "capabilities", "seccomp", "landlock"];

    /// What holds, by name.
    pub fn holds(&self) -> [(&'static str, bool); 4] {
        let files = matches!(self.files, Ok(Landlock::Whole | Landlock::Part(_)));
        let values = [!self.root, self.capabilities.is_ok(), self.syscalls.is_ok(), files];
        std::array::from_fn(|at| (Self::MEANS[at], values[at]))
    }

    /// What does not hold and why, in a line; empty: all holds.
    pub fn missing(&self) -> String {
        let part = |name: &str, failed: Option<&str>| failed.map(|why| format!("{name}: {why}"));
        let files = match &self.files {
            Ok(landlock) => landlock.lack(),
            Err(error) => Some(error.as_str()),
        };
        [
            part("user", self.user.as_ref().err().map(String::as_str)),
            part("capabilities", self.capabilities.as_ref().err().map(String::as_str)),
            part("seccomp", self.syscalls.as_ref().err().map(String::as_str)),
            part("landlock", files),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
    }
}

impl Confinement {
    /// Gives up what a thread of this role does not need: for the calling thread and all that it starts from now
    /// on, for good. `None`: confinement is off.
    pub fn enter(&self, role: Role) -> Option<Report> {
        if self.off {
            return None;
        }
        let keep = match role {
            Role::Counter if self.packets => capabilities::COUNTER | capabilities::PACKETS,
            Role::Counter => capabilities::COUNTER,
            Role::Main | Role::Files | Role::Server | Role::Outputs | Role::Connector | Role::Screen => {
                CapabilitySet::empty()
            }
        };
        // Of root's files those that are written to or read again are opened by root's number and no capability.
        let files_of_root = match role {
            Role::Files | Role::Outputs => true,
            Role::Counter => self.pins.is_some(),
            Role::Main | Role::Server | Role::Connector | Role::Screen => false,
        };
        // Files first: what is opened for it may be root's. The filter of system calls last: it makes some of its own.
        let files = files::restrict(role, self).map_err(|e| e.to_string());
        let user = match self.identity {
            Identity::Becomes(user) => user.become_it(files_of_root).map_err(|e| e.to_string()),
            Identity::Kept | Identity::Root(_) => Ok(()),
        };
        let capabilities = capabilities::keep(keep).map_err(|e| e.to_string());
        let syscalls = syscalls::filter(role, self).map_err(|e| e.to_string());
        let kept = capabilities::names(capabilities::held());
        Some(Report { role, kept, user, root: user::is_root(), capabilities, syscalls, files })
    }

    /// Does something on a thread of a role: what it starts belongs to that role.
    ///
    /// # Errors
    /// When there is no such thread.
    pub fn within<T: Send>(
        &self,
        role: Role,
        work: impl FnOnce() -> T + Send,
    ) -> std::io::Result<(T, Option<Report>)> {
        std::thread::scope(|scope| {
            let thread =
                std::thread::Builder::new().name(role.as_str().to_owned()).spawn_scoped(scope, || {
                    let report = self.enter(role);
                    (work(), report)
                })?;
            thread.join().map_err(|_| std::io::Error::other("its thread ended early"))
        })
    }
}

/// Filters system calls as [`Confinement::enter`] does, and leaves the rest, for tests that ask who refuses.
#[doc(hidden)]
pub fn filter_alone(role: Role, plan: &Confinement) -> Result<(), String> {
    syscalls::filter(role, plan).map_err(|e| e.to_string())
}

/// Names of the capabilities that this thread holds.
pub fn held() -> Vec<&'static str> {
    capabilities::names(capabilities::held())
}

/// Whether this thread may look at the descriptors of all processes (`CAP_SYS_PTRACE`).
pub fn may_trace() -> bool {
    capabilities::held().contains(CapabilitySet::SYS_PTRACE)
}

/// The directories of a file: where its name stands, and where links lead. Files that are replaced by others
/// of their name are found again in the directory only.
fn directories(file: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| {
        let parent = path.parent().unwrap_or(Path::new("/"));
        if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() }
    };
    let mut found = vec![parent(file)];
    if let Ok(target) = file.canonicalize() {
        let target = parent(&target);
        if !found.contains(&target) {
            found.push(target);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_in_its_directory_and_in_that_of_its_target() {
        let directory = tempfile::tempdir().unwrap();
        let (live, archive) = (directory.path().join("live"), directory.path().join("archive"));
        std::fs::create_dir(&live).unwrap();
        std::fs::create_dir(&archive).unwrap();
        std::fs::write(archive.join("cert1.pem"), "").unwrap();
        std::os::unix::fs::symlink("../archive/cert1.pem", live.join("cert.pem")).unwrap();
        let expected = [live.clone(), archive.canonicalize().unwrap()];
        assert_eq!(directories(&live.join("cert.pem")), expected);
        assert_eq!(directories(Path::new("web.yml")), [PathBuf::from(".")]);
    }
}
