//! What this kernel offers.

use aya::{
    programs::{SchedClassifier, TcAttachType},
    util::KernelVersion,
};
use monitor_common::abi::Direction;

use super::{Error, limits};

/// Features that decide which programs are loaded and how they hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// `bpf_ktime_get_coarse_ns` (5.11).
    pub coarse_clock: bool,
    /// Maps and programs count against `RLIMIT_MEMLOCK` (until 5.11).
    pub locked_memory: bool,
    /// Multi-buffer XDP and `bpf_xdp_load_bytes` (5.18).
    pub xdp_frags: bool,
    /// TCX links (6.6).
    pub tcx: bool,
}

/// The running kernel's release, as uname(2) says it.
pub fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".into(), |s| s.trim().to_owned())
}

/// Features of the running kernel.
pub fn kernel_features() -> Result<Features, Error> {
    features_of(KernelVersion::current().ok())
}

/// Features of a kernel of this version, which may not be known.
fn features_of(version: Option<KernelVersion>) -> Result<Features, Error> {
    let too_old = |missing| Error::KernelTooOld { version: kernel_release(), missing };
    let version = version.ok_or_else(|| too_old("its version cannot be read"))?;
    if version < KernelVersion::new(5, 10, 0) {
        return Err(too_old("BPF ring buffers, batch operations, mappable arrays"));
    }
    Ok(Features {
        coarse_clock: version >= KernelVersion::new(5, 11, 0),
        locked_memory: version < KernelVersion::new(5, 11, 0),
        xdp_frags: version >= KernelVersion::new(5, 18, 0),
        tcx: version >= KernelVersion::new(6, 6, 0),
    })
}

/// Names of the programs of an interface's TCX hook in the order in which they run, ours marked by
/// their names (`weir_…`); `None`: they cannot be asked for (before 6.6, or without the right).
pub fn tcx_order(interface: &str, direction: Direction) -> Option<Vec<String>> {
    let hook = match direction {
        Direction::Receive => TcAttachType::Ingress,
        Direction::Transmit => TcAttachType::Egress,
    };
    let (_, programs) = SchedClassifier::query_tcx(interface, hook).ok()?;
    Some(programs.iter().map(|p| p.name_as_str().unwrap_or("?").to_owned()).collect())
}

/// Whether programs of ours, of whichever process, are linked to an interface: at its TCX hooks, or at XDP under these
/// numbers. Filters of clsact stay when their process ends, and so do not say that anybody counts.
pub fn is_counted(interface: &str, xdp: &[u32]) -> bool {
    let tcx = Direction::ALL.into_iter().filter_map(|direction| tcx_order(interface, direction)).flatten();
    tcx.chain(xdp.iter().filter_map(|id| program_name(*id))).any(|name| is_ours(&name))
}

/// Name of a loaded program by its number; `None`: it is gone, or the right to ask is missing.
pub fn program_name(id: u32) -> Option<String> {
    let programs = aya::programs::loaded_programs();
    let program = programs.filter_map(Result::ok).find(|program| program.id() == id)?;
    program.name_as_str().map(str::to_owned)
}

/// Whether a program of this name is one of ours.
pub fn is_ours(name: &str) -> bool {
    name.starts_with("weir_")
}

/// Whether another program runs before ours and may take packets away that we never see.
pub fn is_hidden(order: &[String]) -> bool {
    order.iter().position(|name| is_ours(name)).is_some_and(|at| at > 0)
}

/// Capabilities that a run needs, with their bits (include/uapi/linux/capability.h): for maps and
/// programs, for hooks, and for programs that calculate with what they read, which the verifier lets
/// only this one do (kernel/bpf/verifier.c, `allow_ptr_leaks`).
const CAPABILITIES: [(&str, u32); 3] = [("CAP_BPF", 39), ("CAP_NET_ADMIN", 12), ("CAP_PERFMON", 38)];
/// It stands for the first and the last as well (include/linux/capability.h, `bpf_capable`).
const CAP_SYS_ADMIN: u32 = 21;

