//! Locked memory, which maps count as before kernel 5.11. Root is not limited where the test runs otherwise.

use std::process::Command;

use monitor::source::ebpf::probe::kernel_features;
use nix::sys::signal::Signal;

use super::works;
use crate::{
    agent::{Agent, Running, THERE, binary, cable, without_settings},
    netns::Namespace,
    refusals::{assert_says, refused},
    traffic,
};

/// May lock 64 KiB; with these options of `setpriv`.
fn limited(ns: &Namespace, rights: &str) -> Command {
    let script = format!(
        "ulimit -l 64; exec setpriv {rights} \"$0\" run --interface=eth0 --max-flows=256 --drain-interval=200ms"
    );
    without_settings(ns.command("sh", &["-c", &script, &binary()]))
}

fn counts(here: &Namespace, there: &Namespace, rights: &str) {
    let agent = Agent::of(here, Running::start(limited(here, rights)));
    traffic::udp(here, there, THERE, 5, 50);
    let udp = [("interface", "eth0"), ("transport", "udp")];
    agent.wait_for_sum("weir_network_io_packets_total", &udp, 10.0);
    agent.stop(Signal::SIGTERM);
}

#[test]
#[ignore = "for kernels of other versions: `cargo xtask test-kernels`"]
fn a_limit_of_locked_memory_is_lifted_or_named_where_maps_count_against_it() {
    const KEPT: &str = "--bounding-set=-sys_resource";
    let (here, there) = cable();
    counts(&here, &there, "");
    if kernel_features().expect("features").locked_memory {
        let said = refused(&here, limited(&here, KEPT));
        assert_says(&said, &["locked memory", "64 KiB", "CAP_SYS_RESOURCE", "LimitMEMLOCK"]);
    } else {
        counts(&here, &there, KEPT);
    }
    works("locked_memory");
}
