//! The units of packaging/ under a real systemd, installed as docs/install.md says: what they promise, with no
//! right more than they grant. `cargo xtask test-systemd` boots such machines.

mod pins;

use std::{
    fs,
    net::{TcpStream, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::works;
use crate::{
    agent::{ADDRESS, Answer, HERE, THERE, get, plain},
    exposition::Page,
    netns::{Namespace, ip, run, wait_for},
};

/// Changes of an administrator to the unit.
const CHANGES: &str = "/etc/systemd/system/weir.service.d";

fn systemctl(arguments: &str) -> String {
    let output = run("systemctl", &arguments.split_whitespace().collect::<Vec<_>>());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What systemd says of the service.
fn property(name: &str) -> String {
    systemctl(&format!("show weir.service --value --property {name}"))
}

fn process() -> i32 {
    property("MainPID").parse().expect("a number")
}

fn journal() -> String {
    String::from_utf8_lossy(&run("journalctl", &["--unit", "weir", "--output", "cat", "--no-pager"]).stdout)
        .into_owned()
}

/// Changes the unit as `systemctl edit` does, in place of earlier changes.
fn change(lines: &str) {
    fs::create_dir_all(CHANGES).expect("a directory");
    fs::write(Path::new(CHANGES).join("override.conf"), format!("[Service]\n{lines}\n")).expect("a file");
    systemctl("daemon-reload");
}

/// Its pages, once it answers.
fn answer(path: &str, headers: &str) -> Answer {
    wait_for(path, || get(ADDRESS, path, headers))
}

/// Waits until it has read the flows: it is ready for systemd as soon as programs hang on their hooks.
fn ready() {
    wait_for("its flows", || (answer("/-/ready", "").status == 200).then_some(()));
}

/// The cable of this machine, its default route, and who listens at the other end.
struct Cable {
    there: Namespace,
    sink: UdpSocket,
}

impl Cable {
    fn new() -> Self {
        let there = Namespace::new();
        ip("link set lo up");
        ip(&format!("link add eth0 type veth peer name eth1 netns {}", there.name()));
        ip("link set eth0 addrgenmode none");
        ip(&format!("addr add {HERE}/24 dev eth0"));
        ip("link set eth0 up");
        there.ip("link set eth1 addrgenmode none");
        there.ip(&format!("addr add {THERE}/24 dev eth1"));
        there.ip("link set eth1 up");
        ip(&format!("route add default via {THERE}"));
        run("ethtool", &["-K", "eth0", "tso", "off", "gso", "off", "gro", "off", "tx", "off"]);
        plain(&there, "eth1");
        let sink = there.enter(|| UdpSocket::bind((THERE, 0)).expect("bind"));
        Self { there, sink }
    }

    /// Sends so many datagrams, and waits until the instance that runs has as many as it began with and these.
    fn counts(&self, datagrams: u32, header: &str) {
        let udp = [("interface", "eth0"), ("transport", "udp"), ("direction", "transmit")];
        let counted =
            || Page::text(&answer("/metrics", header).body).sum("weir_network_io_packets_total", &udp);
        let before = counted();
        let socket = UdpSocket::bind("0.0.0.0:0").expect("bind");
        let address = self.sink.local_addr().expect("an address");
        for _ in 0..datagrams {
            socket.send_to(b"to be counted", address).expect("send");
        }
        wait_for("the count", || (counted() >= before + f64::from(datagrams)).then_some(()));
        assert_eq!(counted(), before + f64::from(datagrams));
        let page = Page::text(&answer("/metrics", header).body);
        assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    }
}

/// Enabled, it runs when that returns; it has a user of its own, three capabilities, and has given them up.
fn begins(cable: &Cable) {
    systemctl("enable --now weir");
    assert_eq!((property("ActiveState"), property("SubState")), ("active".into(), "running".into()));
    ready();
    let status = fs::read_to_string(format!("/proc/{}/status", process())).expect("its status");
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).expect(name).trim().to_owned();
    assert_ne!(field("Uid:").split('\t').next(), Some("0"), "{status}");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set} of the main thread");
    }
    // CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN: what could be had by executing something, were that not forbidden.
    assert_eq!(field("CapBnd:"), "000000c000001000");
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".into(), "2".into()));
    let page = Page::text(&answer("/metrics", "").body);
    for by in ["capabilities", "seccomp"] {
        let threads = page.count("weir_confined", &[("by", by)]);
        assert!(threads >= 3, "{threads}");
        assert_eq!(page.sum("weir_confined", &[("by", by)]), threads as f64, "{by}");
    }
    assert_eq!(page.sum("weir_network_io_packets_total", &[("transport", "udp")]), 0.0);
    cable.counts(50, "");
}

