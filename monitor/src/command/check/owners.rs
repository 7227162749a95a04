//! Whose the flows are: what of it this kernel, these rights and this host allow.

use std::fs;

use super::{Outcome, Report};
use crate::config::Config;
use crate::config::types::Ingress;
use crate::confine;
use crate::lookup::Cgroup2;
use crate::source::ebpf::{Root, probe};

/// Since when the kernel's list of sockets has their control groups (`INET_DIAG_CGROUP_ID`).
const LISTS_GROUPS: (u32, u32) = (5, 9);
/// Inode of the initial namespace of processes (`include/linux/proc_ns.h`, `PROC_PID_INIT_INO`).
const INITIAL: &str = "pid:[4026531836]";

impl Report {
    /// The root of the control groups, if flows are to have owners here.
    pub(super) fn groups(&mut self, config: &Config) -> Option<(Root, Cgroup2)> {
        if !config.owners_enabled {
            self.add("owners", Outcome::Limited, "switched off by owners.enabled");
            return None;
        }
        match Cgroup2::open() {
            Ok(found) => Some((found.directory.clone(), found)),
            Err(error) => {
                self.add("owners", Outcome::Limited, format!("flows have none: {error}"));
                None
            }
        }
    }

    /// What is known of owners, once the kernel side was loaded; `unowned`: why not with them.
    pub(super) fn owners(&mut self, config: &Config, groups: &Cgroup2, unowned: Option<&str>) {
        match unowned {
            Some(error) => {
                self.add("owners", Outcome::Limited, format!("this kernel refuses what they need: {error}"));
                return;
            }
            None if config.ingress != Ingress::Tc => {
                let detail = "packets that come in at XDP have no sockets: what only receives has no owner; \
                              --ingress tc asks for all";
                self.add("owners", Outcome::Limited, detail);
            }
            None => {
                // A mount of this process's own has no name.
                let own = groups.path.starts_with("/proc/self/fd");
                let place = if own { "all".into() } else { format!("those below {}", groups.path.display()) };
                self.add("owners", Outcome::Ok, format!("known by sockets; control groups: {place}"));
            }
        }
        self.processes();
        self.older_sockets();
    }

    /// Whose `/proc` can be read.
    fn processes(&mut self) {
        let (outcome, detail) = if fs::read_link("/proc/self/ns/pid")
            .is_ok_and(|ns| ns.as_os_str() != INITIAL)
        {
            let detail = "in a namespace of their own: names are the threads', without command lines; \
                          start Weir in the host's (--pid=host)";
            (Outcome::Limited, detail)
        } else if is_hidden() {
            let detail = "those of other users are hidden (hidepid or ProtectProc): names are the threads', \
                          without command lines; mount /proc with gid= of Weir's group, or ProtectProc=default";
            (Outcome::Limited, detail)
        } else {
            (Outcome::Ok, "names and command lines of all users are read")
        };
        self.add("owners: processes", outcome, detail);
    }

    /// What is known of sockets that were there before.
    fn older_sockets(&mut self) {
        let (outcome, detail) = match (version(&probe::kernel_release()), confine::may_trace()) {
            (Some(version), _) if version < LISTS_GROUPS => {
                (Outcome::Limited, "user alone: units of those that are older than Weir need 5.9")
            }
            (_, false) => (
                Outcome::Limited,
                "user and unit of those that are older than Weir; CAP_SYS_PTRACE for the process",
            ),
            (_, true) => (Outcome::Ok, "user, unit and process of those that are older than Weir"),
        };
        self.add("owners: sockets", outcome, detail);
    }
}

/// Whether processes of other users are hidden: the first, which is always there, is root's.
fn is_hidden() -> bool {
    fs::metadata("/proc/1/cmdline").is_err()
}

/// The first two numbers of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_a_version() {
        assert_eq!(version("5.10.0-34-amd64"), Some((5, 10)));
        assert_eq!(version("6.18.44+"), Some((6, 18)));
        assert_eq!(version("unknown"), None);
        assert!((5, 8) < LISTS_GROUPS && (5, 10) > LISTS_GROUPS && (6, 1) > LISTS_GROUPS);
    }
}
