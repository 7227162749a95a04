//! Whose traffic it is: processes whose names and bytes are known, and what an agent says of them.

mod further;
mod pods;
mod translated;
mod watched;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::agent::{Agent, HERE, HERE6, THERE, THERE6, cable, plain, weir};
use crate::netns::{Namespace, wait_for};

const MAKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel_agent/owners/maker.py");

/// A control group of version 2 with a name of its own, as systemd makes one for a unit.
struct Group(std::path::PathBuf);

impl Group {
    /// `None`: this host has no cgroup2 mounted where this thread sees it.
    fn new(name: &str) -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 "));
        let Some(root) = line.and_then(|line| line.split(' ').nth(4)) else {
            testing::skip::skip("cgroup2", "it is mounted nowhere");
            return None;
        };
        let path = std::path::Path::new(root).join(format!("weir-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("a control group");
        Some(Self(path))
    }

    /// One within another.
    fn below(parent: &Self, name: &str) -> Self {
        let path = parent.0.join(name);
        std::fs::create_dir(&path).expect("a control group");
        Self(path)
    }

    /// The command, within the group.
    fn within(&self, command: &Command) -> Command {
        let mut inner = Command::new("sh");
        let script = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        inner.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
        inner
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes of it have ended, and may not be gone yet.
        wait_for("an empty control group", || std::fs::remove_dir(&self.0).ok());
    }
}

/// A process that makes traffic.
struct Maker {
    child: std::process::Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Maker {
    fn of(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("its output"));
        Self { child, input, output: BufReader::new(output) }
    }

    /// One that serves, and is ready.
    fn serving(ns: &Namespace, arguments: &[&str]) -> Self {
        let mut this = Self::of(maker(ns, arguments));
        this.heard();
        this
    }

