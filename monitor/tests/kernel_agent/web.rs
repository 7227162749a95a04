//! The pages of a running agent, and the commands that ask for them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Output,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    agent::{ADDRESS, Agent, Running, THERE, cable, guarded, weir, without_settings},
    bpffs::BpfFs,
    netns::{DEADLINE, Namespace, wait_for},
    pins::flag,
    traffic::{self, Ending},
};

fn run(ns: &Namespace, arguments: &[&str]) -> Output {
    weir(ns, arguments).output().expect("weir")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The status that curl got, or its own exit code below 100.
fn curl(ns: &Namespace, arguments: &str) -> u16 {
    let script = format!("curl -s -o /dev/null -w '%{{http_code}}' {arguments} || echo \" $?\"");
    let said = ns.sh(&script);
    said.split_whitespace().last().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

#[test]
fn tls_and_a_password_guard_every_page() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let (flag, certificate) = guarded(&directory, "sesame");
    let agent = Running::start(weir(&here, &["run", "--interface=eth0", &flag]));
    wait_for("its pages", || agent.stdout().contains("Metrics: https://").then_some(()));
    assert!(agent.stdout().contains("scheme: https"), "{}", agent.stdout());
    let trust = format!("--cacert {}", certificate.display());
    for path in ["/metrics", "/", "/-/healthy", "/api/v1/flows"] {
        let url = format!("https://{ADDRESS}{path}");
        assert_eq!(curl(&here, &format!("{trust} -u ann:sesame {url}")), 200, "{path}");
        for credentials in ["", "-u ann:wrong", "-u bob:sesame", "-u ann:"] {
            assert_eq!(curl(&here, &format!("{trust} {credentials} {url}")), 401, "{credentials} {path}");
        }
        // 60: the certificate is not known.
        assert_eq!(curl(&here, &format!("-u ann:sesame {url}")), 60);
    }
    // Without TLS there is no answer, but an error of curl's.
    assert!(curl(&here, &format!("-u ann:sesame http://{ADDRESS}/metrics")) < 100);
    let url = format!("https://ann:sesame@{ADDRESS}");
    let ca = certificate.to_str().expect("a path");
    let flows = run(&here, &["flows", "--url", &url, "--ca-file", ca]);
    assert!(stdout(&flows).starts_with("CLIENT"));
    let unknown = run(&here, &["flows", "--url", &format!("https://{ADDRESS}"), "--ca-file", ca]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && said.lines().count() == 1 && said.contains("401"), "{said}");
}

#[test]
fn a_client_that_is_slow_with_its_header_is_cut_off_and_others_are_served() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let mut slow = here.enter(|| TcpStream::connect(ADDRESS)).expect("connect");
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n").expect("half a header");
    slow.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    agent.page();
    let mut answer = Vec::new();
    // The end of the stream, with or without a word (408).
    let end = slow.read_to_end(&mut answer);
    assert!(end.is_ok(), "{end:?}");
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    agent.page();
}

