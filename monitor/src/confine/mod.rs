//! What a running instance gives up once it has begun: capabilities, system calls, files.
//!
//! Linux keeps all three per thread, and a thread hands them to those that it starts. So each thread gives up
//! what it does not need before it begins its work: the counter keeps its hooks and maps, all others keep
//! nothing. Best effort by kernel: what one does not have is reported, and counting goes on.

mod capabilities;
mod files;
mod syscalls;

use std::path::{Path, PathBuf};

use rustix::thread::CapabilitySet;

pub use files::Landlock;

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits for signals and reads the configuration again.
    Main,
    /// Reads and empties the maps, understands samples, hangs programs on interfaces that come.
    Counter,
    /// Serves HTTP.
    Server,
    /// Writes records and packets.
    Outputs,
    /// Shows on the terminal what this process counts, and reads keys.
    Screen,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Main, Self::Counter, Self::Server, Self::Outputs, Self::Screen];

    /// The label of its metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Counter => "counter",
            Self::Server => "server",
            Self::Outputs => "outputs",
            Self::Screen => "screen",
        }
    }
}

/// What threads keep.
#[derive(Clone, Debug, Default)]
pub struct Confinement {
    /// Nothing is given up: for debugging.
    pub off: bool,
    /// Packet sockets are opened for interfaces that come.
    pub packets: bool,
    /// Files that are read again when somebody asks for it.
    pub configuration: Vec<PathBuf>,
    /// Files of the web config, which are read again when they change.
    pub web: Vec<PathBuf>,
    /// Directories that are written to.
    pub outputs: Vec<PathBuf>,
    /// Directory of pins: those of interfaces come and go.
    pub pins: Option<PathBuf>,
}

/// What a thread has given up.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub role: Role,
    /// Names of the capabilities that it kept.
    pub kept: Vec<&'static str>,
    /// Why it could not give up the others.
    pub capabilities: Result<(), String>,
    /// Why system calls are not filtered.
    pub syscalls: Result<(), String>,
    /// How files are kept from it.
    pub files: Result<Landlock, String>,
}

impl Report {
    /// What holds, by name.
    pub fn holds(&self) -> [(&'static str, bool); 3] {
        let files = matches!(self.files, Ok(Landlock::Whole | Landlock::Part));
        [("capabilities", self.capabilities.is_ok()), ("seccomp", self.syscalls.is_ok()), ("landlock", files)]
    }

    /// What does not hold and why, in a line; empty: all holds.
    pub fn missing(&self) -> String {
        let part = |name: &str, failed: Option<&str>| failed.map(|why| format!("{name}: {why}"));
        let files = match &self.files {
            Ok(landlock) => landlock.lack(),
            Err(error) => Some(error.as_str()),
        };
        [
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
            Role::Main | Role::Server | Role::Outputs | Role::Screen => CapabilitySet::empty(),
        };
        let capabilities = capabilities::keep(keep).map_err(|e| e.to_string());
        // Before the filter of system calls: it makes some of its own.
        let files = files::restrict(role, self).map_err(|e| e.to_string());
        let syscalls = syscalls::filter(role, self.pins.is_some()).map_err(|e| e.to_string());
        Some(Report { role, kept: capabilities::names(capabilities::held()), capabilities, syscalls, files })
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
pub fn filter_alone(role: Role, pins: bool) -> Result<(), String> {
    syscalls::filter(role, pins).map_err(|e| e.to_string())
}

/// Names of the capabilities that this thread holds.
pub fn held() -> Vec<&'static str> {
    capabilities::names(capabilities::held())
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
