//! Capabilities of a thread (`capabilities(7)`).

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// For maps, and to hang programs on hooks that come.
pub(super) const COUNTER: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::NET_ADMIN);
/// For packet sockets.
pub(super) const PACKETS: CapabilitySet = CapabilitySet::NET_RAW;

/// Capabilities that anything of Weir has a use for, with the names by which they are granted.
const NAMES: [(CapabilitySet, &str); 6] = [
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
    (CapabilitySet::SYS_RESOURCE, "CAP_SYS_RESOURCE"),
];

/// What this thread holds, in effect or not.
pub(super) fn held() -> CapabilitySet {
    capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted)
}

/// Puts all capabilities of this thread into effect: those that come with a program's file, as in a container without
/// root, are held and not in effect.
pub fn raise() {
    // Where nothing is held, or it cannot be told, what needs a capability says so.
    if let Ok(sets) = capabilities(None)
        && sets.effective != sets.permitted
    {
        let _ = set_capabilities(None, CapabilitySets { effective: sets.permitted, ..sets });
    }
}

/// Their names; those that Weir has no use for stand as one.
pub(super) fn names(rights: CapabilitySet) -> Vec<&'static str> {
    let mut names: Vec<_> =
        NAMES.iter().filter(|(right, _)| rights.contains(*right)).map(|(_, name)| *name).collect();
    let known = NAMES.iter().fold(CapabilitySet::empty(), |all, (right, _)| all | *right);
    if !rights.difference(known).is_empty() {
        names.push("others");
    }
    names
}

/// Gives up all capabilities of this thread but these, for itself and for whatever it might start.
pub(super) fn keep(rights: CapabilitySet) -> io::Result<()> {
    // From here on no program that is executed gains anything, not even one that belongs to root.
    set_no_new_privs(true)?;
    // Kernels before 5.8 have no CAP_BPF and no CAP_PERFMON: root's CAP_SYS_ADMIN stands for them. Those are
    // older than what Weir runs on; but a container may grant CAP_SYS_ADMIN in place of CAP_BPF.
    let held = capabilities(None)?.permitted;
    let stands_for = if rights.contains(CapabilitySet::BPF) && !held.contains(CapabilitySet::BPF) {
        CapabilitySet::SYS_ADMIN
    } else {
        CapabilitySet::empty()
    };
    let kept = held & (rights | stands_for);
    // Without CAP_SETPCAP this is refused, and not needed: nothing that this thread could execute gains anything.
    for right in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(right);
    }
    clear_ambient_capability_set()?;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_by_which_rights_are_granted() {
        assert_eq!(names(COUNTER), ["CAP_BPF", "CAP_NET_ADMIN"]);
        assert_eq!(names(PACKETS | CapabilitySet::CHOWN), ["CAP_NET_RAW", "others"]);
        assert!(names(CapabilitySet::empty()).is_empty());
    }

    #[test]
    fn what_a_thread_gives_up_it_has_lost_and_others_have_not() {
        let before = held();
        let within = std::thread::spawn(|| {
            keep(CapabilitySet::empty()).unwrap();
            (held(), capabilities(None).unwrap().effective, rustix::thread::no_new_privs().unwrap())
        });
        let empty = CapabilitySet::empty();
        assert_eq!(within.join().unwrap(), (empty, empty, true));
        assert_eq!(held(), before);
    }
}