    fn heard(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    fn say(&mut self) {
        self.input.as_mut().expect("its input").write_all(b"x").expect("a word");
    }

    fn ended(mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        for child in std::fs::read_to_string(children).unwrap_or_default().split_whitespace() {
            let pid = child.parse().map(nix::unistd::Pid::from_raw).expect("a number");
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn maker(ns: &Namespace, arguments: &[&str]) -> Command {
    ns.command("python3", &[&[MAKER], arguments].concat())
}

/// Makes traffic and waits until all of it was made.
fn make(ns: &Namespace, arguments: &[&str]) {
    Maker::of(maker(ns, arguments)).ended();
}

/// Active flows of an agent that pass a filter.
fn flows(agent: &Agent<'_>, filter: &str) -> Vec<Value> {
    let mut asked = weir(agent.ns, &["flows", "--json", "--limit=5000", filter]);
    let output = asked.output().expect("weir flows");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Waits for the one flow that passes a filter, with packets of both sides unless `one_way`.
fn flow(agent: &Agent<'_>, filter: &str) -> Value {
    wait_for(&format!("a flow with {filter}"), || {
        let mut found = flows(agent, filter);
        assert!(found.len() <= 1, "{found:#?}");
        found.pop()
    })
}

fn text<'a>(flow: &'a Value, field: &str) -> &'a str {
    flow[field].as_str().unwrap_or("")
}

/// Every byte has an owner, in every family.
fn adds_up(agent: &Agent<'_>) {
    let page = agent.wait_for_drains();
    for unit in ["bytes", "packets"] {
        let classes = page.sum(&format!("weir_owner_io_{unit}_total"), &[]);
        for family in ["unit", "process", "user", "container"] {
            let sum = page.sum(&format!("weir_{family}_io_{unit}_total"), &[]);
            assert_eq!(sum, classes, "{family} {unit}");
        }
        let all = page.sum(&format!("weir_network_io_{unit}_total"), &[("interface", "eth0")])
            + page.sum(&format!("weir_network_io_{unit}_total"), &[("interface", "lo")]);
        assert_eq!(classes, all, "{unit}");
    }
    let transports = page.sum("weir_flow_io_bytes_total", &[]);
    for family in ["unit_domain", "container_domain"] {
        let sum = page.sum(&format!("weir_{family}_io_bytes_total"), &[]);
        assert!(sum <= transports, "{family}: {sum} of {transports}");
    }
}

const ALL: &[&str] = &[
    "--interface=eth0,lo",
    "--owners.users",
    "--owners.containers",
    "--owners.unit-domains",
    "--owners.container-domains",
];

#[test]
fn the_process_is_right_however_it_uses_its_socket() {
    let (here, there) = cable();
    let agent = Agent::start(&here, ALL);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    let _tcp6 = Maker::serving(&there, &["far", "tcp_server", THERE6, "7001"]);
    let _udp = Maker::serving(&there, &["far", "udp_server", THERE, "7002"]);
    let _udp6 = Maker::serving(&there, &["far", "udp_server", THERE6, "7002"]);
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path().to_str().expect("a path");
    // Name, kind, address, port, more, and what the flow is chosen by.
    let cases: &[(&str, &[&str], &str)] = &[
        ("tcp4", &["tcp", THERE, "7001"], "tcp"),
        ("tcp6", &["tcp", THERE6, "7001"], "tcp and ipv6"),
        ("mapped", &["tcp_mapped", THERE, "7001"], "tcp"),
        ("udp4", &["udp", THERE, "7002"], "udp"),
        ("udp6", &["udp", THERE6, "7002"], "udp"),
        ("udpconnected", &["udp_connected", THERE, "7002"], "udp"),
        ("sendonly", &["udp", THERE, "7003", "deaf"], "udp"),
        ("raw253", &["raw", THERE, "253"], "transport 253"),
        ("forkparent", &["fork_after_connect", THERE, "7001"], "tcp"),
        ("passer", &["passed", THERE, "7001"], "tcp"),
        ("sendfile", &["sendfile", THERE, "7001"], "tcp"),
        ("otheruser", &["user", THERE, "7001", "33"], "tcp and user www-data"),
        ("chrooted", &["chroot", THERE, "7001", root], "tcp"),
    ];
    for (name, arguments, what) in cases {
        make(&here, &[&[*name][..], *arguments].concat());
        let found = flow(&agent, &format!("{what} and process {name}"));
        assert_eq!(text(&found, "owner"), "user", "{name}: {found:#}");
        assert_eq!(text(&found, "owner_source"), "socket", "{name}: {found:#}");
        assert_eq!(text(&found, "process"), *name, "{found:#}");
    }
    adds_up(&agent);
}

#[test]
fn servers_own_what_they_accept_and_what_they_only_receive() {
    let (here, there) = cable();
    let agent = Agent::start(&here, ALL);
    let _tcp = Maker::serving(&here, &["srv4", "tcp_server", HERE, "7001"]);
    let _tcp6 = Maker::serving(&here, &["srv6", "tcp_server", HERE6, "7001"]);
    let _mapped = Maker::serving(&here, &["srvmapped", "tcp_server_mapped", "-", "7005"]);
    let _udp = Maker::serving(&here, &["srvudp", "udp_server", "0.0.0.0", "7002"]);
    let _sink = Maker::serving(&here, &["sink", "udp_sink", HERE, "7003"]);
    let _prefork = Maker::serving(&here, &["master", "prefork", "0.0.0.0", "7004"]);
    for (name, arguments) in [
        ("srv4", &["tcp", HERE, "7001"][..]),
        ("srv6", &["tcp", HERE6, "7001"]),
        ("srvmapped", &["tcp", HERE, "7005"]),
        ("srvudp", &["udp", HERE, "7002"]),
        ("sink", &["udp", HERE, "7003", "deaf"]),
        ("master", &["tcp", HERE, "7004"]),
    ] {
        make(&there, &[&["client"][..], arguments].concat());
        let found = flow(&agent, &format!("process {name}"));
        assert_eq!((text(&found, "owner"), text(&found, "process")), ("user", name), "{found:#}");
        // Who sent it is on this host, too, in the other namespace.
        assert_eq!(text(&found, "client_process"), "client", "{found:#}");
        assert_eq!(text(&found, "client_owner_source"), "veth", "{found:#}");
        assert_eq!(text(&found, "server_process"), name, "{found:#}");
    }
    // What nobody listens at is answered by the kernel.
    make_refused(&there);
    let refused = flow(&agent, "server port 7009");
    assert_eq!(text(&refused, "owner"), "kernel", "{refused:#}");
    adds_up(&agent);
}

fn make_refused(there: &Namespace) {
    let mut connect =
        there.command("python3", &["-c", "import socket; socket.socket().connect_ex(('10.7.0.1', 7009))"]);
    assert!(connect.status().expect("python3").success());
}

#[test]
fn of_processes_that_share_a_port_each_owns_its_connections() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &[ALL, &["--timeout.fin=1h"]].concat());
    let mut servers = Maker::of(maker(&here, &["share", "reuseport", HERE, "7001"]));
    (0..4).for_each(|_| drop(servers.heard()));
    for _ in 0..24 {
        make(&there, &["client", "tcp", HERE, "7001"]);
    }
    let found = wait_for("all flows", || {
        let found = flows(&agent, "server port 7001");
        (found.len() == 24).then_some(found)
    });
    let mut names: Vec<&str> = found.iter().map(|flow| text(flow, "process")).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 1 && names.iter().all(|name| name.starts_with("share")), "{names:?}");
    adds_up(&agent);
}

#[test]
fn within_the_host_both_ends_have_their_owner() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, ALL);
    let _tcp = Maker::serving(&here, &["looptcp", "tcp_server", "127.0.0.1", "7001"]);
    let _udp = Maker::serving(&here, &["loopsink", "udp_sink", "127.0.0.1", "7003"]);
    make(&here, &["lclient", "tcp", "127.0.0.1", "7001"]);
    make(&here, &["lsender", "udp", "127.0.0.1", "7003", "deaf"]);
    for (port, client, server) in [(7001, "lclient", "looptcp"), (7003, "lsender", "loopsink")] {
        let found = flow(&agent, &format!("server port {port}"));
        assert_eq!(text(&found, "client_process"), client, "{found:#}");
        assert_eq!(text(&found, "server_process"), server, "{found:#}");
        for name in [client, server] {
            assert_eq!(flows(&agent, &format!("process {name}")).len(), 1, "{name}");
        }
    }
    // Each byte is its sender's.
    let page = agent.wait_for_drains();
    let found = flow(&agent, "server port 7003");
    let sent = found["sent"]["bytes"].as_f64().expect("bytes");
    assert_eq!(page.sum("weir_process_io_bytes_total", &[("process", "lsender")]), sent);
    assert_eq!(page.sum("weir_process_io_bytes_total", &[("process", "loopsink")]), 0.0);
    adds_up(&agent);
}

