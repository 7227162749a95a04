//! Which interfaces are counted, and how the agent follows what becomes of them.

use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, HERE, HERE6, Running, THERE, THERE6, cable, plain, weir},
    hooks::programs,
    netns::{Namespace, wait_for},
    traffic,
};

/// Interfaces that are attached.
fn attached(agent: &Agent<'_>) -> Vec<String> {
    let page = agent.page();
    page.values("weir_interface_attached", "interface").into_iter().map(str::to_owned).collect()
}

fn wait_for_attached(agent: &Agent<'_>, expected: &[&str]) {
    let mut seen = Vec::new();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("the interfaces", || {
            seen = attached(agent);
            (seen == expected).then_some(())
        });
    }));
    assert!(outcome.is_ok(), "{seen:?} are attached, not {expected:?}: {}", agent.process.stderr());
}

/// A namespace with `eth0` and `spare` up, and `off` down; the peers' ends are in the other.
fn host() -> (Namespace, Namespace) {
    let (here, there) = cable();
    here.join("spare", &there, "eth2", 6);
    here.ip("link add off type veth peer name off-peer");
    (here, there)
}

#[test]
fn the_default_is_what_a_default_route_leaves_through() {
    let (here, _there) = host();
    here.ip(&format!("route add default via {THERE}"));
    let agent = Agent::start(&here, &[]);
    assert_eq!(attached(&agent), ["eth0"]);
    assert!(agent.process.stdout().contains("Counting on eth0\n"), "{}", agent.process.stdout());
    // A route that moves adds the new way and keeps the old one.
    here.ip("route replace default via 10.6.0.2");
    wait_for_attached(&agent, &["eth0", "spare"]);
}

#[test]
fn without_a_default_route_all_that_are_up_are_counted_but_loopback() {
    let (here, _there) = host();
    let agent = Agent::start(&here, &[]);
    assert_eq!(attached(&agent), ["eth0", "spare"]);
    here.ip("link set off up");
    wait_for_attached(&agent, &["eth0", "off", "spare"]);
}

#[test]
fn names_globs_any_and_exclude_choose() {
    let (here, _there) = host();
    for (arguments, expected) in [
        (&["--interface=spare"][..], &["spare"][..]),
        (&["--interface=eth*,lo"], &["eth0", "lo"]),
        (&["--interface=o??"], &["off"]),
        (&["--interface=any"], &["eth0", "lo", "off", "off-peer", "spare"]),
        (&["--interface=any", "--exclude=off*,lo"], &["eth0", "spare"]),
    ] {
        let agent = Agent::start(&here, arguments);
        assert_eq!(attached(&agent), expected, "{arguments:?}");
        agent.stop(Signal::SIGTERM);
    }
}

#[test]
fn an_interface_is_followed_from_its_creation_through_its_renaming_to_its_end() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth*,new*"]);
    assert_eq!(attached(&agent), ["eth0"]);
    here.join("new0", &there, "peer0", 6);
    plain(&here, "new0");
    wait_for_attached(&agent, &["eth0", "new0"]);
    agent.process.wait_for_log(&["counting", "new0"]);
    let labels = |interface| [("interface", interface), ("direction", "transmit"), ("transport", "udp")];
    traffic::udp(&here, &there, "10.6.0.2", 10, 100);
    agent.wait_for_sum("weir_network_io_packets_total", &labels("new0"), 10.0);

    here.ip("link set new0 down");
    here.ip("link set new0 name new1");
    here.ip("link set new1 up");
    wait_for_attached(&agent, &["eth0", "new1"]);
    traffic::udp(&here, &there, "10.6.0.2", 5, 100);
    // What comes now counts under the new name; the old one keeps what it has, so that no sum falls.
    let page = agent.wait_for_sum("weir_network_io_packets_total", &labels("new1"), 5.0);
    assert_eq!(page.sum("weir_network_io_packets_total", &labels("new0")), 10.0);
    let page = agent.wait_for_drains();
    for direction in ["receive", "transmit"] {
        let labels = [("interface", "new1"), ("direction", direction)];
        assert_eq!(page.count("weir_interface_difference_packets", &labels), 1);
        assert_eq!(page.sum("weir_interface_difference_packets", &labels), 0.0, "{direction}");
    }

    here.ip("link del new1");
    wait_for_attached(&agent, &["eth0"]);
    agent.process.wait_for_log(&["no longer counting", "new1"]);
    // What it counted stays counted.
    let page = agent.wait_for_drains();
    assert_eq!(page.sum("weir_network_io_packets_total", &labels("new1")), 5.0);
    assert_eq!(page.unaccounted(), 0.0);

    // Out of the selection by its new name.
    here.ip("link set eth0 down");
    here.ip("link set eth0 name other0");
    wait_for_attached(&agent, &[]);
    wait_for("its programs to leave", || programs(&here, "other0").is_empty().then_some(()));
    here.ip("link set other0 name eth7");
    here.ip("link set eth7 up");
    wait_for_attached(&agent, &["eth7"]);
    traffic::udp(&there, &here, HERE, 3, 100);
    agent.wait_for_sum("weir_network_io_packets_total", &labels("eth7"), 3.0);
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn interfaces_that_a_pattern_means_and_that_cannot_be_counted_are_a_warning_and_a_named_one_is_an_error() {
    let (here, _there) = host();
    // A name that the kernel takes and that is no UTF-8, and that would turn a terminal red.
    here.sh("ip link add \"$(printf 'bad\\033[31m\\377')\" type veth peer name good");
    let agent = Agent::start(&here, &["--interface=any"]);
    assert_eq!(attached(&agent), ["eth0", "good", "lo", "off", "off-peer", "spare"]);
    let line = agent.process.wait_for_log(&["WARN", "cannot be counted", r"bad\x1b[31m\xff"]);
    assert!(line.contains("is not UTF-8"), "{line}");
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("\u{1b}[31m"), "{log}");
    // Loopback has no XDP: among others it is left out, by its name it is what was asked for.
    let agent = Agent::start(&here, &["--interface=l*,spare", "--ingress=xdp"]);
    assert_eq!(attached(&agent), ["spare"]);
    agent.process.wait_for_log(&["WARN", "cannot be counted", "lo"]);
    agent.stop(Signal::SIGTERM);
    let mut process = Running::start(weir(&here, &["run", "--interface=lo,spare", "--ingress=xdp"]));
    assert!(!process.end().success());
    assert!(process.stderr().contains("attaching to lo"), "{}", process.stderr());
}

