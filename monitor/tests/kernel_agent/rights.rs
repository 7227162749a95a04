//! What is needed for what, and what a running instance has given up: docs/rights.md.
#![expect(unsafe_code, reason = "system calls that are to be refused have no safe form")]

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    process::Command,
};

use monitor::confine::{Confinement, Role};
use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, Running, THERE, cable, file, get, without_settings},
    hooks::programs,
    netns::{Namespace, wait_for},
    traffic,
};

/// The user and the capabilities of systemd's service.
pub(crate) const SERVICE: [&str; 7] = [
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--no-new-privs",
    "--bounding-set=-all,+bpf,+net_admin,+perfmon",
    "--inh-caps=-all,+bpf,+net_admin,+perfmon",
    "--ambient-caps=-all,+bpf,+net_admin,+perfmon",
];

/// The binary where everybody may run it.
pub(crate) struct Public {
    directory: tempfile::TempDir,
}

impl Public {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let binary = directory.path().join("weir");
        fs::copy(env!("CARGO_BIN_EXE_weir"), &binary).expect("a copy");
        for path in [directory.path(), &binary] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
        }
        Self { directory }
    }

    /// `weir` under `setpriv` with these options.
    pub(crate) fn weir(&self, ns: &Namespace, rights: &[&str], arguments: &[&str]) -> Command {
        let binary = self.directory.path().join("weir");
        let command = [rights, &["--", binary.to_str().expect("a path")], arguments].concat();
        without_settings(ns.command("setpriv", &command))
    }
}

