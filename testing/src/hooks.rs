//! Who hangs on an interface, as the kernel tells it.

use std::io;

use aya::programs::{ProgramError, SchedClassifier, TcAttachType};

use crate::netns::Namespace;

/// All clsact filters of a device.
pub fn filters(ns: &Namespace, device: &str) -> String {
    ns.sh(&format!("tc filter show dev {device} ingress; tc filter show dev {device} egress"))
}

/// Our filters among them, a line each.
pub fn ours(filters: &str) -> Vec<String> {
    filters.lines().filter(|l| l.contains("weir_")).map(str::to_owned).collect()
}

/// Names of all programs on a device: TCX, clsact, XDP.
pub fn programs(ns: &Namespace, device: &str) -> Vec<String> {
    let mut names = ns.enter(|| {
        let hooks = [TcAttachType::Ingress, TcAttachType::Egress];
        hooks.into_iter().flat_map(|hook| tcx(device, hook)).collect::<Vec<_>>()
    });
    names.extend(ours(&filters(ns, device)));
    names.extend(
        ns.sh(&format!("ip -d link show dev {device}")).matches("prog/xdp").map(|_| "xdp".to_owned()),
    );
    names
}

/// Names of the programs at a TCX hook of this thread's namespace: none on a kernel before 6.6, which has no TCX.
fn tcx(device: &str, hook: TcAttachType) -> Vec<String> {
    let programs = match SchedClassifier::query_tcx(device, hook) {
        Ok((_, programs)) => programs,
        Err(ProgramError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::InvalidInput => {
            return Vec::new();
        }
        Err(error) => panic!("programs at TCX of {device}: {error}"),
    };
    programs.iter().filter_map(|program| program.name_as_str().map(str::to_owned)).collect()
}
