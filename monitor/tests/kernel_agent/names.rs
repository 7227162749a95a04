//! Who a flow talks to: real clients and servers, and what their flows are called.

use crate::{
    agent::{Agent, HERE, Running, THERE, cable},
    netns::{Namespace, wait_for},
    traffic::{self, Ending},
};

/// Waits until somebody listens on a port.
fn wait_for_listener(ns: &Namespace, kind: &str, port: u16) {
    wait_for("a listener", || (!ns.sh(&format!("ss -Hln{kind} 'sport = :{port}'")).is_empty()).then_some(()));
}

/// Name, source, domain and application of the flows with a server's port, as the API tells them.
fn named(agent: &Agent<'_>, port: u16) -> Vec<[String; 4]> {
    let answer = agent.get(&format!("/api/v1/flows?filter=server%20port%20{port}"), "");
    let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let text = |flow: &serde_json::Value, key: &str| flow[key].as_str().unwrap_or_default().to_owned();
    let flows = answer["flows"].as_array().expect("flows");
    let fields = ["name", "name_source", "domain", "application"];
    flows.iter().map(|flow| fields.map(|key| text(flow, key))).collect()
}

fn wait_for_name(agent: &Agent<'_>, port: u16, expected: [&str; 4]) {
    wait_for(&format!("{expected:?} on port {port}"), || {
        let flows = named(agent, port);
        (!flows.is_empty() && flows.iter().all(|flow| flow == &expected)).then_some(())
    });
}

/// A web server with a page of this many bytes on port 8080.
fn http_server(ns: &Namespace, directory: &tempfile::TempDir, bytes: usize) -> Running {
    std::fs::write(directory.path().join("page"), vec![b'p'; bytes]).expect("a page");
    let path = directory.path().to_str().expect("a path");
    let server = Running::start(
        ns.command("python3", &["-m", "http.server", "8080", "--bind", THERE, "--directory", path]),
    );
    wait_for_listener(ns, "t", 8080);
    server
}

/// A TLS server on port 8443, with a certificate of its own making.
fn tls_server(ns: &Namespace, directory: &tempfile::TempDir) -> Running {
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    ns.sh(&format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=secure.example.net -keyout {key} -out \
         {certificate} 2>/dev/null"
    ));
    let arguments = ["s_server", "-accept", "8443", "-cert", &certificate, "-key", &key, "-www", "-quiet"];
    let server = Running::start(ns.command("openssl", &arguments));
    wait_for_listener(ns, "t", 8443);
    server
}

/// A DNS server that knows one name.
fn dns_server(ns: &Namespace, name: &str, address: &str) -> Running {
    let record = format!("--host-record={name},{address}");
    let listen = format!("--listen-address={THERE}");
    let server = Running::start(ns.command(
        "dnsmasq",
        &[
            "--no-daemon",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            &listen,
            &record,
        ],
    ));
    wait_for_listener(ns, "u", 53);
    server
}

#[test]
fn flows_are_called_by_sni_host_and_dns_answer() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _http = http_server(&there, &directory, 1000);
    let _tls = tls_server(&there, &directory);
    let _dns = dns_server(&there, "api.example.co.uk", THERE);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    here.sh(&format!("curl -sf -o /dev/null -H 'Host: WWW.example.org:8080' http://{THERE}:8080/page"));
    here.sh(&format!(
        "curl -sfk -o /dev/null --resolve secure.example.net:8443:{THERE} https://secure.example.net:8443/"
    ));
    wait_for_name(&agent, 8080, ["www.example.org", "http", "example.org", "http"]);
    wait_for_name(&agent, 8443, ["secure.example.net", "sni", "example.net", "tls"]);
    let answer = here.sh(&format!("dig +short @{THERE} api.example.co.uk A"));
    assert_eq!(answer.trim(), THERE);
    wait_for_name(&agent, 53, ["", "", "", "dns"]);
    // The client that was told the name speaks to the address: nothing in its bytes says more.
    traffic::tcp(&here, &there, THERE, 100, 100, Ending::Client);
    traffic::tcp(&there, &here, HERE, 100, 100, Ending::Client);
    wait_for("a flow that DNS named", || {
        let answer = agent.get("/api/v1/flows?filter=name%20api.*%20and%20role%20client", "");
        let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        (answer["matched"] == 1).then_some(())
    });
}
