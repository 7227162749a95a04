//! Beginning, reloading and ending, and what is left behind.

use std::time::Duration;

use monitor::clock::Stopwatch;
use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, HERE, Running, THERE, cable, file, weir},
    bpffs::BpfFs,
    capture::{self, Capture},
    hooks::programs,
    netns::{DEADLINE, Namespace, wait_for},
    pins,
    traffic::{self, Ending},
};

/// How many want a device promiscuous, as the kernel counts them.
fn promiscuity(ns: &Namespace, device: &str) -> u32 {
    let shown = ns.sh(&format!("ip -d link show dev {device}"));
    let (_, rest) = shown.split_once("promiscuity ").expect("promiscuity");
    rest.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

fn wait_for_nothing_attached(ns: &Namespace, device: &str) {
    // The kernel frees the links of a process that died in its own time.
    wait_for("nothing to be attached", || programs(ns, device).is_empty().then_some(()));
}

#[test]
fn sigterm_and_sigint_end_it_well_and_nothing_stays() {
    let (here, there) = cable();
    for (ingress, signal) in [
        ("--ingress=tc", Signal::SIGTERM),
        ("--ingress=xdp", Signal::SIGINT),
        ("--ingress=xdp-generic", Signal::SIGTERM),
    ] {
        let agent = Agent::start(&here, &["--interface=eth0", ingress]);
        assert_eq!(programs(&here, "eth0").len(), 2);
        traffic::udp(&here, &there, THERE, 5, 50);
        let log = agent.stop(signal);
        assert!(log.contains(signal.as_str()) && !log.contains("ERROR"), "{log}");
        assert_eq!(programs(&here, "eth0"), Vec::<String>::new());
    }
}

#[test]
fn a_stop_does_not_wait_for_the_next_drain_or_for_idle_connections() {
    let (here, _there) = cable();
    // The longest that there is. A busy machine may take as long once.
    let is_stopped_before = || {
        let begin = Stopwatch::start();
        let agent = Agent::start(&here, &["--interface=eth0", "--drain-interval=1m"]);
        let idle = here.enter(|| std::net::TcpStream::connect(crate::agent::ADDRESS)).expect("connect");
        agent.stop(Signal::SIGTERM);
        drop(idle);
        begin.elapsed() < Duration::from_mins(1)
    };
    assert!((0..3).any(|_| is_stopped_before()), "it waited for a drain");
}

#[test]
fn nothing_is_counted_twice_after_a_kill() {
    let (here, there) = cable();
    for ingress in ["--ingress=tc", "--ingress=xdp"] {
        let first = Agent::start(&here, &["--interface=eth0", ingress]);
        traffic::udp(&here, &there, THERE, 5, 50);
        first.kill();
        wait_for_nothing_attached(&here, "eth0");
        let second = Agent::start(&here, &["--interface=eth0", ingress]);
        assert_eq!(programs(&here, "eth0").len(), 2);
        let capture = Capture::start(&here, "eth0");
        traffic::tcp(&here, &there, THERE, 100, 20_000, Ending::Client);
        let table = capture.finish(|| capture::mark(&here, THERE));
        let theirs: u64 = table.iter().filter(|(key, _)| key.0 == 6).map(|(_, sent)| sent.packets).sum();
        second.wait_for_sum("weir_network_io_packets_total", &[("transport", "tcp")], theirs as f64);
        second.stop(Signal::SIGTERM);
    }
}

#[test]
fn a_second_instance_on_the_interface_says_who_has_it_and_leaves() {
    let (here, there) = cable();
    let first = Agent::start(&here, &["--interface=eth0"]);
    let mut second =
        Running::start(weir(&here, &["run", "--interface=eth0", "--web.listen-address=127.0.0.1:0"]));
    let status = second.end();
    let said = second.stderr();
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("eth0") && said.contains(&format!("process {}", first.process.id())), "{said}");
    assert_eq!(programs(&here, "eth0").len(), 2);
    traffic::udp(&there, &here, HERE, 5, 50);
    let labels = [("transport", "udp"), ("direction", "receive")];
    first.wait_for_sum("weir_network_io_packets_total", &labels, 5.0);
    // On another interface there is room for it.
    let second = Running::start(weir(&here, &["run", "--interface=lo", "--web.listen-address=127.0.0.1:0"]));
    wait_for("the second on lo", || (programs(&here, "lo").len() == 1).then_some(()));
    second.signal(Signal::SIGTERM);
}

#[test]
fn promiscuous_holds_as_long_as_the_process_however_it_ends() {
    let (here, there) = cable();
    assert_eq!(promiscuity(&here, "eth0"), 0);
    let agent = Agent::start(&here, &["--interface=eth0", "--promiscuous"]);
    assert_eq!(promiscuity(&here, "eth0"), 1);
    // A frame between two others, as a mirror port brings it.
    there.sh("ip neigh replace 10.7.0.77 lladdr 02:00:00:00:00:77 dev eth1");
    there.sh("ping -c 3 -i 0.01 -W 1 10.7.0.77 || true");
    let labels = [("interface", "eth0"), ("direction", "receive"), ("transport", "icmp")];
    agent.wait_for_sum("weir_network_io_packets_total", &labels, 3.0);
    agent.stop(Signal::SIGTERM);
    assert_eq!(promiscuity(&here, "eth0"), 0);
    let agent = Agent::start(&here, &["--interface=eth0", "--promiscuous"]);
    assert_eq!(promiscuity(&here, "eth0"), 1);
    agent.kill();
    wait_for("promiscuity to end", || (promiscuity(&here, "eth0") == 0).then_some(()));
}

