//! Programs and tables that outlive the process: nothing is lost or counted twice between two instances.

use std::{
    net::{SocketAddr, UdpSocket},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use aya::maps::{Array, Map, MapData};
use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, HERE, Running, THERE, cable, weir},
    bpffs::BpfFs,
    hooks::programs,
    netns::{DEADLINE, Namespace, Over, uninterrupted, wait_for},
    outputs::{lines, text},
    traffic,
};

/// Between two questions of a socket.
const PAUSE: Duration = Duration::from_micros(200);

/// Has an agent pin there.
pub(crate) fn flag(bpf: &BpfFs) -> String {
    format!("--pin={}", bpf.pins().display())
}

/// The same numbers at each run.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self, below: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// So many questions are asked at most while nobody waits for more: through the end of one instance and the start of
/// the next, and not more than a table holds on a machine that takes long for both.
const AHEAD: u64 = 2000;

/// Datagrams that were answered; each is one packet in and one out.
#[derive(Default)]
pub(crate) struct Exchange {
    stop: AtomicBool,
    answered: AtomicU64,
    /// When so many were answered, questions wait.
    allowed: AtomicU64,
}

impl Exchange {
    /// Waits until this many more have been answered.
    pub(crate) fn wait_for_more(&self, more: u64) {
        let goal = self.answered.load(Relaxed) + more;
        self.allowed.store(goal + AHEAD, Relaxed);
        wait_for("datagrams", || (self.answered.load(Relaxed) >= goal).then_some(()));
    }

    /// One question after another until it is stopped: `each` for each socket, 0 for one socket for all.
    fn ask(&self, from: &Namespace, server: SocketAddr, each: u64) {
        from.enter(|| {
            let bind = || {
                let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
                socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
                socket.connect(server).expect("connect");
                socket
            };
            let (mut socket, mut asked, mut buffer) = (bind(), 0, [0; 64]);
            while !self.stop.load(Relaxed) {
                if self.answered.load(Relaxed) >= self.allowed.load(Relaxed) {
                    std::thread::park_timeout(PAUSE);
                    continue;
                }
                socket.send(&[b'q'; 50]).expect("send");
                // A packet that is lost ends the test here.
                uninterrupted(|| socket.recv(&mut buffer)).expect("the answer");
                self.answered.fetch_add(1, Relaxed);
                // The instances need the processor as well.
                std::thread::park_timeout(PAUSE);
                asked += 1;
                if asked == each {
                    (socket, asked) = (bind(), 0);
                }
            }
        });
    }

    /// Has `there` ask a server as long as `work` goes on; returns how many were answered in all. The names
    /// of `flows` say how many questions each socket asks.
    pub(crate) fn during(
        server: &UdpSocket,
        there: &Namespace,
        flows: &[u64],
        work: impl FnOnce(&Self),
    ) -> u64 {
        let this = Self::default();
        server.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let address = server.local_addr().expect("an address");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _done = Over(&done);
            scope.spawn(|| {
                let mut buffer = [0; 64];
                while !done.load(Relaxed) {
                    if let Ok((_, from)) = server.recv_from(&mut buffer) {
                        server.send_to(b"a", from).expect("answer");
                    }
                }
            });
            std::thread::scope(|scope| {
                let _stop = Over(&this.stop);
                for each in flows {
                    scope.spawn(|| this.ask(there, address, *each));
                }
                work(&this);
            });
        });
        this.answered.load(Relaxed)
    }
}

fn server(here: &Namespace) -> UdpSocket {
    here.enter(|| UdpSocket::bind((HERE, 0))).expect("a socket")
}

/// Packets of UDP that came in, and that went out.
const WAYS: [&str; 2] = ["receive", "transmit"];

