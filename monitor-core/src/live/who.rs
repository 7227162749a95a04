//! Whose traffic it is, as people look for it: by unit and process, each byte by whoever sent it.

use crate::record::{Owner, OwnerClass, Text};

/// Whose bytes are. What is not known, or is no process, has no names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Who {
    /// What kind of owner.
    pub class: OwnerClass,
    /// Unit of systemd, or the path of the control group.
    pub unit: Option<Text>,
    /// Name of the process.
    pub process: Option<Text>,
    /// Name of the container, else its identifier.
    pub container: Option<Text>,
    /// Pod.
    pub pod: Option<Text>,
    /// Namespace of the pod.
    pub namespace: Option<Text>,
}

impl Who {
    /// An owner as people look for it.
    pub(crate) fn of(class: OwnerClass, owner: Option<&Owner>) -> Self {
        let text = |of: fn(&Owner) -> Option<&Text>| owner.and_then(of).cloned();
        Self {
            class,
            unit: text(|owner| owner.unit.as_ref()),
            process: text(|owner| owner.process.as_ref()),
            container: text(Owner::container_name),
            pod: text(|owner| owner.pod.as_ref()),
            namespace: text(|owner| owner.namespace.as_ref()),
        }
    }
}