/// Runs as root, with these capabilities alone, and must refuse in one line.
fn refused(ns: &Namespace, public: &Public, capabilities: &str, arguments: &[&str]) -> String {
    let rights = format!("--bounding-set=-all{capabilities}");
    let mut process = Running::start(public.weir(ns, &[&rights], arguments));
    let status = process.end();
    let said = process.stderr();
    assert_eq!(status.code(), Some(1), "{capabilities}: {said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("weir: ")).collect();
    assert_eq!(errors.len(), 1, "{capabilities}: {said}");
    assert_eq!(programs(ns, "eth0"), Vec::<String>::new());
    errors[0].to_owned()
}

#[test]
fn each_capability_is_missed_by_name_where_it_is_needed() {
    let (here, _there) = cable();
    let public = Public::new();
    let out = tempfile::tempdir().expect("a directory");
    let out = out.path().to_str().expect("a path");
    let run = ["run", "--interface=eth0", "--max-flows=64"];
    for (capabilities, arguments, missing) in [
        (",+net_admin,+perfmon", &run[..], "missing: CAP_BPF)"),
        (",+bpf,+perfmon", &run, "missing: CAP_NET_ADMIN)"),
        (",+bpf,+net_admin", &run, "missing: CAP_PERFMON)"),
        (
            ",+bpf,+net_admin,+perfmon",
            &["run", "--interface=eth0", "--max-flows=64", "--promiscuous"],
            "making eth0 promiscuous: Operation not permitted (os error 1); run as root or grant CAP_NET_RAW",
        ),
        (
            ",+bpf,+net_admin,+perfmon",
            &["record", "--interface=eth0", "--max-flows=64", "--packets", "-o", out],
            "packets of eth0: Operation not permitted (os error 1); run as root or grant CAP_NET_RAW",
        ),
        (
            ",+bpf,+net_admin,+perfmon",
            &["run", "--interface=eth0", "--max-flows=64", "--web.listen-address=127.0.0.1:80"],
            "127.0.0.1:80: ports below 1024 need CAP_NET_BIND_SERVICE; give another with --web.listen-address",
        ),
    ] {
        let said = refused(&here, &public, capabilities, arguments);
        assert!(said.contains(missing), "{missing} in {said}");
    }
}

#[test]
fn a_user_of_its_own_with_three_capabilities_counts() {
    let (here, there) = cable();
    let public = Public::new();
    let arguments = ["run", "--interface=eth0", "--max-flows=64", "--drain-interval=100ms"];
    let weir = public.weir(&here, &SERVICE, &arguments);
    // From 5.11 on maps are no locked memory: a limit on that is in nobody's way, and nobody may raise it.
    let arguments: Vec<&str> = weir.get_args().map(|a| a.to_str().expect("UTF-8")).collect();
    let mut limited = Command::new("prlimit");
    limited.args(["--memlock=65536:65536", "--", "ip"]).args(arguments);
    let mut process = Running::start(without_settings(limited));
    wait_for("it to be ready", || {
        assert!(process.ended().is_none(), "{}", process.stderr());
        here.enter(|| get(crate::agent::ADDRESS, "/-/ready", "")).filter(|answer| answer.status == 200)
    });
    traffic::udp(&here, &there, THERE, 5, 50);
    let agent = Agent { ns: &here, process };
    let labels = [("transport", "udp"), ("direction", "transmit")];
    agent.wait_for_sum("weir_network_io_packets_total", &labels, 5.0);
    agent.stop(Signal::SIGTERM);
    assert_eq!(programs(&here, "eth0"), Vec::<String>::new());
}

/// A thread as /proc shows it.
#[derive(Debug)]
struct Thread {
    name: String,
    status: String,
}

impl Thread {
    fn field(&self, name: &str) -> &str {
        let line = self.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{name} of {}", self.name)).trim()
    }

    /// Those of users and groups: real, effective, saved, and the one that file systems look at.
    fn numbers(&self, name: &str) -> Vec<u32> {
        self.field(name).split_whitespace().map(|number| number.parse().expect("a number")).collect()
    }
}

/// Whom root becomes on a host without a user of Weir's own.
pub(crate) const USER: u32 = 65_530;

/// What a thread of that name has of a user: of root, those that write or read again have what opens files.
fn ids(thread: &str, user: u32) -> Vec<u32> {
    let opens = matches!(thread, "files" | "outputs" | "packets") || thread.starts_with("out-");
    let files = if opens { 0 } else { user };
    vec![user, user, user, files]
}

fn threads(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let read = |path: PathBuf| {
        let name = fs::read_to_string(path.join("comm")).ok()?.trim().to_owned();
        Some(Thread { name, status: fs::read_to_string(path.join("status")).ok()? })
    };
    tasks.flatten().filter_map(|task| read(task.path())).collect()
}

/// Asserts that the counter has its two capabilities, all other threads none, and that these are among them.
pub(crate) fn assert_confined(pid: u32, names: &[&str]) {
    // include/uapi/linux/capability.h: CAP_BPF and CAP_NET_ADMIN.
    const COUNTER: &str = "0000008000001000";
    const NONE: &str = "0000000000000000";
    let threads = threads(pid);
    // What only who may trace it reads is root's, not its user's: it is not dumped, nor traced by others.
    assert_eq!(fs::metadata(format!("/proc/{pid}/environ")).expect("a process").uid(), 0);
    for thread in &threads {
        let kept = if thread.name == "counter" { COUNTER } else { NONE };
        assert_eq!(thread.numbers("Uid"), ids(&thread.name, USER), "{}", thread.name);
        assert_eq!(thread.numbers("Gid"), ids(&thread.name, USER), "{}", thread.name);
        assert_eq!(thread.field("Groups"), "", "{}", thread.name);
        for (field, value) in [
            ("CapPrm", kept),
            ("CapEff", kept),
            ("CapInh", NONE),
            ("CapAmb", NONE),
            ("CapBnd", NONE),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            assert_eq!(thread.field(field), value, "{field} of {}", thread.name);
        }
    }
    for name in names {
        assert!(threads.iter().any(|thread| thread.name == *name), "{name} in {threads:?}");
    }
}

#[test]
fn every_thread_has_given_up_what_it_does_not_need() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let csv = format!("--csv={}", directory.path().display());
    let agent = Agent::start(&here, &["--interface=eth*", &csv]);
    let page = agent.page();
    for thread in ["main", "files", "counter", "server", "outputs"] {
        for by in ["user", "capabilities", "seccomp"] {
            let labels = [("thread", thread), ("by", by)];
            assert_eq!(page.sum("weir_confined", &labels), 1.0, "{thread} {by}");
        }
    }
    assert_confined(agent.process.id(), &["weir", "files", "counter", "server", "outputs", "out-csv"]);
    // What comes later still works: an interface, and the files of records.
    here.join("eth7", &there, "eth8", 17);
    wait_for("the new interface", || (programs(&here, "eth7").len() == 2).then_some(()));
    traffic::udp(&here, &there, "10.17.0.2", 3, 50);
    let labels = [("interface", "eth7"), ("transport", "udp"), ("direction", "transmit")];
    agent.wait_for_sum("weir_network_io_packets_total", &labels, 3.0);
    agent.stop(Signal::SIGTERM);
    let written = fs::read_dir(directory.path()).expect("files").flatten();
    let owners: Vec<u32> = written.map(|file| file.metadata().expect("a file").uid()).collect();
    assert!(!owners.is_empty() && owners.iter().all(|owner| *owner == 0), "{owners:?}");
}

