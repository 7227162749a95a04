//! One instance an interface, whoever else takes names, and from wherever it looks.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    process::Command,
};

use monitor::source::ebpf::{Interface, Options, Source, TcAttach};
use nix::sys::signal::Signal;
use rustix::thread::{Uid, set_thread_res_uid};

use crate::{
    agent::{Agent, Running, THERE, binary, cable, weir, without_settings},
    netns::Namespace,
    refusals::assert_says,
    rights::{Public, SERVICE},
    traffic,
};

const RUN: [&str; 4] = ["run", "--interface=eth0", "--max-flows=64", "--drain-interval=100ms"];
/// One beside it, which has an address of its own.
const SECOND: [&str; 4] =
    ["run", "--interface=eth0", "--max-flows=64", "--web.listen-address=127.0.0.1:10059"];

/// All names that instances could take, of a user who has no business with them.
fn squat(ns: &Namespace) -> Vec<UnixListener> {
    ns.enter(|| {
        let nobody = Uid::from_raw(65_534);
        // Of this thread alone, which ends.
        set_thread_res_uid(nobody, nobody, nobody).expect("another user");
        let bind = |ifindex: u32| {
            let name = format!("weir-interface-{ifindex}");
            let address = SocketAddr::from_abstract_name(name).expect("a name");
            UnixListener::bind_addr(&address).expect("a socket")
        };
        (1..3000).map(bind).collect()
    })
}

/// `weir run` where /run is another, mounted like this.
fn elsewhere(ns: &Namespace, mount: &str, arguments: &[&str]) -> Command {
    let arguments = arguments.join(" ");
    let script = format!("mount -t tmpfs {mount} tmpfs /run && exec {} {arguments}", binary());
    without_settings(ns.command("unshare", &["-m", "sh", "-c", &script]))
}

/// One that must refuse, and must leave the instance that counts alone.
fn refused(command: Command, agent: &Agent<'_>, parts: &[&str]) {
    let mut process = Running::start(command);
    assert_eq!(process.end().code(), Some(1), "{}", process.stderr());
    let said = process.stderr();
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("weir: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert_says(errors[0], &[&["eth0: another instance counts it", "--exclude eth0"], parts].concat());
    assert_eq!(crate::hooks::programs(agent.ns, "eth0").len(), 2);
}

#[test]
fn names_that_any_user_can_take_keep_nobody_from_counting() {
    let (here, there) = cable();
    let _squatted = squat(&here);
    let agent = Agent::of(&here, Running::start(weir(&here, &RUN)));
    traffic::udp(&here, &there, THERE, 3, 50);
    let labels = [("transport", "udp"), ("direction", "transmit")];
    agent.wait_for_sum("weir_network_io_packets_total", &labels, 3.0);
    // A second is refused all the same, and told whom to stop; also where it sees no locks of the first.
    let first = format!("(process {})", agent.process.id());
    refused(weir(&here, &SECOND), &agent, &[&first]);
    let claimant = format!("by its word process {}", std::process::id());
    refused(elsewhere(&here, "", &SECOND), &agent, &[&claimant]);
    agent.stop(Signal::SIGTERM);
}

/// Before TCX programs are filters, which stay when their instance ends; here the test is the instance.
#[test]
fn filters_are_somebodys_as_long_as_somebody_says_so() {
    let (here, _there) = cable();
    let options = Options { max_flows: 64, tc_attach: TcAttach::Clsact, ..Options::default() };
    let eth0 = Interface {
        ifindex: here.ifindex("eth0"),
        name: "eth0".into(),
        layer_3: false,
        loopback: false,
        mirror: false,
    };
    let mut other = Source::open(options).unwrap_or_else(|e| panic!("{e}"));
    here.enter(|| other.attach(&eth0)).unwrap_or_else(|e| panic!("{e}"));
    let before = crate::hooks::programs(&here, "eth0");
    // As one of another user, such as a service's.
    let said = squat(&here);
    let mut process = Running::start(weir(&here, &RUN));
    assert_eq!(process.end().code(), Some(1), "{}", process.stderr());
    let claimant = format!("by its word process {}", std::process::id());
    assert_says(&process.stderr(), &["eth0: another instance counts it", &claimant]);
    assert_eq!(crate::hooks::programs(&here, "eth0"), before);
    drop(said);
    Agent::of(&here, Running::start(weir(&here, &RUN))).stop(Signal::SIGTERM);
    here.enter(move || drop(other));
}

#[test]
fn each_network_namespace_has_interfaces_of_its_own() {
    let (here, _there) = cable();
    let (other, _beyond) = cable();
    let first = Agent::of(&here, Running::start(weir(&here, &RUN)));
    let second = Agent::of(&other, Running::start(weir(&other, &RUN)));
    refused(weir(&here, &SECOND), &first, &[]);
    second.stop(Signal::SIGTERM);
    first.stop(Signal::SIGTERM);
}

#[test]
fn one_that_shares_the_network_and_not_the_files_is_seen() {
    let (here, _there) = cable();
    let agent = Agent::of(&here, Running::start(weir(&here, &RUN)));
    refused(elsewhere(&here, "", &SECOND), &agent, &[]);
    agent.stop(Signal::SIGTERM);
    // The other way round, and where nothing can be locked, which is said.
    let agent = Agent::of(&here, Running::start(elsewhere(&here, "-o ro", &RUN)));
    let line = agent.process.wait_for_log(&["unlocked"]);
    assert_says(&line, &["/run/weir-lock", "Read-only file system"]);
    refused(weir(&here, &SECOND), &agent, &[]);
    refused(elsewhere(&here, "-o ro", &SECOND), &agent, &[]);
    agent.stop(Signal::SIGTERM);
}

/// Systemd's service is of a user that cannot lock anything: what is attached decides.
#[test]
fn a_service_of_a_user_of_its_own_and_root_do_not_both_count() {
    let (here, _there) = cable();
    let public = Public::new();
    let root = Agent::of(&here, Running::start(weir(&here, &RUN)));
    refused(public.weir(&here, &SERVICE, &SECOND), &root, &[]);
    root.stop(Signal::SIGTERM);
    let service = Agent::of(&here, Running::start(public.weir(&here, &SERVICE, &RUN)));
    service.process.wait_for_log(&["unlocked"]);
    refused(weir(&here, &SECOND), &service, &[]);
    refused(public.weir(&here, &SERVICE, &SECOND), &service, &[]);
    service.stop(Signal::SIGTERM);
}