/// A reload reads the settings.
fn reloads() {
    let before = process();
    fs::write("/etc/weir/weir.toml", "max-flows = 1024\ndrain-interval = \"500ms\"\n").expect("settings");
    systemctl("reload weir");
    wait_for("the settings", || journal().contains("configuration reloaded").then_some(()));
    assert_eq!((process(), property("NRestarts")), (before, "0".into()));
}

/// It begins anew and counts once. The watchdog is told; a process that stands still is ended, and the next one
/// counts.
fn begins_anew(cable: &Cable) {
    let before = process();
    change("WatchdogSec=30s\nTimeoutAbortSec=5s");
    systemctl("restart weir");
    assert_ne!(process(), before);
    let page = Page::text(&answer("/metrics", "").body);
    assert_eq!(page.sum("weir_network_io_packets_total", &[("transport", "udp")]), 0.0, "nothing is left");
    cable.counts(30, "");
    let told = || property("WatchdogTimestampMonotonic");
    let first = told();
    wait_for("word to the watchdog", || (told() != first).then_some(()));
    let before = process();
    kill(Pid::from_raw(before), Signal::SIGSTOP).expect("a signal");
    wait_for("the watchdog", || (property("NRestarts") == "1").then_some(()));
    wait_for("the next one", || (property("SubState") == "running").then_some(()));
    assert_ne!(process(), before);
    cable.counts(20, "");
    systemctl("stop weir");
}

/// systemd listens: the first connection starts the service, with what docs/install.md has for passwords, records
/// and mirror ports; while it restarts connections wait.
fn is_activated(cable: &Cable) {
    let hash = bcrypt::hash("sesame", 4).expect("a hash");
    let web = Path::new("/etc/weir/web.yml");
    fs::write(web, format!("basic_auth_users:\n  ann: {hash}\n")).expect("a file");
    // Nobody but root reads it; the service is given a copy.
    fs::set_permissions(web, fs::Permissions::from_mode(0o600)).expect("its mode");
    fs::write("/etc/weir/weir.toml", "max-flows = 1024\npromiscuous = true\n").expect("settings");
    change(
        "LoadCredential=web.yml:/etc/weir/web.yml\n\
         AmbientCapabilities=CAP_NET_RAW\nCapabilityBoundingSet=CAP_NET_RAW\n\
         RestrictAddressFamilies=AF_PACKET\n\
         ExecStart=\nExecStart=/usr/bin/weir run --csv %S/weir",
    );
    systemctl("enable --now weir.socket");
    assert_eq!(property("ActiveState"), "inactive");
    assert_eq!(answer("/metrics", "").status, 401);
    let right = "Authorization: Basic YW5uOnNlc2FtZQ==\r\n";
    assert_eq!(answer("/metrics", right).status, 200);
    let link = String::from_utf8_lossy(&run("ip", &["-d", "link", "show", "eth0"]).stdout).into_owned();
    assert!(link.contains("promiscuity 1"), "{link}");
    cable.counts(10, right);
    let before = process();
    systemctl("restart --no-block weir");
    for _ in 0..50 {
        TcpStream::connect(ADDRESS).expect("it is listened to all the time");
    }
    wait_for("the next one", || (process() != before && property("SubState") == "running").then_some(()));
    cable.counts(10, right);
}

/// It ends well, and nothing stays but its records.
fn ends() {
    systemctl("stop weir.socket weir.service");
    assert_eq!((property("ActiveState"), property("Result")), ("inactive".into(), "success".into()));
    assert_eq!(property("ExecMainStatus"), "0");
    let tables: Vec<_> = fs::read_dir("/var/lib/weir").expect("its directory").flatten().collect();
    assert!(tables.iter().any(|t| t.file_name().to_string_lossy().starts_with("flow")), "{tables:?}");
    assert!(get(ADDRESS, "/-/healthy", "").is_none(), "nobody listens");
    for direction in ["ingress", "egress"] {
        let filters = run("tc", &["filter", "show", "dev", "eth0", direction]).stdout;
        assert!(!String::from_utf8_lossy(&filters).contains("weir"), "{direction}");
    }
    let check = run("/usr/bin/weir", &["check", "--interface=eth0", "--promiscuous"]).stdout;
    let check = String::from_utf8_lossy(&check).into_owned();
    assert!(!check.contains("programs eth0"), "{check}");
}

/// Says what the service said when a test fails.
struct Said;

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the journal:\n{}", journal());
        }
    }
}

#[test]
#[ignore = "drives this machine's systemd: `cargo xtask test-systemd`"]
fn the_unit_keeps_what_it_promises() {
    let _said = Said;
    let cable = Cable::new();
    begins(&cable);
    reloads();
    begins_anew(&cable);
    pins::go_on(&cable);
    works("unit_pins");
    is_activated(&cable);
    ends();
    let journal = journal();
    for word in ["ot permitted", "ermission denied", "panicked"] {
        assert!(!journal.contains(word), "{journal}");
    }
    drop(cable.there);
    works("unit");
}