/// How each file that is root's alone is opened again by a process that is root's no more.
#[test]
fn what_is_roots_alone_is_opened_again_after_root_was_given_up() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    // As configuration management and certificate tools do it: another file takes the name, with root's mode.
    let replace = |name: &str, text: &str, mode: u32| {
        fs::write(path("new"), text).expect("a file");
        fs::set_permissions(path("new"), fs::Permissions::from_mode(mode)).expect("permissions");
        fs::rename(path("new"), path(name)).expect("renamed");
    };
    let certificate = || {
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        replace("cert.pem", &key.cert.pem(), 0o600);
        replace("key.pem", &key.signing_key.serialize_pem(), 0o600);
        replace("trusted.pem", &key.cert.pem(), 0o600);
    };
    for name in ["out", "in"] {
        fs::create_dir(path(name)).expect("a directory");
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o700)).expect("permissions");
    }
    certificate();
    replace("web.yml", "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n", 0o600);
    let records = path("out/records.json");
    let config = |fields: &str| {
        let output = format!("[outputs.all]\nkind = \"json\"\npath = \"{}\"\n{fields}", records.display());
        let text = format!("drain-interval = \"100ms\"\ntimeout.active = \"1s\"\n{output}");
        replace("weir.toml", &text, 0o600);
    };
    config("");
    let flags = ["config.file", "web.config.file"].map(|flag| {
        let file = if flag == "config.file" { "weir.toml" } else { "web.yml" };
        format!("--{flag}={}", path(file).display())
    });
    let weir = crate::agent::weir(&here, &["run", "--interface=eth0", &flags[0], &flags[1]]);
    let agent = Running::start(weir);
    let status = || {
        let url = format!("https://{}/-/ready", crate::agent::ADDRESS);
        let trusted = path("trusted.pem").display().to_string();
        here.sh(&format!("curl -s -o /dev/null -w '%{{http_code}}' --cacert {trusted} {url} || true"))
    };
    wait_for("it to be ready", || (status().trim() == "200").then_some(()));
    for thread in threads(agent.id()) {
        assert_eq!(thread.numbers("Uid")[..3], [USER; 3], "{}", thread.name);
    }
    // Certificate and key.
    certificate();
    wait_for("the new certificate", || (status().trim() == "200").then_some(()));
    // The configuration; the output that it changes opens its file again.
    let text = |path: &std::path::Path| fs::read_to_string(path).unwrap_or_default();
    config("fields = [\"client_port\"]\n");
    agent.signal(Signal::SIGHUP);
    wait_for("lines of the new configuration", || {
        traffic::udp(&here, &there, THERE, 1, 50);
        text(&records)
            .lines()
            .any(|line| line.contains("\"client_port\"") && !line.contains("\"client_ip\""))
            .then_some(())
    });
    // Log rotation, `create 0640 root`.
    fs::rename(&records, path("out/records.json.1")).expect("moved");
    replace("out/records.json", "", 0o640);
    agent.signal(Signal::SIGHUP);
    wait_for("lines in the file that root made", || {
        traffic::udp(&here, &there, THERE, 1, 50);
        (!text(&records).is_empty()).then_some(())
    });
    // And a new one is root's as the first was.
    fs::remove_file(&records).expect("removed");
    wait_for("a new file", || {
        traffic::udp(&here, &there, THERE, 1, 50);
        records.exists().then_some(())
    });
    let made = fs::metadata(&records).expect("the file");
    assert_eq!((made.uid(), made.mode() & 0o777), (0, 0o600));
}

