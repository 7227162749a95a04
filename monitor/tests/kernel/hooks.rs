//! Who hangs on an interface, as the kernel tells it.

use aya::programs::{SchedClassifier, TcAttachType};
use monitor::source::ebpf::probe::kernel_features;

use crate::netns::Namespace;

/// All clsact filters of a device.
pub(crate) fn filters(ns: &Namespace, device: &str) -> String {
    ns.sh(&format!("tc filter show dev {device} ingress; tc filter show dev {device} egress"))
}

/// Our filters among them, a line each.
pub(crate) fn ours(filters: &str) -> Vec<String> {
    filters.lines().filter(|l| l.contains("weir_")).map(str::to_owned).collect()
}

/// Names of all programs on a device: TCX, clsact, XDP.
pub(crate) fn programs(ns: &Namespace, device: &str) -> Vec<String> {
    let tcx = kernel_features().expect("a known kernel").tcx;
    let hooks: &[_] = if tcx { &[TcAttachType::Ingress, TcAttachType::Egress] } else { &[] };
    let mut names = ns.enter(|| {
        let mut names = Vec::new();
        for &hook in hooks {
            let (_, programs) = SchedClassifier::query_tcx(device, hook).expect("a query");
            names.extend(programs.iter().filter_map(|p| p.name_as_str().map(str::to_owned)));
        }
        names
    });
    names.extend(ours(&filters(ns, device)));
    names.extend(
        ns.sh(&format!("ip -d link show dev {device}")).matches("prog/xdp").map(|_| "xdp".to_owned()),
    );
    names
}