/// Instances that are killed and ended in turn under traffic; `more` datagrams pass at least while one runs, and
/// while none does.
fn exchanges(ingress: &str, rounds: u64, more: u64) {
    let (here, there) = cable();
    let bpf = BpfFs::new();
    let arguments = ["--interface=eth0", ingress, &flag(&bpf), "--timeout.udp=1s", "--max-flows=16384"];
    let mut last = None;
    let mut moments = Seeded(0x5eed);
    // Two flows that go on, and many that last for three questions.
    let mut next = Some(Agent::start(&here, &arguments));
    let sent = Exchange::during(&server(&here), &there, &[0, 0, 3], |exchange| {
        for round in 0..rounds {
            let agent = next.take().unwrap_or_else(|| Agent::start(&here, &arguments));
            assert_eq!(programs(&here, "eth0").len(), 2, "round {round}");
            exchange.wait_for_more(more + moments.next(4 * more));
            if round % 2 == 0 {
                agent.kill();
            } else {
                agent.stop(Signal::SIGTERM);
            }
            // Nobody runs, and everything is counted.
            assert_eq!(programs(&here, "eth0").len(), 2, "round {round}");
            exchange.wait_for_more(more + moments.next(2 * more));
        }
        last = Some(Agent::start(&here, &arguments));
    });
    let agent = last.expect("the last");
    for way in WAYS {
        let labels = [("interface", "eth0"), ("direction", way), ("transport", "udp")];
        agent.wait_for_sum("weir_network_io_packets_total", &labels, sent as f64);
    }
    let page = agent.wait_for_drains();
    assert_eq!(page.unaccounted(), 0.0);
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    assert_eq!(page.sum("weir_overflow_packets_total", &[]), 0.0);
    assert!(page.sum("weir_hook_packets_total", &[("interface", "eth0")]) >= 2.0 * sent as f64);
    let log = agent.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR"), "{log}");
    eprintln!("{ingress}: {sent} datagrams each way over {rounds} exchanges");
}

#[test]
fn every_packet_is_counted_once_whoever_runs_and_however_it_ended() {
    for ingress in ["--ingress=tc", "--ingress=xdp"] {
        exchanges(ingress, 6, 500);
    }
}

/// Kernels before 6.6 have filters of clsact where others have links.
mod guest {
    #[test]
    #[ignore = "for kernels of other versions: `cargo xtask test-kernels`"]
    fn an_upgrade_in_place_costs_no_packet() {
        super::exchanges("--ingress=tc", 3, 50);
        crate::guest::works("pins");
    }
}

/// Packets of the records of UDP: what clients sent.
fn recorded(path: &Path) -> u64 {
    let flows = lines(path).into_iter().filter(|r| r["record"] == "flow" && r["transport"] == "udp");
    flows.map(|r| r["sent"]["packets"].as_u64().expect("a number")).sum()
}

#[test]
fn records_of_all_instances_have_every_packet_once() {
    // Ended well while flows come and go; killed while flows go on.
    for (flows, signal) in [(&[0, 3][..], Signal::SIGTERM), (&[0, 0], Signal::SIGKILL)] {
        let (here, there) = cable();
        let bpf = BpfFs::new();
        let directory = tempfile::tempdir().expect("a directory");
        let records = directory.path().join("records.json");
        let timeout = if signal == Signal::SIGTERM { "--timeout.udp=1s" } else { "--timeout.udp=1h" };
        let arguments = [
            "--interface=eth0",
            &flag(&bpf),
            timeout,
            "--max-flows=16384",
            &format!("--json={}", text(&records)),
        ];
        let mut last = None;
        let mut next = Some(Agent::start(&here, &arguments));
        let sent = Exchange::during(&server(&here), &there, flows, |exchange| {
            for _ in 0..3 {
                let agent = next.take().unwrap_or_else(|| Agent::start(&here, &arguments));
                exchange.wait_for_more(1500);
                if signal == Signal::SIGTERM {
                    drop(agent.stop(signal));
                } else {
                    agent.kill();
                }
                exchange.wait_for_more(500);
            }
            last = Some(Agent::start(&here, &arguments));
        });
        let agent = last.expect("the last");
        let labels = [("direction", "receive"), ("transport", "udp")];
        agent.wait_for_sum("weir_network_io_packets_total", &labels, sent as f64);
        agent.stop(Signal::SIGTERM);
        assert_eq!(recorded(&records), sent);
        eprintln!("{signal}: {sent} packets in records");
    }
}

