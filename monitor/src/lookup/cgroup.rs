//! Units of systemd and containers by control group.
//!
//! A control group's identifier is the inode of its directory. The tree is walked at the start and again when one is
//! asked for that is not known; names are kept after their groups are gone.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::record::Text;

use crate::clock::Stopwatch;

/// Control groups that are remembered at most.
const MOST: usize = 65_536;
/// Deepest directories that are looked at.
const DEEPEST: usize = 32;
/// Directories that are looked at in one walk, those of services before those deep below.
const LOOKED_AT: usize = 16_384;
/// The tree is walked again at most this often for groups that are not found, and for a tenth of the time: who may
/// make control groups can make many.
const AGAIN: Duration = Duration::from_millis(250);
const SHARE: u32 = 10;

/// What the path of a control group says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Unit of systemd: `nginx.service`, `user@1000.service/firefox.scope`, or the path where there is none.
    pub unit: Option<Text>,
    /// Identifier of a container.
    pub container_id: Option<Text>,
    /// What runs the container.
    pub runtime: Option<Text>,
    /// Identifier of a Kubernetes pod.
    pub pod_uid: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Cgroups {
    root: PathBuf,
    groups: HashMap<u64, Arc<Group>>,
    walked: Option<Stopwatch>,
    /// From one walk to the next.
    pause: Duration,
}

impl Cgroups {
    /// Those below the mount of a hierarchy.
    pub fn new(root: &Path) -> Self {
        let mut this = Self { root: root.to_owned(), groups: HashMap::new(), walked: None, pause: AGAIN };
        this.walk();
        this
    }

    /// The group with this identifier, also one that is gone.
    pub fn get(&mut self, id: u64) -> Option<Arc<Group>> {
        if id == 0 {
            return None;
        }
        let is_due = self.walked.as_ref().is_none_or(|walked| walked.elapsed() >= self.pause);
        if is_due && !self.groups.contains_key(&id) {
            self.walk();
        }
        self.groups.get(&id).cloned()
    }

    fn walk(&mut self) {
        let begin = Stopwatch::start();
        let mut waiting = VecDeque::from([(self.root.clone(), String::new(), 0)]);
        let mut left = LOOKED_AT;
        while let Some((directory, path, depth)) = waiting.pop_front() {
            let Ok(found) = fs::metadata(&directory) else { continue };
            if self.groups.len() >= MOST && !self.groups.contains_key(&found.ino()) {
                // Those that are gone are of no use to flows that begin.
                self.groups.clear();
            }
            self.groups.entry(found.ino()).or_insert_with(|| Arc::new(group(&path)));
            if depth >= DEEPEST {
                continue;
            }
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.filter_map(Result::ok) {
                if left > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    left -= 1;
                    let name = entry.file_name();
                    let path = format!("{path}/{}", name.to_string_lossy());
                    waiting.push_back((entry.path(), path, depth + 1));
                }
            }
        }
        self.pause = AGAIN.max(begin.elapsed() * SHARE);
        self.walked = Some(Stopwatch::start());
    }
}

/// What a path says, from the root of the hierarchy.
pub(super) fn group(path: &str) -> Group {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let container = parts.iter().rev().find_map(|part| container(part, path));
    Group {
        unit: unit(&parts),
        container_id: container.map(|(id, _)| Text::from(id)),
        runtime: container.and_then(|(_, runtime)| runtime).map(Text::from),
        pod_uid: parts.iter().rev().find_map(|part| pod(part)),
    }
}

/// Units within slices: those alone name somebody.
fn unit(parts: &[&str]) -> Option<Text> {
    let is_unit = |part: &str| {
        [".service", ".scope", ".socket", ".mount", ".swap"].iter().any(|suffix| part.ends_with(suffix))
    };
    let is_slice = |part: &str| part.strip_suffix(".slice").is_some();
    let units: Vec<&str> = parts.iter().copied().filter(|part| is_unit(part)).collect();
    let named = if !units.is_empty() {
        units.join("/")
    } else if parts.iter().any(|part| is_slice(part)) {
        parts.iter().copied().filter(|part| is_slice(part)).collect::<Vec<_>>().join("/")
    } else {
        format!("/{}", parts.join("/"))
    };
    (!parts.is_empty()).then(|| Text::from(named.as_str()))
}

