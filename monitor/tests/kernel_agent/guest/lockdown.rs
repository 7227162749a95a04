//! A kernel that is locked against root (`kernel_lockdown(7)`), as it is under Secure Boot.

use std::fs;

use nix::sys::signal::Signal;

use super::works;
use crate::{
    agent::{Agent, THERE, binary, cable, without_settings},
    traffic,
};

/// Both levels, in turn: there is no way back. Programs of this kind read packets, not the kernel's memory, and
/// are permitted; `weir check` says so.
#[test]
#[ignore = "locks the kernel: `cargo xtask test-kernels`"]
fn a_locked_kernel_permits_all_that_is_needed() {
    for level in ["integrity", "confidentiality"] {
        fs::write("/sys/kernel/security/lockdown", level).expect("a kernel that can be locked");
        let (here, there) = cable();
        // In a namespace /sys is another one, without what lies below it.
        let script = "mount -t securityfs securityfs /sys/kernel/security; exec $0 check --interface=eth0";
        let check = without_settings(here.command("sh", &["-c", script, &binary()])).output().expect("weir");
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        let line = |name: &str| said.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        let words = line("lockdown").unwrap_or_else(|| panic!("no line of it in\n{said}"));
        assert!(words.contains("  ok ") && words.contains(level), "{words}");
        assert!(check.status.success(), "{said}");
        let agent = Agent::start(&here, &["--interface=eth0", "--max-flows=256", "--drain-interval=200ms"]);
        traffic::udp(&here, &there, THERE, 5, 50);
        let udp = [("interface", "eth0"), ("transport", "udp")];
        agent.wait_for_sum("weir_network_io_packets_total", &udp, 10.0);
        agent.stop(Signal::SIGTERM);
    }
    works("lockdown");
}