#[test]
fn more_than_a_thousand_interfaces_are_counted_and_hundreds_that_come_at_once() {
    let (here, there) = host();
    let pairs = |from: u32, to: u32| {
        let add = "link add v$n type veth peer name w$n";
        here.sh(&format!("for n in $(seq {from} {to}); do echo {add}; done | ip -batch -"));
    };
    pairs(1, 450);
    let agent = Agent::start(&here, &["--interface=v*,w*,eth0"]);
    assert_eq!(attached(&agent).len(), 901);
    pairs(451, 600);
    wait_for("the new ones", || (attached(&agent).len() == 1201).then_some(()));
    let labels = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
    traffic::udp(&there, &here, HERE, 5, 100);
    agent.wait_for_sum("weir_network_io_packets_total", &labels, 5.0);
    assert_eq!(agent.wait_for_drains().unaccounted(), 0.0);
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR") && !log.contains("cannot be counted"), "{log}");
}

#[test]
fn a_reload_leaves_the_interfaces_that_are_chosen_no_more() {
    let (here, there) = host();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("weir.toml");
    let write = |text: &str| std::fs::write(&path, text).expect("a file");
    write("interface = [\"eth0\", \"lo\"]\n");
    let agent = Agent::start(&here, &[&format!("--config.file={}", path.display())]);
    assert_eq!(attached(&agent), ["eth0", "lo"]);
    traffic::udp(&there, &here, HERE, 3, 100);
    let reload = |text: &str, expected: &[&str]| {
        write(text);
        agent.process.signal(Signal::SIGHUP);
        wait_for_attached(&agent, expected);
    };
    reload("interface = [\"lo\"]\n", &["lo"]);
    wait_for("its programs to leave", || programs(&here, "eth0").is_empty().then_some(()));
    // What came before is counted, also what came since the last drain.
    let labels = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
    assert_eq!(agent.page().sum("weir_network_io_packets_total", &labels), 3.0);
    // Without names, loopback is not meant.
    reload("", &["eth0", "spare"]);
    wait_for("its programs to leave", || programs(&here, "lo").is_empty().then_some(()));
    reload("exclude = [\"spare\"]\n", &["eth0"]);
    // A name that nobody has yet is said, and waited for.
    reload("interface = [\"new0\"]\n", &[]);
    agent.process.wait_for_log(&["WARN", "new0: no such interface"]);
    here.ip("link add new0 type veth peer name new0-peer");
    wait_for_attached(&agent, &["new0"]);
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR"), "{log}");
}

/// Packets that a device has counted: received, transmitted.
fn device(ns: &Namespace, name: &str) -> [f64; 2] {
    ["rx", "tx"].map(|way| {
        let text = ns.sh(&format!("cat /sys/class/net/{name}/statistics/{way}_packets"));
        text.trim().parse().expect("a number")
    })
}