#[test]
fn root_becomes_the_user_that_is_named() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--user=54321"]);
    for thread in threads(agent.process.id()) {
        assert_eq!(thread.numbers("Uid"), ids(&thread.name, 54_321), "{}", thread.name);
    }
    traffic::udp(&here, &there, THERE, 3, 50);
    agent.wait_for_sum(
        "weir_network_io_packets_total",
        &[("transport", "udp"), ("direction", "transmit")],
        3.0,
    );
    agent.stop(Signal::SIGTERM);
    for (user, says) in [("no-such-user", "no such user on this host"), ("root", "is root")] {
        let flag = format!("--user={user}");
        let said =
            crate::refusals::refused(&here, crate::agent::weir(&here, &["run", "--interface=eth0", &flag]));
        assert!(said.contains(user) && said.contains(says), "{said}");
    }
}

#[test]
fn root_that_may_not_become_somebody_else_says_so_in_a_line() {
    let (here, _there) = cable();
    let public = Public::new();
    let three = "--bounding-set=-all,+bpf,+net_admin,+perfmon";
    let arguments = ["run", "--interface=eth0", "--max-flows=64", "--drain-interval=100ms"];
    let agent = Agent::of(&here, Running::start(public.weir(&here, &[three], &arguments)));
    let page = agent.page();
    assert_eq!(page.sum("weir_confined", &[("by", "user")]), 0.0);
    assert_eq!(page.sum("weir_confined", &[("by", "seccomp"), ("thread", "server")]), 1.0);
    let log = agent.stop(Signal::SIGTERM);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("root")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("CAP_SETUID and CAP_SETGID are not granted"), "{log}");
    // Who is named has to be had.
    let said =
        refused(&here, &public, ",+bpf,+net_admin,+perfmon", &["run", "--interface=eth0", "--user=54321"]);
    assert!(said.contains("54321") && said.contains("CAP_SETUID"), "{said}");
}

#[test]
fn confinement_can_be_switched_off_and_says_so() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--confine=false"]);
    assert_eq!(agent.page().sum("weir_confined", &[]), 0.0);
    assert!(threads(agent.process.id()).iter().all(|thread| thread.field("Seccomp") == "0"));
    agent.process.wait_for_log(&["WARN", "unconfined", "confine is off"]);
}

/// The error of bpf(2) with this command and nothing else.
fn bpf(command: libc::c_int) -> i32 {
    let mut attributes = [0_u64; 16];
    // SAFETY: the attributes are zeros of the length that is given: no pointer, no descriptor but 0.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size_of_val(&attributes)) };
    assert!(done < 0, "command {command} did something");
    io::Error::last_os_error().raw_os_error().expect("a system call's error")
}

#[test]
fn bpf_is_refused_to_all_but_the_counter_which_cannot_load_anything() {
    const MAP_CREATE: libc::c_int = 0;
    const MAP_LOOKUP: libc::c_int = 1;
    const PROG_LOAD: libc::c_int = 5;
    const ALL: [libc::c_int; 3] = [MAP_CREATE, MAP_LOOKUP, PROG_LOAD];
    // With the rights of these tests the arguments are what is wrong.
    assert!(ALL.iter().all(|command| bpf(*command) != libc::EPERM));
    for role in Role::ALL {
        // The capabilities stay: it is the filter that refuses.
        let answers = std::thread::scope(|scope| {
            let confined = scope.spawn(|| {
                monitor::confine::filter_alone(role, &Confinement::default()).expect("a filter");
                (ALL.map(bpf), Command::new("true").status().map_err(|e| e.kind()))
            });
            confined.join().expect("its answers")
        });
        let refused = answers.0.map(|error| error == libc::EPERM);
        assert_eq!(refused, [true, role != Role::Counter, true], "{role:?}");
        assert_eq!(answers.1.expect_err("no program runs"), io::ErrorKind::PermissionDenied);
    }
    let report = std::thread::spawn(|| Confinement::default().enter(Role::Server)).join().expect("a report");
    assert_eq!(report.map(|report| report.missing()).as_deref(), Some(""));
}

