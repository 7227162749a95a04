//! Who a process of root's is once it has begun: another user (`credentials(7)`), with the capabilities that its
//! threads keep and none of root's files.

use std::io;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// The user of Weir's own, if the host has one.
const OWN: &str = "weir";
/// The number of the user if it has none: one that neither distributions nor systemd give to anybody, so that no
/// other process has it. nobody's would be shared with all that ends up there.
const NUMBER: u32 = 65_530;

/// A user that is not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
}

/// What becomes of root's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Somebody else started this process, or nobody asks.
    #[default]
    Kept,
    /// Threads become this user.
    Becomes(User),
    /// They stay root, for this reason.
    Root(String),
}

/// Why the user that was named cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is none.
    #[error(
        "user {name:?}: no such user on this host; make it (`useradd --system {name}`), or give another or a number with --user"
    )]
    Unknown {
        /// What was given.
        name: String,
    },
    /// Root is not another user.
    #[error("user {name:?} is root; give another with --user, or give none")]
    Root {
        /// What was given.
        name: String,
    },
    /// Somebody else started this process.
    #[error("user {name:?}: only root becomes another user; run as root, or leave out --user")]
    NotRoot {
        /// What was given.
        name: String,
    },
    /// Refused.
    #[error("user {name:?}: {reason}")]
    Refused {
        /// What was given.
        name: String,
        /// Why.
        reason: String,
    },
}

impl Identity {
    /// Whom this process is to become: the user of that name or number, else one of its own, else a number that
    /// nobody has.
    ///
    /// # Errors
    /// When one is named and cannot be had.
    pub fn choose(named: Option<&str>) -> Result<Self, UserError> {
        let user = named.map(find).transpose()?;
        let refused = |reason: String| match named {
            Some(name) => Err(UserError::Refused { name: name.to_owned(), reason }),
            None => Ok(Self::Root(reason)),
        };
        if !is_root() {
            return match named {
                Some(name) if user.is_none_or(|user| user.uid != rustix::process::geteuid().as_raw()) => {
                    Err(UserError::NotRoot { name: name.to_owned() })
                }
                _ => Ok(Self::Kept),
            };
        }
        if !held().contains(CapabilitySet::SETUID | CapabilitySet::SETGID) {
            return refused("CAP_SETUID and CAP_SETGID are not granted".to_owned());
        }
        let user = user.or_else(|| find(OWN).ok()).unwrap_or(User { uid: NUMBER, gid: NUMBER });
        // The surest way to know whether it can be is to do it, on a thread that ends.
        let tried = std::thread::spawn(move || user.become_it(false)).join();
        match tried {
            Ok(Ok(())) => Ok(Self::Becomes(user)),
            Ok(Err(error)) => refused(format!("becoming user {}: {error}", user.uid)),
            Err(_) => refused("its thread ended early".to_owned()),
        }
    }
}

/// The user of a name or number; of a number without a name the group has the same.
fn find(name: &str) -> Result<User, UserError> {
    let known = nix::unistd::User::from_name(name).ok().flatten();
    let number = || name.parse().ok().filter(|uid| *uid != u32::MAX);
    let user = match (known, number()) {
        (Some(user), _) => User { uid: user.uid.as_raw(), gid: user.gid.as_raw() },
        (None, Some(uid)) => {
            let known = nix::unistd::User::from_uid(Uid::from_raw(uid)).ok().flatten();
            User { uid, gid: known.map_or(uid, |user| user.gid.as_raw()) }
        }
        (None, None) => return Err(UserError::Unknown { name: name.to_owned() }),
    };
    if user.uid == 0 { Err(UserError::Root { name: name.to_owned() }) } else { Ok(user) }
}

fn held() -> CapabilitySet {
    capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted)
}

/// Whether this thread is root's.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl User {
    /// Its number.
    pub const fn uid(self) -> u32 {
        self.uid
    }

    /// Makes this thread, and those that it starts, this user's, in no group but its own. They keep their
    /// capabilities, until those are given up. With `files`, root's files are still this thread's to open: the number
    /// that file systems look at stays root's, without a capability to go with it.
    pub(super) fn become_it(self, files: bool) -> io::Result<()> {
        let uid = rustix::thread::Uid::from_raw(self.uid);
        let gid = rustix::thread::Gid::from_raw(self.gid);
        set_keep_capabilities(true)?;
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        // Held still, and in effect no more.
        let sets = capabilities(None)?;
        set_capabilities(None, CapabilitySets { effective: sets.permitted, ..sets })?;
        if files {
            // They tell what was before, and nothing of what is: so they are asked twice.
            let (root, system) = (Uid::from_raw(0), Gid::from_raw(0));
            setfsgid(system);
            setfsuid(root);
            if (setfsuid(root), setfsgid(system)) != (root, system) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_number_and_root_is_none() {
        assert_eq!(find("65530").unwrap(), User { uid: 65_530, gid: 65_530 });
        assert!(matches!(find("root"), Err(UserError::Root { .. })));
        assert!(matches!(find("0"), Err(UserError::Root { .. })));
        for name in ["no-such-user", "-1", "4294967295", ""] {
            assert!(matches!(find(name), Err(UserError::Unknown { .. })), "{name}");
        }
    }

    #[test]
    fn only_root_becomes_somebody_else() {
        if is_root() {
            assert!(Identity::choose(Some("no-such-user")).is_err());
        } else {
            assert_eq!(Identity::choose(None).unwrap(), Identity::Kept);
            let other = rustix::process::geteuid().as_raw() + 1;
            let refused = Identity::choose(Some(&other.to_string())).unwrap_err();
            assert!(matches!(refused, UserError::NotRoot { .. }), "{refused}");
        }
    }
}