/// A command that must refuse in one line.
fn refused(ns: &Namespace, arguments: &[&str]) -> String {
    let mut process = Running::start(weir(ns, arguments));
    let status = process.end();
    let said = process.stderr();
    assert_eq!(status.code(), Some(1), "{said}");
    let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("weir: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    errors[0].to_owned()
}

#[test]
fn pins_of_another_version_size_or_setting_are_refused_and_left_alone() {
    let (here, there) = cable();
    let bpf = BpfFs::new();
    let pins = flag(&bpf);
    Agent::start(&here, &["--interface=eth0", &pins]).stop(Signal::SIGTERM);
    let run = |more: &[&str]| refused(&here, &[&["run", "--interface=eth0", &pins], more].concat());
    for (more, what) in [
        (&["--max-flows=64"][..], "--max-flows (131072, here it is 64)"),
        (&["--ingress=xdp"], "--ingress (tc, here it is xdp)"),
        (&["--promiscuous"], "--promiscuous (false, here it is true)"),
    ] {
        let said = run(more);
        assert!(said.contains(what) && said.contains("weir unpin --pin"), "{said}");
        assert_eq!(programs(&here, "eth0").len(), 2);
    }
    let said = refused(&there, &["run", "--interface=eth1", &pins]);
    assert!(said.contains("network namespace"), "{said}");

    let path = bpf.pins().join("CONFIG");
    let set_version = |version: u64| {
        let map = Map::Array(MapData::from_pin(&path).expect("the pin"));
        let mut words: Array<_, u64> = Array::try_from(map).expect("an array");
        let before = words.get(&1, 0).expect("a word");
        words.set(1, version, 0).expect("a word");
        before
    };
    let version = set_version(999);
    let said = run(&[]);
    assert!(said.contains("ABI version (999, here it is"), "{said}");
    set_version(version);

    let (hooks, sampling) = (bpf.pins().join("HOOKS"), bpf.pins().join("SAMPLING"));
    std::fs::remove_file(&hooks).expect("a pin");
    std::fs::rename(&sampling, &hooks).expect("another map under its name");
    let said = run(&[]);
    assert!(said.contains("size of HOOKS") && said.contains("weir unpin --pin"), "{said}");
}

#[test]
fn pins_of_another_size_are_replaced_where_that_is_asked_for_and_a_metric_tells() {
    let (here, _there) = cable();
    let bpf = BpfFs::new();
    let pins = flag(&bpf);
    Agent::start(&here, &["--interface=eth0", &pins, "--pin-replace"]).stop(Signal::SIGTERM);
    // Nothing to replace: the same pins are gone on from.
    let agent = Agent::start(&here, &["--interface=eth0", &pins, "--pin-replace"]);
    assert_eq!(agent.page().sum("weir_events_total", &[("event", "pins_replaced")]), 0.0);
    agent.stop(Signal::SIGTERM);
    let agent = Agent::start(&here, &["--interface=eth0", &pins, "--pin-replace", "--max-flows=1000"]);
    agent.wait_for_sum("weir_events_total", &[("event", "pins_replaced")], 1.0);
    assert_eq!(agent.page().sum("weir_events_total", &[("event", "taken_over")]), 0.0);
    assert_eq!(programs(&here, "eth0").len(), 2, "those of the first are gone");
    // Its own pins stay as those of the first did.
    agent.stop(Signal::SIGTERM);
    assert!(bpf.pins().join("SLOTS").exists() && programs(&here, "eth0").len() == 2);
}

#[test]
fn unpin_ends_what_nobody_uses_and_nothing_else() {
    let (here, _there) = cable();
    let bpf = BpfFs::new();
    let pins = flag(&bpf);
    let agent = Agent::start(&here, &["--interface=eth0", &pins]);
    // Not while one lives; nor does a second one get them, also for another interface.
    for arguments in
        [&["unpin", &pins][..], &["run", "--interface=lo", "--web.listen-address=127.0.0.1:0", &pins]]
    {
        let said = refused(&here, arguments);
        assert!(said.contains(&format!("process {}", agent.process.id())), "{said}");
    }
    agent.kill();
    assert_eq!(programs(&here, "eth0").len(), 2);
    let mut unpin = Running::start(weir(&here, &["unpin", &pins]));
    assert!(unpin.end().success(), "{}", unpin.stderr());
    assert!(unpin.stdout().contains("2 links, 15 maps"), "{}", unpin.stdout());
    wait_for("nothing to be attached", || programs(&here, "eth0").is_empty().then_some(()));
    assert!(!bpf.pins().exists());
    let said = refused(&here, &["unpin"]);
    assert!(said.contains("--pin"), "{said}");
}

#[test]
fn what_is_not_ours_is_neither_used_nor_removed() {
    let (here, _there) = cable();
    let bpf = BpfFs::new();
    // Files of somebody on a file system of files.
    let files = tempfile::tempdir().expect("a directory");
    for name in ["CONFIG", "STATE", "link-1-xdp", "link-notes"] {
        std::fs::write(files.path().join(name), "important").expect("a file");
    }
    let flags = format!("--pin={}", files.path().display());
    for command in [&["unpin", &flags][..], &["run", "--interface=eth0", &flags]] {
        assert!(refused(&here, command).contains("is on no BPF file system"));
    }
    assert_eq!(std::fs::read_dir(files.path()).expect("the directory").count(), 4);
    // Maps of somebody under names of ours, with and without one that would say what they are of.
    std::fs::create_dir(bpf.pins()).expect("a directory");
    // An array, not of ours but for its sizes.
    let parameters = aya_obj::Map::new_from_params(2, 4, 8, 16, 0);
    let map = MapData::create(parameters, "others", None).expect("a map");
    for name in ["STATE", "CONFIG"] {
        map.pin(bpf.pins().join(name)).expect("a pin");
        for command in [&["unpin", &flag(&bpf)][..], &["run", "--interface=eth0", &flag(&bpf)]] {
            let said = refused(&here, command);
            assert!(said.contains(&format!("{name} is there, and no pin of Weir's")), "{said}");
            assert!(bpf.pins().join(name).exists());
        }
    }
    // Nothing at all.
    let said = refused(&here, &["unpin", "--pin=/nowhere/at/all"]);
    assert!(said.contains("nothing is pinned in /nowhere/at/all"), "{said}");
}

#[test]
fn a_directory_that_others_may_write_to_is_no_place_for_pins() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    let (here, _there) = cable();
    let bpf = BpfFs::new();
    std::fs::create_dir(bpf.pins()).expect("a directory");
    let run = ["run", "--interface=eth0", &flag(&bpf)];
    // Where nobody can remove ours, others could still be first.
    for mode in [0o777, 0o1777] {
        std::fs::set_permissions(bpf.pins(), std::fs::Permissions::from_mode(mode)).expect("permissions");
        let said = refused(&here, &run);
        assert!(said.contains("other users may write") && said.contains("--pin"), "{said}");
    }
    std::fs::set_permissions(bpf.pins(), std::fs::Permissions::from_mode(0o700)).expect("permissions");
    chown(bpf.pins(), Some(65_534), Some(65_534)).expect("another owner");
    let said = refused(&here, &run);
    assert!(said.contains("belongs to another user (uid 65534)"), "{said}");
    assert_eq!(std::fs::read_dir(bpf.pins()).expect("the directory").count(), 0);
}

