//! Who a flow talks to: real clients and servers, and what their flows are called.

use std::net::IpAddr;

use crate::{
    agent::{Agent, HERE, Running, THERE, cable},
    capture::{self, Capture, Table},
    exposition::Page,
    netns::{Namespace, wait_for},
    traffic::{self, Ending},
};

/// Waits until somebody listens on a port.
pub(crate) fn wait_for_listener(ns: &Namespace, kind: &str, port: u16) {
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

pub(crate) fn wait_for_name(agent: &Agent<'_>, port: u16, expected: [&str; 4]) {
    wait_for(&format!("{expected:?} on port {port}"), || {
        let flows = named(agent, port);
        (!flows.is_empty() && flows.iter().all(|flow| flow == &expected)).then_some(())
    });
}

/// A web server with a page of this many bytes on port 8080.
pub(crate) fn http_server(ns: &Namespace, directory: &tempfile::TempDir, bytes: usize) -> Running {
    std::fs::write(directory.path().join("page"), vec![b'p'; bytes]).expect("a page");
    let path = directory.path().to_str().expect("a path");
    let server = Running::start(
        ns.command("python3", &["-m", "http.server", "8080", "--bind", THERE, "--directory", path]),
    );
    wait_for_listener(ns, "t", 8080);
    server
}

/// A TLS server on port 8443, with a certificate of its own making.
pub(crate) fn tls_server(ns: &Namespace, directory: &tempfile::TempDir) -> Running {
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
pub(crate) fn dns_server(ns: &Namespace, name: &str, address: &str) -> Running {
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

/// One connection of TLS from a port, in which the client says a name.
fn ask_from(here: &Namespace, port: u16, name: &str) {
    here.sh(&format!(
        "curl -sfk -o /dev/null --local-port {port} --resolve {name}:8443:{THERE} https://{name}:8443/"
    ));
}

#[test]
fn a_port_that_is_used_twice_at_once_gives_each_connection_its_own_name_and_bytes() {
    const PORT: u16 = 41_000;
    let (here, there) = cable();
    // Nobody waits after the close: the port is free at once.
    for ns in [&here, &there] {
        ns.sh("sysctl -qw net.ipv4.tcp_max_tw_buckets=0");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let _tls = tls_server(&there, &directory);
    let records = directory.path().join("records.json");
    let capture = Capture::start(&here, "eth0");
    // Longer than the test: every connection begins while the slot of the first is held.
    let agent = Agent::start(
        &here,
        &[
            "--interface=eth0",
            "--timeout.fin=1h",
            "--timeout.rst=1h",
            &format!("--json={}", records.display()),
        ],
    );
    let bytes = |page: &Page, domain: &str| page.sum("weir_domain_io_bytes_total", &[("domain", domain)]);
    ask_from(&here, PORT, "first.example.org");
    agent.wait_for("the first name", |page| bytes(page, "example.org") > 0.0 && is_whole(page));
    agent.wait_for_drains();
    wait_for("the port to be free", || {
        here.sh(&format!("ss -Htan sport = :{PORT}")).is_empty().then_some(())
    });
    ask_from(&here, PORT, "second.example.net");
    let page = agent.wait_for("the second name", |page| bytes(page, "example.net") > 0.0 && is_whole(page));
    assert_eq!(page.sum("weir_flows_started_total", &[("transport", "tcp")]), 1.0, "one slot had both");
    agent.wait_for_drains();
    let page = agent.page();
    let table = capture.finish(|| capture::mark(&here, THERE));
    let all: f64 = [HERE, THERE].iter().map(|from| sent(&table, from, 8443)[0]).sum();
    assert_eq!(bytes(&page, "example.org") + bytes(&page, "example.net"), all);
    for domain in ["example.org", "example.net"] {
        assert_eq!(page.sum("weir_domain_connections_total", &[("domain", domain)]), 1.0, "{domain}");
    }
    agent.stop(nix::sys::signal::Signal::SIGTERM);
    let text = std::fs::read_to_string(&records).expect("records");
    let told: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for (name, domain) in [("first.example.org", "example.org"), ("second.example.net", "example.net")] {
        assert_eq!(
            told.iter().filter(|r| r["record"] == "tls" && r["server_name"] == name).count(),
            1,
            "{name}"
        );
        let flows = told.iter().filter(|r| r["record"] == "flow" && r["name"] == name);
        let sum: f64 = flows
            .map(|r| {
                ["sent", "received"].iter().map(|side| r[side]["bytes"].as_f64().unwrap_or(0.0)).sum::<f64>()
            })
            .sum();
        assert_eq!(sum, bytes(&page, domain), "{name}");
    }
}

/// Bytes and packets that one address sent to or from a port of the other.
fn sent(table: &Table, from: &str, port: u16) -> [f64; 2] {
    let from: IpAddr = from.parse().expect("an address");
    let flows = table.iter().filter(|(key, _)| key.1 == from && (key.2 == port || key.4 == port));
    flows.fold([0.0; 2], |sum, (_, sent)| [sum[0] + sent.bytes as f64, sum[1] + sent.packets as f64])
}

/// What all names and none together count is what all flows count.
pub(crate) fn is_whole(page: &Page) -> bool {
    ["receive", "transmit"].iter().all(|direction| {
        let sum = |name: &str| page.sum(name, &[("direction", *direction)]);
        let bytes = sum("weir_flow_io_bytes_total");
        sum("weir_domain_io_bytes_total") == bytes
            && sum("weir_name_io_bytes_total") == bytes
            && sum("weir_application_io_bytes_total") == bytes
            && sum("weir_domain_io_packets_total") == sum("weir_flow_io_packets_total")
    })
}

#[test]
fn domains_have_exactly_the_bytes_that_were_moved_and_shares_add_up() {
    const REQUESTS: u32 = 3;
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _http = http_server(&there, &directory, 300_000);
    let _tls = tls_server(&there, &directory);
    let _dns = dns_server(&there, "api.example.co.uk", THERE);
    // Without samples an agent would have no names: they are on by default.
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let server = Agent::start(&there, &["--interface=eth1"]);
    let capture = Capture::start(&here, "eth0");
    // Before the answer of DNS, so that nothing else names it.
    traffic::tcp(&here, &there, THERE, 70_000, 20_000, Ending::Client);
    let unnamed = {
        let page = agent.wait_for("the unnamed flow", |page| {
            page.sum("weir_domain_connections_total", &[("source", "none")]) >= 1.0 && is_whole(page)
        });
        page.sum("weir_domain_io_bytes_total", &[("domain", ""), ("source", "none")])
    };
    assert!(unnamed > 90_000.0, "{unnamed}");
    for n in 0..REQUESTS {
        let http = format!("-H 'Host: www{n}.example.org' http://{THERE}:8080/page");
        let tls = format!("--resolve s{n}.example.net:8443:{THERE} https://s{n}.example.net:8443/");
        for url in [http, tls] {
            here.sh(&format!("curl -sfk -o /dev/null {url}"));
        }
    }
    here.sh(&format!("dig +short @{THERE} api.example.co.uk A"));
    traffic::tcp(&here, &there, THERE, 50_000, 60_000, Ending::Client);
    let table = capture.finish(|| capture::mark(&here, THERE));
    for (agent, outwards, inwards) in [(&agent, "transmit", "receive"), (&server, "receive", "transmit")] {
        let page = agent.wait_for("names of all flows", |page| {
            let connections = |source| page.sum("weir_domain_connections_total", &[("source", source)]);
            let named = [connections("http"), connections("sni")];
            // The packet that marks the end of the capture goes to the same address.
            named == [f64::from(REQUESTS); 2] && connections("dns") >= 2.0 && is_whole(page)
        });
        for (domain, source, port) in [("example.org", "http", 8080), ("example.net", "sni", 8443)] {
            for (direction, from) in [(outwards, HERE), (inwards, THERE)] {
                let labels = [("domain", domain), ("source", source), ("direction", direction)];
                let [bytes, packets] = sent(&table, from, port);
                assert_eq!(page.sum("weir_domain_io_bytes_total", &labels), bytes, "{labels:?}");
                assert_eq!(page.sum("weir_domain_io_packets_total", &labels), packets, "{labels:?}");
                let names: Vec<_> = page.values("weir_name_io_bytes_total", "name").into_iter().collect();
                assert!(
                    names.contains(&"www2.example.org") && names.contains(&"s2.example.net"),
                    "{names:?}"
                );
            }
            let connections = [("domain", domain), ("direction", outwards)];
            assert_eq!(page.sum("weir_domain_connections_total", &connections), f64::from(REQUESTS));
            let handshakes = page.sum("weir_domain_handshake_seconds_count", &[("domain", domain)]);
            assert_eq!(handshakes, f64::from(REQUESTS));
            let responses = page.sum("weir_domain_first_response_seconds_count", &[("domain", domain)]);
            assert_eq!(responses, f64::from(REQUESTS));
        }
        let dns = [("domain", "example.co.uk"), ("source", "dns")];
        let bytes = page.sum("weir_domain_io_bytes_total", &dns);
        assert!((110_000.0..140_000.0).contains(&bytes), "{bytes}");
        let http: f64 = [HERE, THERE].iter().map(|from| sent(&table, from, 8080)[0]).sum();
        assert_eq!(page.sum("weir_application_io_bytes_total", &[("application", "http")]), http);
    }
}

#[test]
fn a_protocol_of_ones_own_that_is_like_http_is_read_as_such_and_counts_under_its_name() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _http = http_server(&there, &directory, 1000);
    let agent = Agent::start(&here, &["--interface=eth0", "--protocols=htcpcp=like=http;ports=8080"]);
    // The server does not know the method; that it answers is all that is wanted.
    here.sh(&format!("curl -s -o /dev/null -X BREW -H 'Host: pot.example.org' http://{THERE}:8080/pot-1"));
    wait_for_name(&agent, 8080, ["pot.example.org", "http", "example.org", "htcpcp"]);
    let page = agent.wait_for("its bytes", |page| {
        page.sum("weir_domain_io_bytes_total", &[("domain", "example.org")]) > 0.0 && is_whole(page)
    });
    let bytes = page.sum("weir_application_io_bytes_total", &[("application", "htcpcp")]);
    assert_eq!(bytes, page.sum("weir_domain_io_bytes_total", &[("domain", "example.org")]));
}

#[test]
fn http2_in_clear_text_has_the_name_of_its_first_request() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let address = std::net::SocketAddr::new(THERE.parse().expect("an address"), 8080);
    let listener = there.enter(|| std::net::TcpListener::bind(address)).expect("listen");
    // The client asks at once; an answer is not needed for that.
    let _client = here.spawn(
        "curl",
        &[
            "-s",
            "--http2-prior-knowledge",
            "--resolve",
            &format!("two.example.org:8080:{THERE}"),
            "http://two.example.org:8080/",
        ],
    );
    let accepted = listener.accept().expect("accept");
    wait_for_name(&agent, 8080, ["two.example.org", "http", "example.org", "http2"]);
    drop(accepted);
}