#[test]
fn a_thousand_processes_that_live_for_milliseconds_all_have_their_name() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--timeout.fin=1h"]);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    make(&here, &["parent", "many", THERE, "7001", "1000"]);
    let found = wait_for("all flows", || {
        let found = flows(&agent, "server port 7001");
        (found.len() == 1000).then_some(found)
    });
    let mut names: Vec<&str> = found.iter().map(|flow| text(flow, "process")).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 1000, "{:?}", &names[..10]);
    assert!(names.iter().all(|name| name.starts_with("short")), "{:?}", &names[..10]);
}

#[test]
fn a_unit_is_the_control_group_that_the_process_is_in() {
    let Some(group) = Group::new("unit.service") else { return };
    let unit = group.0.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    let (here, there) = cable();
    let agent = Agent::start(&here, ALL);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    Maker::of(group.within(&maker(&here, &["inunit", "tcp", THERE, "7001"]))).ended();
    let found = flow(&agent, &format!("unit {unit}"));
    assert_eq!((text(&found, "process"), text(&found, "unit")), ("inunit", unit.as_str()), "{found:#}");
    let page = agent.wait_for_drains();
    let bytes =
        found["sent"]["bytes"].as_f64().expect("bytes") + found["received"]["bytes"].as_f64().expect("bytes");
    assert_eq!(page.sum("weir_unit_io_bytes_total", &[("unit", &unit)]), bytes);
    let established = [("unit", unit.as_str()), ("result", "established")];
    assert_eq!(page.sum("weir_unit_connection_attempts_total", &established), 1.0);
    adds_up(&agent);
}