/// Capabilities that a run needs, and whether this thread has them in effect.
pub fn capabilities() -> [(&'static str, bool); 3] {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or_default();
    let has = |bit: u32| effective >> bit & 1 != 0;
    CAPABILITIES.map(|(name, bit)| (name, has(bit) || (name != "CAP_NET_ADMIN" && has(CAP_SYS_ADMIN))))
}

/// Whether this thread lacks one of [`capabilities`].
pub(super) fn lacks_capabilities() -> bool {
    capabilities().iter().any(|(_, held)| !held)
}

/// Whether root is not root: capabilities are those of a user namespace (`user_namespaces(7)`), and the kernel wants
/// those of the initial one, which maps all users to themselves.
fn in_user_namespace() -> bool {
    std::fs::read_to_string("/proc/thread-self/uid_map").is_ok_and(|map| !maps_all(&map))
}

fn maps_all(uid_map: &str) -> bool {
    uid_map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// Those that are missing, as the end of a sentence.
fn missing() -> String {
    let missing: Vec<_> =
        capabilities().into_iter().filter(|(_, held)| !held).map(|(name, _)| name).collect();
    if missing.is_empty() { String::new() } else { format!(" (missing: {})", missing.join(", ")) }
}

/// Where a kernel with this security module says how far it is locked (`kernel_lockdown(7)`).
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// How far the kernel is locked against root: `none`, `integrity` or `confidentiality`; `None`: it does
/// not say, for want of the module or of the file system.
pub fn lockdown() -> Option<String> {
    std::fs::read_to_string(LOCKDOWN).ok().and_then(|levels| chosen(&levels).map(str::to_owned))
}

/// The one in brackets: `none [integrity] confidentiality`.
fn chosen(levels: &str) -> Option<&str> {
    levels.split_once('[')?.1.split_once(']').map(|(level, _)| level)
}

/// Why the kernel permits no loading, and the way out.
pub(super) fn refusal() -> String {
    if lacks_capabilities() {
        return format!("run as root, or grant {}{}", capability_names(), missing());
    }
    let limit = kernel_features().ok().and_then(limits::locked_memory);
    refusal_of_the_capable(limit, lockdown().as_deref(), in_user_namespace())
}

/// The same for one who has all these rights, and may lock so many bytes of memory if maps count as such.
fn refusal_of_the_capable(limit: Option<u64>, lockdown: Option<&str>, in_user_namespace: bool) -> String {
    match (limit, lockdown) {
        _ if in_user_namespace => {
            "this is a user namespace (a rootless or unprivileged container?), whose capabilities are none for bpf(2): run in the initial one"
                .to_owned()
        }
        (Some(bytes), _) => format!(
            "this kernel counts maps as locked memory, of which there may be {} KiB: raise the limit (LimitMEMLOCK=infinity, ulimit -l unlimited), or grant CAP_SYS_RESOURCE",
            bytes >> 10
        ),
        (None, Some(level)) if level != "none" => format!(
            "this kernel is locked down ({level}) and refuses BPF: boot it with a lower lockdown=, or without Secure Boot"
        ),
        _ => "no capability is missing: a security module or a filter of system calls (a container's?) refuses bpf(2)"
            .to_owned(),
    }
}

/// Their names, as they stand in a sentence.
fn capability_names() -> String {
    let [first, second, third] = CAPABILITIES.map(|(name, _)| name);
    format!("{first}, {second} and {third}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernel_has_the_features_of_its_version_and_one_before_5_10_is_refused_in_a_line() {
        let features = |major, minor| features_of(Some(KernelVersion::new(major, minor, 0))).unwrap();
        let oldest = Features { coarse_clock: false, locked_memory: true, xdp_frags: false, tcx: false };
        let newer = Features { coarse_clock: true, locked_memory: false, ..oldest };
        assert_eq!(features(5, 10), oldest);
        assert_eq!(features(5, 11), newer);
        assert_eq!(features(5, 18), Features { xdp_frags: true, ..newer });
        assert_eq!(features(6, 6), Features { xdp_frags: true, tcx: true, ..newer });
        for version in [Some(KernelVersion::new(5, 9, 16)), Some(KernelVersion::new(4, 19, 0)), None] {
            let error = features_of(version).unwrap_err().to_string();
            assert!(error.contains("too old: 5.10 or newer is needed"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_refusal_without_a_missing_right_names_what_else_refuses() {
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(chosen("\n"), None);
        let locked = refusal_of_the_capable(None, Some("confidentiality"), false);
        assert!(locked.contains("locked down (confidentiality)"), "{locked}");
        for open in [None, Some("none")] {
            let filtered = refusal_of_the_capable(None, open, false);
            assert!(filtered.contains("refuses bpf(2)") && !filtered.contains("locked"), "{filtered}");
        }
        let little = refusal_of_the_capable(Some(65536), None, false);
        assert!(little.contains("64 KiB") && little.contains("CAP_SYS_RESOURCE"), "{little}");
        let inside = refusal_of_the_capable(None, None, true);
        assert!(inside.contains("user namespace") && !inside.contains("security module"), "{inside}");
        assert!(
            maps_all("         0          0 4294967295\n")
                && !maps_all("0 1000 1\n")
                && !maps_all("0 0 65536\n")
        );
    }

    #[test]
    fn a_program_before_ours_hides_packets_and_one_behind_it_does_not() {
        let order = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(!is_hidden(&order(&["weir_ingress", "cil_from_netdev"])));
        assert!(is_hidden(&order(&["cil_from_netdev", "weir_ingress"])));
        assert!(!is_hidden(&order(&["cil_from_netdev"])));
    }
}
