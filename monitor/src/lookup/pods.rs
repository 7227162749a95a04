//! Names of Kubernetes pods and their containers: the kubelet's directories of logs have them
//! (`/var/log/pods/<namespace>_<pod>_<uid>/`, `/var/log/containers/<pod>_<namespace>_<container>-<id>.log`), so that no
//! API is asked. The names of files alone are read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use monitor_core::record::Text;

use super::cache::Cache;
use crate::clock::Stopwatch;

/// Pods, and containers, that are remembered at most, twice over.
const MOST: usize = 8_192;
/// Entries of a directory that are looked at.
const ENTRIES: usize = 65_536;
/// The directories are read again at most this often for what is not found.
const AGAIN: Duration = Duration::from_secs(1);

/// What a pod's processes are called by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) namespace: Text,
    pub(super) pod: Text,
    /// Name of the container in the pod.
    pub(super) container: Option<Text>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pods {
    root: Option<PathBuf>,
    /// By the pod's identifier.
    named: Cache<String, Named>,
    /// By the container's.
    containers: Cache<String, Named>,
    read: Option<Stopwatch>,
}

impl Pods {
    /// Those whose logs lie below a directory.
    pub(super) fn below(root: Option<&Path>) -> Self {
        let (pods, containers) = (Cache::new(MOST), Cache::new(MOST));
        Self { root: root.map(Path::to_owned), named: pods, containers, read: None }
    }

    /// The pod with this identifier, or of the container with that.
    pub(super) fn find(&mut self, pod: Option<&str>, container: Option<&str>) -> Option<Named> {
        let (pod, container) = (pod.map(str::to_owned), container.map(str::to_owned));
        let found = self.look(pod.as_ref(), container.as_ref());
        // A pod's logs come when its container does: what is known of the pod alone may be more by now.
        let whole = found.as_ref().is_some_and(|named| named.container.is_some());
        // What is in no pod is in no directory.
        if whole || pod.is_none() || self.read.as_ref().is_some_and(|read| read.elapsed() < AGAIN) {
            return found;
        }
        self.read();
        self.look(pod.as_ref(), container.as_ref())
    }

    fn look(&mut self, pod: Option<&String>, container: Option<&String>) -> Option<Named> {
        if let Some(named) = container.and_then(|id| self.containers.get(id)) {
            return Some(named.clone());
        }
        self.named.get(pod?).cloned()
    }

    fn read(&mut self) {
        self.read = Some(Stopwatch::start());
        let Some(root) = &self.root else { return };
        for name in names(&root.join("pods")) {
            if let Some((uid, named)) = pod(&name) {
                self.named.insert(uid.to_owned(), named);
            }
        }
        for name in names(&root.join("containers")) {
            if let Some((id, named)) = container(&name) {
                self.containers.insert(id.to_owned(), named);
            }
        }
    }
}

/// Names in a directory that are UTF-8, as these all are.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.take(ENTRIES).filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// `<namespace>_<pod>_<uid>`: names of Kubernetes have no underscores.
fn pod(name: &str) -> Option<(&str, Named)> {
    let mut parts = name.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let named = Named { namespace: Text::from(namespace), pod: Text::from(pod), container: None };
    (parts.next().is_none() && !uid.is_empty()).then_some((uid, named))
}

/// `<pod>_<namespace>_<container>-<id>.log`.
fn container(name: &str) -> Option<(&str, Named)> {
    let mut parts = name.strip_suffix(".log")?.split('_');
    let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (container, id) = rest.rsplit_once('-')?;
    let named = Named {
        namespace: Text::from(namespace),
        pod: Text::from(pod),
        container: Some(Text::from(container)),
    };
    (parts.next().is_none() && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some((id, named))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "3cf2b0a1-5d4e-4c3a-9f10-0a1b2c3d4e5f";
    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn names_of_logs_name_pods_and_containers_also_after_they_are_gone() {
        let root = tempfile::tempdir().unwrap();
        let (pods, containers) = (root.path().join("pods"), root.path().join("containers"));
        for directory in [&pods, &containers] {
            fs::create_dir(directory).unwrap();
        }
        let pod = pods.join(format!("shop_web-7d9c_{UID}"));
        fs::create_dir(&pod).unwrap();
        let log = containers.join(format!("web-7d9c_shop_side-car-{ID}.log"));
        fs::write(&log, "").unwrap();
        let mut known = Pods::below(Some(root.path()));
        let named = known.find(Some(UID), Some(ID)).unwrap();
        assert_eq!((named.namespace.as_str(), named.pod.as_str()), ("shop", "web-7d9c"));
        assert_eq!(named.container.unwrap().as_str(), "side-car");
        // Its pause container has no log of its own.
        assert_eq!(known.find(Some(UID), None).unwrap().pod.as_str(), "web-7d9c");
        fs::remove_dir(pod).unwrap();
        fs::remove_file(log).unwrap();
        known.read = None;
        assert_eq!(known.find(Some(UID), Some(ID)).unwrap().pod.as_str(), "web-7d9c");
        assert_eq!(known.find(None, None), None);
    }

    #[test]
    fn other_names_say_nothing() {
        for name in ["", "a_b", "a_b_c_d", "..", "shop_web_"] {
            assert_eq!(pod(name), None, "{name}");
        }
        for name in ["", "a_b_c-xyz.log", "a_b_c.log", "a_b_c-0f", "a_b_c_d-0f.log"] {
            assert_eq!(container(name), None, "{name}");
        }
    }
}