#[test]
fn sockets_that_are_older_have_user_process_and_unit() {
    let Some(group) = Group::new("older.service") else { return };
    let (here, there) = cable();
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    let mut older = Maker::of(group.within(&maker(&here, &["elder", "older", THERE, "7001"])));
    older.heard();
    let agent = Agent::start(&here, ALL);
    older.say();
    assert_eq!(older.heard(), "1000");
    let found = flow(&agent, "server port 7001 and user root");
    assert_eq!(text(&found, "owner_source"), "sock_diag", "{found:#}");
    assert_eq!(text(&found, "process"), "elder", "{found:#}");
    assert!(text(&found, "unit").ends_with("older.service"), "{found:#}");
    older.say();
    older.ended();
    adds_up(&agent);
}

#[test]
fn what_passes_a_router_is_nobodys_of_it() {
    let (client, router, server) = (Namespace::new(), Namespace::new(), Namespace::new());
    router.sh("sysctl -qw net.ipv4.ip_forward=1");
    for (end, device, net) in [(&client, "eth0", 8), (&server, "east", 9)] {
        router.join(device, end, "eth0", net);
        plain(&router, device);
        end.ip(&format!("route add default via 10.{net}.0.1"));
    }
    // A socket of the router that would answer to any address.
    let _any = Maker::serving(&router, &["invented", "tcp_server", "0.0.0.0", "7001"]);
    let _anyudp = Maker::serving(&router, &["invented", "udp_sink", "0.0.0.0", "7003"]);
    let agent = Agent::start(&router, &["--interface=eth0"]);
    let _tcp = Maker::serving(&server, &["far", "tcp_server", "10.9.0.2", "7001"]);
    make(&client, &["near", "tcp", "10.9.0.2", "7001"]);
    make(&client, &["near", "udp", "10.9.0.2", "7003", "deaf"]);
    for port in [7001, 7003] {
        let found = flow(&agent, &format!("server port {port}"));
        // The client is a process of this host, in another namespace: it is known by its socket alone.
        assert_eq!(text(&found, "process"), "near", "{found:#}");
        assert_eq!(text(&found, "owner_source"), "veth", "{found:#}");
    }
    assert_eq!(flows(&agent, "process invented").len(), 0);
    let page = agent.wait_for_drains();
    assert_eq!(page.sum("weir_owner_io_bytes_total", &[("owner", "unknown")]), 0.0);
}

#[test]
fn echoes_are_their_sender_s_and_the_kernel_answers() {
    for (asks_here, owner, process) in [(true, "user", "ping"), (false, "kernel", "")] {
        let (here, there) = cable();
        let agent = Agent::start(&here, ALL);
        let (from, to) = if asks_here { (&here, THERE) } else { (&there, HERE) };
        from.sh(&format!("ping -q -c 2 -i 0.2 {to}"));
        let found = flow(&agent, "icmp");
        assert_eq!((text(&found, "owner"), text(&found, "process")), (owner, process), "{found:#}");
        adds_up(&agent);
    }
}

#[test]
fn whole_frames_are_those_of_the_unit_that_wrote_them() {
    let Some(group) = Group::new("frames.service") else { return };
    let (here, _there) = cable();
    let agent = Agent::start(&here, ALL);
    Maker::of(group.within(&maker(&here, &["framer", "packet", THERE, "7007", "eth0", HERE]))).ended();
    let found = flow(&agent, "port 7007");
    assert_eq!(text(&found, "owner_source"), "packet_diag", "{found:#}");
    assert!(text(&found, "unit").ends_with("frames.service"), "{found:#}");
}

#[test]
fn a_thread_s_traffic_is_its_process_s() {
    let (here, there) = cable();
    let agent = Agent::start(&here, ALL);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    let process = Maker::of(maker(&here, &["leader", "thread", THERE, "7001"]));
    let found = flow(&agent, "server port 7001 and process leader");
    assert!(text(&found, "command").contains("maker.py leader thread"), "{found:#}");
    assert_eq!(found["process_is_thread"], Value::Null);
    process.ended();
}

#[test]
fn filters_by_owner_are_refused_in_a_line_where_owners_are_not_asked_for() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--owners.enabled=false"]);
    let answer = agent.get("/api/v1/flows?filter=process%20x", "");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("owners.enabled"), "{}", answer.body);
    assert_eq!(agent.page().sum("weir_owner_io_bytes_total", &[]), 0.0);
}