/// What is left to whoever could take the counter over: all commands of bpf(2) are asked for.
#[test]
fn the_counter_keeps_the_commands_for_its_own_maps_and_links_alone() {
    // include/uapi/linux/bpf.h, enum bpf_cmd: elements of maps one by one (1 to 4) and in batches (24 to 27), attach
    // and detach (8, 9), links (28, 29, 34), and what is known of them (13, 15, 16).
    const OWN: [libc::c_int; 16] = [1, 2, 3, 4, 8, 9, 13, 15, 16, 24, 25, 26, 27, 28, 29, 34];
    // Pinned objects, of whomever, by their path.
    const PINS: [libc::c_int; 2] = [6, 7];
    for pins in [false, true] {
        let plan = Confinement { pins: pins.then(|| "/".into()), ..Confinement::default() };
        let allowed = std::thread::scope(|scope| {
            let confined = scope.spawn(|| {
                monitor::confine::filter_alone(Role::Counter, &plan).expect("a filter");
                (0..64).filter(|command| bpf(*command) != libc::EPERM).collect::<Vec<_>>()
            });
            confined.join().expect("its answers")
        });
        let mut expected = [&OWN[..], if pins { &PINS } else { &[] }].concat();
        expected.sort_unstable();
        assert_eq!(allowed, expected, "with pins: {pins}");
    }
}

#[test]
fn secrets_stand_in_no_log_and_in_no_print() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let pem = key.signing_key.serialize_pem();
    let certificate = file(&directory, "cert.pem", &key.cert.pem());
    file(&directory, "key.pem", &pem);
    let hash = bcrypt::hash("sesame-street", 4).expect("a hash");
    let users = format!("basic_auth_users:\n  ann: {hash}\n");
    let content = format!("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n{users}");
    let web = file(&directory, "web.yml", &content);
    let flag = format!("--web.config.file={}", web.display());
    let agent =
        Running::start(crate::agent::weir(&here, &["run", "--interface=eth0", &flag, "--log.level=trace"]));
    wait_for("its pages", || agent.stdout().contains("Metrics: https://").then_some(()));
    let url = format!("https://{}/metrics", crate::agent::ADDRESS);
    for user in ["ann:sesame-street", "ann:wrong-secret", "bob:sesame-street"] {
        here.sh(&format!("curl -s -o /dev/null --cacert {} -u {user} {url}", certificate.display()));
    }
    // A web config that is broken is told of without what stands in it.
    file(&directory, "web.yml", &format!("{users}  bob: plain-secret\n"));
    here.sh(&format!("curl -s -o /dev/null --cacert {} {url}", certificate.display()));
    agent.wait_for_log(&["web config not reloaded", "bob"]);
    // One that is no YAML too: the parser knows the lines around what is wrong.
    for broken in ["[flow-secret", "map-secret: x", &format!("\"{hash}"), ""] {
        let text = if broken.is_empty() { String::new() } else { format!("{users}  bob: {broken}\n") };
        file(&directory, "web.yml", &text);
        let ask =
            format!("curl -s -o /dev/null -w '%{{http_code}}' --cacert {} {url}", certificate.display());
        assert_eq!(here.sh(&ask).trim(), "401", "{broken}");
    }
    agent.wait_for_log(&["web config not reloaded", "line 3, column"]);
    agent.wait_for_log(&["web config not reloaded", "TLS and passwords would vanish"]);
    file(&directory, "web.yml", &format!("{users}  bob: [flow-secret\n"));
    let mut said = agent.stderr() + &agent.stdout();
    let run = |arguments: &[&str]| {
        let output = crate::agent::weir(&here, arguments).output().expect("weir");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    said += &run(&["config", &flag]);
    said += &run(&["config", "--json", &flag]);
    said += &run(&["check", "--interface=eth0", &flag]);
    said += &run(&["run", "--interface=eth0", &flag]);
    said += &run(&["flows", "--url", "https://ann:sesame-street@127.0.0.1:1"]);
    said += &run(&[
        "flows",
        "--url",
        &format!("https://ann:wrong-secret@{}", crate::agent::ADDRESS),
        "--ca-file",
        &certificate.display().to_string(),
    ]);
    let line = pem.lines().nth(1).expect("a key");
    for secret in [
        "sesame-street",
        "wrong-secret",
        "plain-secret",
        "flow-secret",
        "map-secret",
        &hash,
        &hash[7..29],
        line,
        "YW5uOnNlc2FtZS1zdHJlZXQ",
    ] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}