#[test]
fn packets_of_the_hooks_are_those_that_the_device_counts_itself() {
    for arguments in [&["--interface=eth0"][..], &["--interface=eth0", "--ingress=xdp-generic"]] {
        let (here, there) = cable();
        let agent = Agent::start(&here, arguments);
        // Both read while the stack was quiet: a packet between the two would be missed for ever.
        let before = wait_for("two drains without a packet", || {
            let before = device(&here, "eth0");
            let page = agent.wait_for_drains();
            (device(&here, "eth0") == before).then_some((before, page))
        });
        traffic::mixture(&here, &there, THERE, THERE6);
        traffic::mixture(&there, &here, HERE, HERE6);
        // Quiet: neither side has anything more to say.
        let page = agent.wait_for("the device's numbers", |page| {
            let device = device(&here, "eth0");
            ["receive", "transmit"].into_iter().enumerate().all(|(i, direction)| {
                let labels = [("interface", "eth0"), ("direction", direction)];
                let hook = |page: &crate::exposition::Page| page.sum("weir_hook_packets_total", &labels);
                hook(page) - hook(&before.1) == device[i] - before.0[i]
                    && page.sum("weir_interface_difference_packets", &labels) == 0.0
                    && page.unaccounted() == 0.0
            })
        });
        assert_eq!(page.count("weir_interface_difference_packets", &[("interface", "eth0")]), 2);
        assert!(page.sum("weir_hook_packets_total", &[]) > 1000.0);
    }
}

#[test]
fn an_interface_that_moves_to_another_namespace_is_left_and_followed_when_it_comes_back() {
    for ingress in ["--ingress=tc", "--ingress=xdp"] {
        let (here, there) = cable();
        let away = Namespace::new();
        here.join("new0", &there, "peer0", 6);
        plain(&here, "new0");
        let agent = Agent::start(&here, &["--interface=eth0,new*", ingress]);
        let labels = [("interface", "new0"), ("direction", "transmit"), ("transport", "udp")];
        traffic::udp(&here, &there, "10.6.0.2", 10, 100);
        agent.wait_for_sum("weir_network_io_packets_total", &labels, 10.0);
        here.ip(&format!("link set new0 netns {}", away.name()));
        wait_for_attached(&agent, &["eth0"]);
        agent.process.wait_for_log(&["no longer counting", "new0"]);
        wait_for("nothing of ours to be on it", || programs(&away, "new0").is_empty().then_some(()));
        // What passes there is not ours to count.
        away.ip("addr add 10.6.0.1/24 dev new0");
        away.ip("link set new0 up");
        traffic::udp(&away, &there, "10.6.0.2", 4, 100);
        away.ip(&format!("link set new0 netns {}", here.name()));
        here.ip("addr add 10.6.0.1/24 dev new0");
        here.ip("link set new0 up");
        wait_for_attached(&agent, &["eth0", "new0"]);
        traffic::udp(&here, &there, "10.6.0.2", 5, 100);
        agent.wait_for_sum("weir_network_io_packets_total", &labels, 15.0);
        assert_eq!(agent.wait_for_drains().unaccounted(), 0.0);
        let log = agent.stop(Signal::SIGTERM);
        assert!(!log.contains("ERROR"), "{log}");
    }
}

#[test]
fn packets_are_counted_whole_whatever_becomes_of_the_mtu() {
    for ingress in ["--ingress=tc", "--ingress=xdp"] {
        let (here, there) = cable();
        let mtu = |mtu: u32| {
            here.ip(&format!("link set eth0 mtu {mtu}"));
            there.ip(&format!("link set eth1 mtu {mtu}"));
        };
        let agent = Agent::start(&here, &["--interface=eth0", ingress]);
        let (mut packets, mut bytes) = (0.0, 0.0);
        let labels = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
        // Larger than a page, and smaller than before, while it counts.
        for (size, mtu_now) in [(1400, 1500), (8000, 9000), (1000, 1280)] {
            mtu(mtu_now);
            traffic::udp(&there, &here, HERE, 5, size);
            packets += 5.0;
            bytes += 5.0 * (size as f64 + 42.0);
            let page = agent.wait_for_sum("weir_network_io_packets_total", &labels, packets);
            assert_eq!(page.sum("weir_network_io_bytes_total", &labels), bytes, "{ingress} {mtu_now}");
        }
        assert_eq!(agent.wait_for_drains().unaccounted(), 0.0);
        agent.stop(Signal::SIGTERM);
        // The same with the large frames there from the beginning.
        mtu(9000);
        let agent = Agent::start(&here, &["--interface=eth0", ingress]);
        traffic::udp(&there, &here, HERE, 5, 8000);
        let page = agent.wait_for_sum("weir_network_io_packets_total", &labels, 5.0);
        assert_eq!(page.sum("weir_network_io_bytes_total", &labels), 5.0 * 8042.0);
        let log = agent.stop(Signal::SIGTERM);
        assert!(!log.contains("ERROR"), "{log}");
    }
}

#[test]
fn an_interface_that_goes_down_and_up_counts_on() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let labels = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
    for round in 1..=3 {
        traffic::udp(&there, &here, HERE, 5, 100);
        agent.wait_for_sum("weir_network_io_packets_total", &labels, 5.0 * f64::from(round));
        here.ip("link set eth0 down");
        agent.wait_for_drains();
        assert_eq!(programs(&here, "eth0").len(), 2);
        here.ip("link set eth0 up");
    }
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR") && !log.contains("no longer"), "{log}");
}