/// Identifier and runtime of a container by the name of its group.
fn container<'a>(part: &'a str, path: &str) -> Option<(&'a str, Option<&'static str>)> {
    const RUNTIMES: [(&str, &str); 6] = [
        ("docker-", "docker"),
        ("cri-containerd-", "containerd"),
        ("crio-", "cri-o"),
        ("libpod-payload-", "podman"),
        ("libpod-", "podman"),
        ("nerdctl-", "containerd"),
    ];
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some((name, Some("lxc")));
    }
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let (id, runtime) = RUNTIMES
        .iter()
        .find_map(|(prefix, runtime)| Some((part.strip_prefix(prefix)?, Some(*runtime))))
        // Kubernetes with cgroupfs, docker with cgroupfs: the identifier alone.
        .unwrap_or((part, path.contains("/docker/").then_some("docker")));
    let is_id = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then_some((id, runtime))
}

/// Identifier of a pod by the name of its group: `pod<uid>`, or with systemd `kubepods-…-pod<uid>.slice` with
/// underscores.
fn pod(part: &str) -> Option<String> {
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let uid = part.strip_prefix("pod").or_else(|| part.rsplit_once("-pod").map(|(_, uid)| uid))?;
    let uid = uid.replace('_', "-");
    (uid.len() >= 32 && uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn many_groups_of_one_user_hide_no_service_and_are_not_walked_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("user.slice/many");
        for n in 0..LOOKED_AT + 100 {
            fs::create_dir_all(deep.join(n.to_string())).unwrap();
        }
        let service = directory.path().join("system.slice/nginx.service");
        fs::create_dir_all(&service).unwrap();
        let mut groups = Cgroups::new(directory.path());
        assert!(groups.groups.len() <= LOOKED_AT + 1, "{}", groups.groups.len());
        let found = groups.get(fs::metadata(&service).unwrap().ino()).unwrap();
        assert_eq!(found.unit.as_ref().map(Text::as_str), Some("nginx.service"));
        assert!(groups.pause >= AGAIN);
    }

    #[test]
    fn a_path_names_its_unit() {
        for (path, unit) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service")),
            ("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope")),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.scope",
                Some("user@1000.service/firefox.scope"),
            ),
            ("/system.slice/docker.service/deep/er", Some("docker.service")),
            ("/machine.slice/inner.slice", Some("machine.slice/inner.slice")),
            ("/init.scope", Some("init.scope")),
            ("/by/hand", Some("/by/hand")),
            ("", None),
        ] {
            assert_eq!(group(path).unit.as_ref().map(Text::as_str), unit, "{path}");
        }
    }

    #[test]
    fn a_path_names_its_container_and_pod() {
        let uid = "01234567-89ab-cdef-0123-456789abcdef";
        for (path, runtime, pod) in [
            (format!("/system.slice/docker-{ID}.scope"), Some("docker"), None),
            (format!("/docker/{ID}"), Some("docker"), None),
            (format!("/libpod_parent/libpod-{ID}"), Some("podman"), None),
            (format!("/machine.slice/libpod-{ID}.scope/container"), Some("podman"), None),
            (format!("/kubepods/besteffort/pod{uid}/{ID}"), None, Some(uid)),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{ID}.scope",
                    uid.replace('-', "_")
                ),
                Some("containerd"),
                Some(uid),
            ),
        ] {
            let group = group(&path);
            assert_eq!(group.container_id.as_ref().map(Text::as_str), Some(ID), "{path}");
            assert_eq!(group.runtime.as_ref().map(Text::as_str), runtime, "{path}");
            assert_eq!(group.pod_uid.as_deref(), pod, "{path}");
        }
        for path in [format!("/libpod_parent/libpod-conmon-{ID}"), "/system.slice/docker.service".to_owned()]
        {
            assert_eq!(group(&path).container_id, None, "{path}");
        }
        assert_eq!(group("/lxc.payload.web").container_id, Some(Text::from("web")));
    }
}
