//! Where the control groups of version 2 are mounted (`cgroups(7)`, `proc_pid_mountinfo(5)`).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// A mounted hierarchy of control groups of version 2, and a descriptor of its root to attach programs to.
#[derive(Debug)]
pub struct Cgroup2 {
    /// Its directory.
    pub path: PathBuf,
    /// The same, open.
    pub directory: Arc<File>,
    /// A mount of this process's own ends with this.
    _mount: Option<OwnedFd>,
}

/// Why there are no control groups to ask.
#[derive(Debug, thiserror::Error)]
pub enum NoCgroup2 {
    /// None is mounted.
    #[error("no cgroup2 file system is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")]
    NotMounted,
    /// It cannot be opened.
    #[error("{path}: {source}")]
    Closed {
        /// Where it is mounted.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Cgroup2 {
    /// Finds and opens it.
    ///
    /// # Errors
    /// None is mounted, or it cannot be opened.
    pub fn open() -> Result<Self, NoCgroup2> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let Some(path) = find(&mounts) else { return Self::own().map_err(|_| NoCgroup2::NotMounted) };
        let closed = |source| NoCgroup2::Closed { path: path.display().to_string(), source };
        let directory = File::open(&path).map(Arc::new).map_err(closed)?;
        Ok(Self { path, directory, _mount: None })
    }
}

impl Cgroup2 {
    /// A mount that nobody sees: where this mount namespace has none (`ip netns exec` hides it), and this process has
    /// the rights of root still.
    fn own() -> io::Result<Self> {
        let context = fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&context)?;
        let directory = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        // What a mount gives is a place; programs are attached to an open directory.
        let opened = File::open(&path)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        Ok(Self { path, directory: Arc::new(opened), _mount: Some(directory) })
    }
}

/// The mount point of the hierarchy, the one that shows its root where there are several.
pub(super) fn find(mounts: &str) -> Option<PathBuf> {
    let of = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        (after.split(' ').next() == Some("cgroup2")).then(|| (root != "/", unescape(point)))
    };
    mounts.lines().filter_map(of).min_by_key(|(is_part, _)| *is_part).map(|(_, point)| PathBuf::from(point))
}

/// Spaces and the like stand there as octal numbers.
fn unescape(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => out.push(char::from(code)),
            None => out.push('\\'),
        }
        rest =
            if code.is_some_and(|code| code.is_ascii()) { after.get(3..).unwrap_or_default() } else { after };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_is_found_on_hybrid_hosts_and_its_root_before_a_part() {
        let hybrid = "30 23 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n\
                      31 23 0:27 /part /srv/a\\040b rw - cgroup2 cgroup2 rw\n\
                      32 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find(hybrid), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        let part = hybrid.lines().take(2).collect::<Vec<_>>().join("\n");
        assert_eq!(find(&part), Some(PathBuf::from("/srv/a b")));
        assert_eq!(find("30 23 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw,cpu\nnonsense\n"), None);
        assert_eq!(unescape("\\x\\040\\"), "\\x \\");
    }
}
