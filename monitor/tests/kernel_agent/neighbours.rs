//! Programs of others at the same hooks: ours sees what passes, theirs see and decide as without us.

use std::net::UdpSocket;

use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, HERE, Running, THERE, cable, weir},
    foreign::{Foreign, Hook, Place, TCX_DROP, TCX_NEXT, XDP_DROP, XDP_PASS},
    hooks::programs,
    netns::{Namespace, wait_for},
};

/// `there` sends datagrams to `here`; nobody answers but the stack.
struct Sender {
    socket: UdpSocket,
    /// Takes them, so that no ICMP error comes back.
    sink: UdpSocket,
}

impl Sender {
    fn new(here: &Namespace, there: &Namespace) -> Self {
        // Nobody asks for addresses and nobody announces any: what passes is what is sent here.
        let address = |ns: &Namespace, device: &str| ns.sh(&format!("cat /sys/class/net/{device}/address"));
        for (ns, device, peer, (other, theirs)) in
            [(here, "eth0", THERE, (there, "eth1")), (there, "eth1", HERE, (here, "eth0"))]
        {
            ns.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
            let address = address(other, theirs);
            ns.ip(&format!("neigh replace {peer} lladdr {} nud permanent dev {device}", address.trim()));
        }
        let sink = here.enter(|| UdpSocket::bind((HERE, 0))).expect("a socket");
        sink.set_nonblocking(true).expect("not blocking");
        let socket = there.enter(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
        socket.connect(sink.local_addr().expect("an address")).expect("connect");
        Self { socket, sink }
    }

    fn send(&self, count: usize) {
        for _ in 0..count {
            self.socket.send(b"a packet").expect("send");
        }
    }

    /// Waits until programs of others have counted so many, and so many came to the application since the last
    /// call; and no more.
    fn reached(&self, programs: &[(&Foreign, u64)], application: usize) {
        for (program, count) in programs {
            wait_for("packets at a program", || (program.count() >= *count).then_some(()));
            assert_eq!(program.count(), *count);
        }
        let mut arrived = 0;
        wait_for("packets at the application", || {
            arrived += std::iter::from_fn(|| self.sink.recv(&mut [0; 64]).ok()).count();
            (arrived >= application).then_some(())
        });
        assert_eq!(arrived, application);
    }
}

/// What `weir check` says of the programs at a hook: outcome and order.
fn order(ns: &Namespace, hook: &str, more: &[&str]) -> (String, String) {
    let mut check = Running::start(weir(ns, &[&["check", "--json", "--interface=eth0"], more].concat()));
    check.end();
    let report: serde_json::Value = serde_json::from_str(&check.stdout()).expect("JSON");
    let name = format!("programs eth0 {hook}");
    let checks = report["checks"].as_array().expect("checks");
    let check =
        checks.iter().find(|c| c["name"] == name.as_str()).unwrap_or_else(|| panic!("{name} in {report}"));
    let text = |key: &str| check[key].as_str().expect("a text").to_owned();
    (text("outcome"), text("detail"))
}

fn wait_for_received(agent: &Agent<'_>, packets: u32) {
    let labels = [("interface", "eth0"), ("direction", "receive"), ("transport", "udp")];
    agent.wait_for_sum("weir_network_io_packets_total", &labels, f64::from(packets));
}

#[test]
fn programs_before_and_behind_ours_see_every_packet_with_us_and_without() {
    let (here, there) = cable();
    let sender = Sender::new(&here, &there);
    let before_us = Foreign::attach(&here, "eth0", Hook::TcxIngress, Place::Last, TCX_NEXT);
    sender.send(10);
    sender.reached(&[(&before_us, 10)], 10);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    assert_eq!(order(&here, "receive", &[]), ("ok".to_owned(), "weir_ingress, foreign".to_owned()));
    let after_us = Foreign::attach(&here, "eth0", Hook::TcxIngress, Place::First, TCX_NEXT);
    let (outcome, detail) = order(&here, "receive", &[]);
    assert_eq!(outcome, "limited");
    assert!(detail.starts_with("foreign, weir_ingress, foreign; what runs before ours"), "{detail}");
    sender.send(10);
    wait_for_received(&agent, 10);
    sender.reached(&[(&before_us, 20), (&after_us, 10)], 10);
    agent.stop(Signal::SIGTERM);
    assert_eq!(programs(&here, "eth0"), ["foreign", "foreign"]);
    sender.send(10);
    sender.reached(&[(&before_us, 30), (&after_us, 20)], 10);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    sender.send(10);
    wait_for_received(&agent, 10);
    agent.kill();
    wait_for("ours to be gone", || (programs(&here, "eth0").len() == 2).then_some(()));
    sender.send(10);
    sender.reached(&[(&before_us, 50), (&after_us, 40)], 20);
}

#[test]
fn verdicts_of_others_hold_and_ours_sees_what_they_drop_behind_it() {
    let (here, there) = cable();
    let sender = Sender::new(&here, &there);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let behind = Foreign::attach(&here, "eth0", Hook::TcxIngress, Place::Last, TCX_DROP);
    let out = Foreign::attach(&here, "eth0", Hook::TcxEgress, Place::Last, TCX_NEXT);
    sender.send(10);
    wait_for_received(&agent, 10);
    sender.reached(&[(&behind, 10)], 0);
    sender
        .sink
        .send_to(b"out", sender.socket.local_addr().map(|a| (THERE, a.port())).expect("an address"))
        .expect("send");
    let labels = [("interface", "eth0"), ("direction", "transmit"), ("transport", "udp")];
    agent.wait_for_sum("weir_network_io_packets_total", &labels, 1.0);
    sender.reached(&[(&out, 1)], 0);
    drop(behind);
    // Before ours it takes away what we then cannot see; check says so.
    let before = Foreign::attach(&here, "eth0", Hook::TcxIngress, Place::First, TCX_DROP);
    let (outcome, _) = order(&here, "receive", &[]);
    assert_eq!(outcome, "limited");
    sender.send(10);
    sender.reached(&[(&before, 10)], 0);
    drop(before);
    sender.send(1);
    wait_for_received(&agent, 11);
    sender.reached(&[], 1);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn a_program_at_xdp_is_named_by_check_and_goes_on_beside_ours_at_tc() {
    let (here, there) = cable();
    let sender = Sender::new(&here, &there);
    let xdp = Foreign::attach(&here, "eth0", Hook::Xdp, Place::First, XDP_PASS);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let (outcome, detail) = order(&here, "xdp", &[]);
    assert_eq!(outcome, "limited");
    assert!(detail.starts_with("foreign; packets that it drops"), "{detail}");
    let (outcome, detail) = order(&here, "xdp", &["--ingress=xdp"]);
    assert_eq!((outcome.as_str(), detail.contains("taken by foreign: use --ingress tc")), ("missing", true));
    sender.send(10);
    wait_for_received(&agent, 10);
    sender.reached(&[(&xdp, 10)], 10);
    drop(xdp);
    let xdp = Foreign::attach(&here, "eth0", Hook::Xdp, Place::First, XDP_DROP);
    sender.send(10);
    sender.reached(&[(&xdp, 10)], 0);
    drop(xdp);
    sender.send(1);
    wait_for_received(&agent, 11);
    agent.stop(Signal::SIGTERM);
    // Ours is named as well, without a word of warning.
    let agent = Agent::start(&here, &["--interface=eth0", "--ingress=xdp"]);
    let (outcome, detail) = order(&here, "xdp", &["--ingress=xdp"]);
    assert!(outcome == "ok" && detail.starts_with("weir_xdp"), "{outcome}: {detail}");
    agent.stop(Signal::SIGTERM);
}

#[test]
fn filters_of_clsact_are_in_the_order_that_check_shows() {
    let (here, _there) = cable();
    here.sh("tc qdisc add dev eth0 clsact && tc filter add dev eth0 ingress prio 7 bpf da bytecode '1,6 0 0 4294967295,'");
    let agent = Agent::start(&here, &["--interface=eth0"]);
    assert_eq!(order(&here, "receive", &[]), ("ok".to_owned(), "weir_ingress, bpf".to_owned()));
    agent.stop(Signal::SIGTERM);
    assert_eq!(order(&here, "receive", &[]), ("ok".to_owned(), "bpf".to_owned()));
}