#[test]
fn a_start_with_pins_that_fails_leaves_none() {
    let (here, _there) = cable();
    let bpf = BpfFs::new();
    // No loopback program can be attached at XDP in the driver.
    let said = refused(&here, &["run", "--interface=eth0,lo", "--ingress=xdp", &flag(&bpf)]);
    assert!(said.contains("lo"), "{said}");
    wait_for("nothing to be attached", || programs(&here, "eth0").is_empty().then_some(()));
    assert_eq!(std::fs::read_dir(bpf.pins()).map_or(0, Iterator::count), 0);
    let directory = tempfile::tempdir().expect("a directory");
    let said = refused(
        &here,
        &["run", "--interface=eth0", &format!("--pin={}", directory.path().join("x").display())],
    );
    assert!(said.contains("BPF file system") && said.contains("mount -t bpf"), "{said}");
}

#[test]
fn connections_across_the_exchange_are_one_flow_with_its_name_and_state() {
    let (here, there) = cable();
    let bpf = BpfFs::new();
    let arguments = ["--interface=eth0", &flag(&bpf)];
    let first = Agent::start(&here, &arguments);
    let listener = there.enter(|| std::net::TcpListener::bind((THERE, 80))).expect("listen");
    let stream = here.enter(|| std::net::TcpStream::connect((THERE, 80))).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    let say = |mut stream: &std::net::TcpStream, what: &[u8]| {
        std::io::Write::write_all(&mut stream, what).expect("write");
    };
    say(&stream, b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
    say(&server, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let domain = [("domain", "example.org")];
    first.wait_for_sum("weir_domain_connections_total", &domain, 1.0);
    first.wait_for_sum("weir_tcp_connection_attempts_total", &[("result", "established")], 1.0);
    // What a drain tells is pinned at its end: a kill in between may tell it twice.
    let before = first.wait_for_drains().sum("weir_network_io_packets_total", &[("transport", "tcp")]);
    first.kill();
    say(&stream, &[b'x'; 5000]);
    let second = Agent::start(&here, &arguments);
    let page = second.wait_for("its name", |page| page.sum("weir_domain_io_bytes_total", &domain) >= 5000.0);
    assert_eq!(page.sum("weir_domain_connections_total", &[]), 0.0);
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[]), 0.0);
    assert_eq!(page.sum("weir_tcp_connections", &[("state", "established")]), 1.0);
    assert_eq!(page.sum("weir_flows_started_total", &[("transport", "tcp")]), 0.0);
    assert!(page.sum("weir_network_io_packets_total", &[("transport", "tcp")]) > before);
    drop((stream, server));
    second.wait_for_sum("weir_flows_ended_total", &[("transport", "tcp")], 1.0);
    assert_eq!(second.page().sum("weir_tcp_connections", &[]), 0.0);
    second.stop(Signal::SIGTERM);
}

