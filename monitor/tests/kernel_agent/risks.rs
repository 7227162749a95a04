//! Risks that real clients and servers show, and real scans.

use crate::{
    agent::{Agent, HERE, Running, THERE, cable},
    netns::{Namespace, wait_for},
};

/// The sources that reach many, as the API tells them: who, what, how many.
fn sources(agent: &Agent<'_>) -> Vec<(String, String, u64)> {
    let answer: serde_json::Value =
        serde_json::from_str(&agent.get("/api/v1/fanout", "").body).expect("JSON");
    let sources = answer["sources"].as_array().expect("sources").iter().map(|source| {
        let text = |key: &str| source[key].as_str().expect("a text").to_owned();
        (text("source"), text("kind"), source["count"].as_u64().expect("a count"))
    });
    sources.collect()
}

#[test]
fn a_scan_of_a_thousand_ports_is_told_and_a_busy_client_is_not() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let _server = listener(&there, "http.server", 8080);
    // Three hundred connections, one after the other, to one port of one host.
    here.sh(&format!("curl -s -o /dev/null 'http://{THERE}:8080/?[1-300]'"));
    let attempts = [("role", "client"), ("result", "established")];
    agent.wait_for_sum("weir_tcp_connection_attempts_total", &attempts, 300.0);
    assert_eq!(agent.wait_for_drains().sum("weir_fanout_detected_total", &[]), 0.0);
    there.sh(&format!("nmap -n -Pn -sS -T5 --max-retries 0 -p 1-1000 {HERE} >/dev/null"));
    agent.wait_for_sum("weir_fanout_detected_total", &[("kind", "ports")], 1.0);
    let page = agent.wait_for_drains();
    assert_eq!(page.sum("weir_fanout_sources", &[("kind", "ports")]), 1.0);
    assert_eq!(page.sum("weir_fanout_sources", &[("kind", "hosts")]), 0.0);
    let told = sources(&agent);
    let [(source, kind, count)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((source.as_str(), kind.as_str()), (THERE, "ports"));
    assert!((800..1_200).contains(count), "{count}");
    agent.process.wait_for_log(&["fanout", THERE, "ports"]);
}

/// A module of Python that serves on a port.
fn listener(ns: &Namespace, module: &str, port: u16) -> Running {
    let server = Running::start(ns.command("python3", &["-m", module, &port.to_string()]));
    wait_for("a listener", || (!ns.sh(&format!("ss -Hlnt 'sport = :{port}'")).is_empty()).then_some(()));
    server
}

/// `openssl s_server` with a certificate and these arguments.
fn tls_server(
    ns: &Namespace,
    directory: &tempfile::TempDir,
    port: u16,
    subject: &str,
    more: &[&str],
) -> Running {
    let path =
        |name: &str| directory.path().join(format!("{port}.{name}")).to_str().expect("a path").to_owned();
    let (key, certificate) = (path("key"), path("certificate"));
    ns.sh(&format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={subject} -keyout {key} -out {certificate} \
         2>/dev/null"
    ));
    let number = port.to_string();
    let mut arguments =
        vec!["s_server", "-accept", &number, "-cert", &certificate, "-key", &key, "-www", "-quiet"];
    arguments.extend(more);
    let server = Running::start(ns.command("openssl", &arguments));
    wait_for("a listener", || (!ns.sh(&format!("ss -Hlnt 'sport = :{port}'")).is_empty()).then_some(()));
    server
}

#[test]
fn risks_are_counted_once_a_flow_and_never_what_is_secret() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _http = listener(&there, "http.server", 8080);
    let weak = ["-cipher", "ALL:@SECLEVEL=0"];
    let _old = tls_server(&there, &directory, 8441, "old.example.net", &[&weak[..], &["-tls1"]].concat());
    let _modern = tls_server(&there, &directory, 8443, "modern.example.net", &["-tls1_3"]);
    let _middle = tls_server(&there, &directory, 8442, "middle.example.net", &["-tls1_2"]);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    here.sh(&format!("curl -s -o /dev/null -u alice:hunter2 'http://{THERE}:8080/[1-3]'"));
    let connect = |port: u16, name: &str, more: &str| {
        here.sh(&format!(
            "openssl s_client -connect {THERE}:{port} -servername {name} {more} </dev/null >/dev/null 2>&1 || true"
        ));
    };
    connect(8441, "old.example.net", "-tls1 -cipher ALL:@SECLEVEL=0");
    connect(8443, "other.example.net", "");
    connect(8442, "other.example.net", "");
    let page = agent.wait_for("what was found", |page| {
        page.sum("weir_findings_total", &[("kind", "old_tls")]) == 1.0
            && page.sum("weir_findings_total", &[("kind", "certificate_name_mismatch")]) == 1.0
            && page.sum("weir_findings_total", &[("kind", "cleartext_credentials")]) >= 1.0
    });
    // Of TLS 1.3 the certificate is not seen; the other two are of their own making.
    assert_eq!(page.sum("weir_findings_total", &[("kind", "certificate_self_signed")]), 2.0);
    for (version, count) in [("TLSv1.0", 1.0), ("TLSv1.2", 1.0), ("TLSv1.3", 1.0)] {
        assert_eq!(page.sum("weir_tls_handshakes_total", &[("version", version)]), count, "{version}");
    }
    assert_eq!(page.sum("weir_tls_handshake_seconds_count", &[]), 3.0);
    assert!(!agent.get("/metrics", "").body.contains("hunter2"));
    assert!(!agent.process.stderr().contains("hunter2"));
}