#[test]
fn more_idle_connections_than_there_are_places_keep_no_scrape_out() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let stalled: Vec<TcpStream> =
        here.enter(|| (0..300).map(|_| TcpStream::connect(ADDRESS).expect("connect")).collect());
    for _ in 0..20 {
        agent.page();
    }
    let page = agent.wait_for_drains();
    assert!(page.sum("weir_events_total", &[("event", "connection_displaced")]) >= 44.0);
    assert_eq!(page.sum("weir_events_total", &[("event", "connection_refused")]), 0.0);
    drop(stalled);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn flows_are_filtered_by_an_expression_as_table_and_as_json() {
    let (here, there) = cable();
    let agent = Agent::start(
        &here,
        &["--interface=eth0", "--timeout.fin=1h", "--timeout.udp=1h", "--services=443/tcp=web"],
    );
    let listener = there.enter(|| std::net::TcpListener::bind((THERE, 443))).expect("listen");
    let mut client = here.enter(|| TcpStream::connect((THERE, 443))).expect("connect");
    let (mut server, _) = listener.accept().expect("accept");
    client.write_all(&[b'u'; 5000]).expect("write");
    server.read_exact(&mut [0; 5000]).expect("read");
    server.write_all(&vec![b'd'; 50_000]).expect("write");
    client.read_exact(&mut vec![0; 50_000]).expect("read");
    traffic::udp(&here, &there, THERE, 3, 50);
    traffic::tcp(&here, &there, THERE, 10, 10, Ending::Client);
    agent.wait_for_sum("weir_flows_active", &[("transport", "tcp")], 2.0);
    let port = client.local_addr().expect("an address").port();

    let lines = stdout(&run(&here, &["flows", "port 443 and bytes > 1k", "--json"]));
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let flow: Value = serde_json::from_str(&lines).expect("JSON");
    for (key, value) in [
        ("interface", "eth0"),
        ("transport", "tcp"),
        ("client_ip", "10.7.0.1"),
        ("server_ip", THERE),
        ("service", "web"),
        ("role", "client"),
        ("scope", "local"),
        ("state", "established"),
        ("client_rule", "syn"),
    ] {
        assert_eq!(flow[key], value, "{key} in {flow}");
    }
    assert_eq!((flow["client_port"].as_u64(), flow["server_port"].as_u64()), (Some(port.into()), Some(443)));
    assert_eq!(flow["sent"]["payload_bytes"], 5000, "{flow}");
    assert_eq!(flow["received"]["payload_bytes"], 50_000, "{flow}");
    assert!(flow["handshake_seconds"].as_f64().is_some_and(|s| s > 0.0), "{flow}");

    let table = stdout(&run(&here, &["flows", "port", "443", "and", "bytes", ">", "1k"]));
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(rows[0].starts_with("CLIENT"), "{table}");
    for cell in [&format!("10.7.0.1:{port}"), "10.7.0.2:443", "tcp", "web", "established", "eth0"] {
        assert!(rows[1].split_whitespace().any(|c| c == cell), "{cell} in {table}");
    }
    for (filter, count) in [
        ("port 443 and bytes > 1M", 0),
        ("udp", 1),
        ("tcp", 2),
        // Hosts also say on their own that they listen to multicast (MLD).
        ("not tcp and not icmpv6", 1),
        ("host 10.7.0.2", 3),
        ("port 443 or udp", 2),
    ] {
        let lines = stdout(&run(&here, &["flows", "--json", filter]));
        assert_eq!(lines.lines().count(), count, "{filter}: {lines}");
    }

    let answer = agent.get("/api/v1/flows?filter=port%20443%20and%20bytes%20%3E%201k", "");
    assert!(answer.status == 200 && answer.head.contains("application/json"), "{}", answer.head);
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(answer["flows"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["flows"][0]["client_port"], port);
    let bad = agent.get("/api/v1/flows?filter=port%20and", "");
    assert_eq!(bad.status, 400);
    assert!(bad.body.contains("error"), "{}", bad.body);
}

#[test]
fn check_says_what_works_and_what_stands_in_the_way() {
    let (here, _there) = cable();
    let table = stdout(&run(&here, &["check", "--interface=eth0"]));
    for name in ["kernel", "CAP_BPF", "CAP_NET_ADMIN", "kernel side", "interface eth0"] {
        assert!(table.lines().any(|l| l.starts_with(name)), "{name} in {table}");
    }
    assert!(!table.contains("missing"), "{table}");
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let output = run(&here, &["check", "--interface=eth0", "--json"]);
    assert!(!output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let check = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().expect("checks");
        checks.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("{name} in {report}")).clone()
    };
    let eth0 = check(&report, "interface eth0");
    assert_eq!(eth0["outcome"], "missing");
    let process = format!("process {}", agent.process.id());
    assert!(eth0["detail"].as_str().is_some_and(|d| d.contains(&process)), "{eth0}");
    agent.stop(Signal::SIGTERM);

    let command = ["--bounding-set=-all", env!("CARGO_BIN_EXE_weir"), "check", "--interface=eth0", "--json"];
    let output = without_settings(here.command("setpriv", &command)).output().expect("setpriv");
    assert!(!output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for name in ["CAP_BPF", "CAP_NET_ADMIN", "kernel side"] {
        assert_eq!(check(&report, name)["outcome"], "missing", "{report}");
    }
}

/// How one thing came out, and what is said of it.
pub(crate) fn checked(ns: &Namespace, arguments: &[&str], name: &str) -> (bool, String, String) {
    let output = run(ns, &[&["check", "--json"], arguments].concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("{name} in {report}"));
    let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
    (output.status.success(), text("outcome"), text("detail"))
}

#[test]
fn check_finds_missing_what_run_refuses_in_the_same_words_and_makes_nothing() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let (pins, config) = (directory.path().join("pins"), directory.path().join("web.yml"));
    std::fs::write(&config, "tls_server_config: 3\n").expect("a file");
    let taken = here.enter(|| std::net::TcpListener::bind("127.0.0.1:10058").expect("listen"));
    for (argument, name) in [
        (format!("--pin={}", pins.display()), "pins"),
        ("--web.config.file=/nope.yml".to_owned(), "web config"),
        (format!("--web.config.file={}", config.display()), "web config"),
        ("--web.listen-address=192.0.2.7:10059".to_owned(), "address 192.0.2.7:10059"),
        ("--drain-interval=1s".to_owned(), "address 127.0.0.1:10058"),
    ] {
        let free = if name.starts_with("address") { "--peers" } else { "--web.listen-address=127.0.0.1:0" };
        let arguments = ["--interface=eth0", &argument, free];
        let (well, outcome, detail) = checked(&here, &arguments, name);
        assert_eq!((well, outcome.as_str()), (false, "missing"), "{argument}: {detail}");
        let mut refused = Running::start(weir(&here, &[&["run"], &arguments[..]].concat()));
        assert_eq!(refused.end().code(), Some(1), "{argument}");
        assert_eq!(refused.stderr(), format!("weir: {detail}\n"), "{argument}");
    }
    assert!(!pins.exists());
    drop(taken);
    let (well, outcome, detail) = checked(&here, &["--interface=eth0"], "address 127.0.0.1:10058");
    assert_eq!((well, outcome.as_str()), (true, "ok"), "{detail}");
    // Nobody has such a name: it waits.
    let (well, outcome, detail) = checked(&here, &["--interface=n*"], "interfaces");
    assert_eq!((well, outcome.as_str()), (true, "limited"), "{detail}");
    Agent::start(&here, &["--interface=n*"]).stop(Signal::SIGTERM);
}