#[test]
fn an_interface_that_went_or_is_meant_no_more_is_told_and_left() {
    let (here, there) = cable();
    let bpf = BpfFs::new();
    for device in ["gone0", "left0"] {
        here.join(device, &there, &format!("{device}p"), if device == "gone0" { 6 } else { 5 });
        crate::agent::plain(&here, device);
    }
    let first = Agent::start(&here, &["--interface=eth0,gone0,left0", &flag(&bpf)]);
    first.kill();
    for net in ["10.6.0.2", "10.5.0.2", THERE] {
        traffic::udp(&here, &there, net, 7, 50);
    }
    here.ip("link del gone0");
    let second = Agent::start(&here, &["--interface=eth*", &flag(&bpf)]);
    for interface in ["eth0", "gone0", "left0"] {
        let labels = [("interface", interface), ("direction", "transmit"), ("transport", "udp")];
        second.wait_for_sum("weir_network_io_packets_total", &labels, 7.0);
    }
    let page = second.wait_for_drains();
    assert_eq!(page.unaccounted(), 0.0);
    assert_eq!(page.sum("weir_interface_attached", &[]), 2.0);
    wait_for("left0 to be left", || programs(&here, "left0").is_empty().then_some(()));
    assert_eq!(programs(&here, "eth0").len(), 2);
    let log = second.stop(Signal::SIGTERM);
    assert!(!log.contains("ERROR"), "{log}");
}