#[test]
fn sighup_applies_what_it_can_and_names_the_rest() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(&directory, "weir.toml", "max-flows = 1000\n[timeout]\nudp = \"1h\"\n");
    let flag = format!("--config.file={}", path.display());
    let agent = Agent::start(&here, &["--interface=eth0", &flag]);
    let successful = |page: &crate::exposition::Page| page.sum("weir_config_last_reload_successful", &[]);
    traffic::udp(&here, &there, THERE, 3, 50);
    let udp = [("transport", "udp")];
    let page = agent.wait_for_sum("weir_flows_active", &udp, 1.0);
    assert_eq!((successful(&page), page.sum("weir_flows_ended_total", &udp)), (1.0, 0.0));

    file(&directory, "weir.toml", "max-flows = 2000\n[timeout]\nudp = \"1s\"\n[log]\nlevel = \"debug\"\n");
    agent.process.signal(Signal::SIGHUP);
    let line = agent.process.wait_for_log(&["configuration reloaded"]);
    assert!(line.contains("max-flows") && !line.contains("timeout"), "{line}");
    agent.wait_for_sum("weir_flows_ended_total", &[("transport", "udp"), ("reason", "idle")], 1.0);
    agent.get("/nothing", "Content-Length: 5\r\n");
    agent.process.wait_for_log(&["DEBUG"]);

    file(&directory, "weir.toml", "max-flow = 3\n");
    agent.process.signal(Signal::SIGHUP);
    let line = agent.process.wait_for_log(&["ERROR", "max-flow"]);
    assert!(
        line.contains("did you mean \\\"max-flows\\\"") || line.contains("did you mean \"max-flows\""),
        "{line}"
    );
    agent.wait_for_sum("weir_config_last_reload_successful", &[], 0.0);

    file(&directory, "weir.toml", "max-flows = 1000\n");
    agent.process.signal(Signal::SIGHUP);
    agent.wait_for_sum("weir_config_last_reload_successful", &[], 1.0);
    let labels = [("event", "reloaded")];
    agent.wait_for_sum("weir_events_total", &labels, 2.0);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn the_log_can_be_json() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--log.format=json"]);
    let log = agent.stop(Signal::SIGTERM);
    let events: Vec<String> = log
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["event"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    for event in ["listening", "attached", "stopping"] {
        assert!(events.iter().any(|e| e == event), "{event} in {events:?}");
    }
}

/// Descriptors that a process holds; none: it has ended.
fn descriptors(id: u32) -> Option<usize> {
    std::fs::read_dir(format!("/proc/{id}/fd")).ok().map(Iterator::count)
}

#[test]
fn sigterm_at_any_moment_of_the_start_leaves_nothing() {
    let (here, there) = cable();
    let bpf = BpfFs::new();
    let pin = pins::flag(&bpf);
    // A start is as far as its descriptors: none yet, sockets, maps, programs, links, all. Every other count of
    // them, in an order that is the same each time.
    let moments: Vec<usize> = (0..24).map(|n| 3 + n * 17 % 48).collect();
    let mut progress = std::collections::BTreeSet::new();
    for (n, &moment) in moments.iter().enumerate() {
        let pinned = n % 2 == 1;
        let ingress = if n % 3 == 0 { "--ingress=xdp" } else { "--ingress=tc" };
        let mut arguments = vec!["run", "--interface=eth0", "--max-flows=1024", "--promiscuous", ingress];
        if pinned {
            arguments.push(&pin);
        }
        let mut process = Running::start(weir(&here, &arguments));
        let (mut held, clock) = (0, Stopwatch::start());
        while held < moment
            && clock.elapsed() < DEADLINE
            && process.ended().is_none()
            && !process.stdout().contains("Counting on")
            && let Some(now) = descriptors(process.id())
        {
            held = now.max(held);
        }
        progress.insert(held);
        process.signal(Signal::SIGTERM);
        process.end();
        if pinned {
            let mut unpin = Running::start(weir(&here, &["unpin", &pin]));
            let well = unpin.end().success() || unpin.stderr().contains("nothing is pinned");
            assert!(well, "{moment}: {}", unpin.stderr());
            assert!(!bpf.pins().exists(), "{moment}");
        }
        wait_for_nothing_attached(&here, "eth0");
        assert_eq!(promiscuity(&here, "eth0"), 0, "{moment}");
    }
    // How many are met is up to the scheduler; not all at one.
    assert!(progress.len() >= 3, "{progress:?}");
    // Nor a lock: the next one begins, and counts.
    let agent = Agent::start(&here, &["--interface=eth0", &pin]);
    traffic::udp(&there, &here, HERE, 5, 50);
    let labels = [("transport", "udp"), ("direction", "receive")];
    agent.wait_for_sum("weir_network_io_packets_total", &labels, 5.0);
    agent.stop(Signal::SIGTERM);
    eprintln!("SIGTERM at {} moments, with {progress:?} descriptors", moments.len());
}
