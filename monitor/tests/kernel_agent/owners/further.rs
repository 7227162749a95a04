//! Less usual ways to use a socket, each where this kernel has it.

use super::{ALL, Maker, adds_up, flow, maker, text};
use crate::agent::{Agent, HERE, THERE, cable};
use crate::netns::Namespace;

/// Makes traffic; `None`: this kernel does not do it that way, and the skip is named.
fn made(ns: &Namespace, what: &str, arguments: &[&str]) -> Option<()> {
    let output = maker(ns, arguments).output().expect("python3");
    if output.status.success() {
        return Some(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    let why = why.trim().lines().last().unwrap_or("it failed");
    testing::skip::skip(what, why);
    None
}

#[test]
fn the_process_is_right_by_splice_io_uring_mptcp_and_fast_open() {
    let (here, there) = cable();
    here.sh("sysctl -qw net.ipv4.tcp_fastopen=3; sysctl -qw net.mptcp.enabled=1 || true");
    there.sh("sysctl -qw net.ipv4.tcp_fastopen=3; sysctl -qw net.mptcp.enabled=1 || true");
    let agent = Agent::start(&here, ALL);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    for kind in ["splice", "io_uring", "mptcp", "fastopen"] {
        let name = format!("by{kind}");
        if made(&here, kind, &[&name, kind, THERE, "7001"]).is_none() {
            continue;
        }
        let found = flow(&agent, &format!("server port 7001 and process {name}"));
        assert_eq!((text(&found, "owner"), text(&found, "process")), ("user", &*name), "{found:#}");
        assert!(found["sent"]["payload_bytes"].as_u64() >= Some(1000), "{found:#}");
    }
    adds_up(&agent);
}

#[test]
fn names_that_processes_choose_stay_text() {
    let (here, there) = cable();
    let agent = Agent::start(&here, ALL);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    super::make(&here, &["\u{1b}[2J\"\n\\{x}", "tcp", THERE, "7001"]);
    let found = flow(&agent, "server port 7001");
    assert_eq!(text(&found, "process"), "\\x1b[2J\"\\x0a\\{x}", "{found:#}");
    // It is a label of the page besides, which parses.
    let page = agent.wait_for_drains();
    assert!(page.sum("weir_process_io_bytes_total", &[("owner", "user")]) > 0.0);
    adds_up(&agent);
}

#[test]
fn a_server_that_is_asked_at_xdp_is_known_by_what_it_sends() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--ingress=xdp"]);
    let _tcp = Maker::serving(&here, &["answerer", "tcp_server", HERE, "7001"]);
    super::make(&there, &["client", "tcp", HERE, "7001"]);
    let found = flow(&agent, "server port 7001 and process answerer");
    assert_eq!(text(&found, "owner"), "user", "{found:#}");
}