#[test]
fn check_says_that_pins_of_an_earlier_instance_are_there() {
    let (here, _there) = cable();
    let bpf = BpfFs::new();
    let (flag, small) = (flag(&bpf), "--max-flows=1024");
    let arguments = ["--interface=eth0", &flag, small];
    let (well, outcome, detail) = checked(&here, &arguments, "pins");
    assert_eq!((well, outcome.as_str()), (true, "ok"), "{detail}");
    assert!(detail.contains("none yet") && !bpf.pins().exists(), "{detail}");
    let agent = Agent::start(&here, &arguments);
    let (well, outcome, detail) = checked(&here, &arguments, "pins");
    assert_eq!((well, outcome.as_str()), (false, "missing"), "{detail}");
    assert!(detail.contains(&format!("process {}", agent.process.id())), "{detail}");
    agent.kill();
    let (well, outcome, detail) = checked(&here, &arguments, "pins");
    assert_eq!((well, outcome.as_str()), (true, "ok"), "{detail}");
    assert!(detail.contains("pins of an earlier instance are there"), "{detail}");
    // Pins that a run with these settings would refuse.
    let (well, outcome, detail) = checked(&here, &["--interface=eth0", &flag, "--max-flows=2048"], "pins");
    assert_eq!((well, outcome.as_str()), (false, "missing"), "{detail}");
    assert!(detail.contains("--max-flows"), "{detail}");
    assert!(run(&here, &["unpin", &flag]).status.success());
}

#[test]
fn the_pages_are_where_they_are_said_to_be() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--web.telemetry-path=/weir"]);
    for (path, status) in
        [("/weir", 200), ("/metrics", 404), ("/", 200), ("/-/healthy", 200), ("/-/ready", 200)]
    {
        assert_eq!(agent.get(path, "").status, status, "{path}");
    }
    let said = agent.process.stdout();
    for part in [
        "Metrics: http://127.0.0.1:10058/weir\n",
        "metrics_path: /weir",
        "targets: [\"127.0.0.1:10058\"]",
        "MiB of kernel memory",
        "--web.listen-address=:10058",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // Loopback alone, unless it is told otherwise.
    let listening = here.sh("ss -Hlnt 'sport = :10058'");
    assert!(listening.contains("127.0.0.1:10058") && listening.lines().count() == 1, "{listening}");
}
