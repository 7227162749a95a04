//! What is not there, or may not be had, is said in an event, and the rest goes on; what is switched on in passing is
//! switched off: docs/rights.md.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
};

use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, Running, THERE, cable, file},
    netns::{Namespace, wait_for},
    rights::Public,
    traffic,
};

fn counts(agent: &Agent<'_>, there: &Namespace) {
    traffic::udp(agent.ns, there, THERE, 3, 50);
    let labels = [("transport", "udp"), ("direction", "transmit")];
    agent.wait_for_sum("weir_network_io_packets_total", &labels, 3.0);
}

#[test]
fn a_socket_that_is_no_runtimes_costs_the_names_of_containers_and_no_more() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    // It is asked for events and for the list, each on a connection of its own.
    let other = std::thread::spawn(move || {
        let mut asked: Vec<_> = (0..2).map(|_| listener.accept().expect("a connection").0).collect();
        for stream in &mut asked {
            // What is not read would be a reset, and what is asked comes in pieces.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).expect("a piece of the request");
                assert!(read > 0, "{request:?}");
                request.extend_from_slice(&piece[..read]);
            }
            drop(stream.write_all(b"SSH-2.0-other\r\n"));
        }
    });
    let [path, missing] = [path, directory.path().join("missing")].map(|path| path.display().to_string());
    let settings = format!("drain-interval = \"100ms\"\n[owners]\nruntimes = [{path:?}, {missing:?}]\n");
    let flag = format!("--config.file={}", file(&directory, "weir.toml", &settings).display());
    let agent = Agent::start_with_file(&here, &["--interface=eth0", &flag]);
    other.join().expect("the other");
    agent.process.wait_for_log(&["unnamed", "socket ", "does not answer as Docker's API does"]);
    agent.process.wait_for_log(&["unnamed", "missing", "No such file"]);
    counts(&agent, &there);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn without_a_hierarchy_of_control_groups_there_are_no_owners_and_the_rest_goes_on() {
    let (here, there) = cable();
    let public = Public::new();
    // `ip netns exec` mounts a /sys without it, and nothing may be mounted with these three.
    let three = "--bounding-set=-all,+bpf,+net_admin,+perfmon";
    let arguments = ["run", "--interface=eth0", "--max-flows=64", "--drain-interval=100ms"];
    let agent = Agent::of(&here, Running::start(public.weir(&here, &[three], &arguments)));
    agent.process.wait_for_log(&["unowned", "owners of flows are not known"]);
    counts(&agent, &there);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn grace_periods_of_the_kernel_are_what_they_were_after_many_interfaces_came_and_went() {
    const SWITCH: &str = "/sys/kernel/rcu_expedited";
    let is_off = |when: &str| {
        // Others of this host may have it on for a moment.
        wait_for(&format!("the switch to be off {when}"), || {
            fs::read_to_string(SWITCH).is_ok_and(|text| text.trim() == "0").then_some(())
        });
    };
    let (here, _there) = cable();
    for n in 0..24 {
        here.ip(&format!("link add many{n} type veth peer name far{n}"));
        here.ip(&format!("link set many{n} up"));
    }
    is_off("before");
    let agent = Agent::start(&here, &["--interface=eth0,many*", "--max-flows=256"]);
    agent.wait_for("all to be attached", |page| page.sum("weir_interface_attached", &[]) >= 50.0);
    is_off("once they are attached");
    agent.stop(Signal::SIGTERM);
    is_off("at the end");
}
