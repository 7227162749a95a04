//! QUIC of another client and server than a browser's.

use crate::agent::{Agent, THERE, cable};

use super::{
    servers::{Certificate, python, script, serve},
    truth::{self, Named, Truth, UDP, wait_for_names},
};

#[test]
fn both_versions_of_quic_name_their_flows_with_and_without_retry() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &["*.example.net"]);
    let arguments = |port| [THERE, port, &certificate.certificate, &certificate.key, ""];
    let _direct = serve(&there, "quic_server.py", "u", 443, &arguments("443")[..4]);
    let mut with_retry = arguments("444");
    with_retry[4] = "retry";
    let _retry = serve(&there, "quic_server.py", "u", 444, &with_retry);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    // A flow is told by its name here: one client at a time.
    let names = ["v1", "v2", "retry-v1", "retry-v2"].map(|name| format!("{name}.example.net"));
    let flows = [("443", "1", "30000"), ("443", "2", "40000"), ("444", "1", "50000"), ("444", "2", "60000")];
    for (name, (port, version, bytes)) in names.iter().zip(flows) {
        let (python, client) = (python(), script("quic_client.py"));
        here.sh(&format!("{python} {client} {THERE} {port} {name} {version} {bytes}"));
    }
    let truth = Truth::of(capture, &here);
    // Versions and Retry are on the wire, not only asked for.
    for (filter, flows) in
        [("quic.version == 1", 2), ("quic.version == 0x6b3343cf", 2), ("quic.token_length > 0", 2)]
    {
        assert_eq!(truth.ports(&format!("udp.dstport in {{443, 444}} && {filter}")).len(), flows, "{filter}");
    }
    let expected: Vec<Named<'_>> = names
        .iter()
        .map(|name| {
            let moved = truth.moved(UDP, &truth.hellos(name));
            Named { name, domain: "example.net", source: "quic", moved }
        })
        .collect();
    for page in wait_for_names([&agents[0], &agents[1]], &expected) {
        for version in ["v1", "v2"] {
            assert_eq!(page.sum("weir_quic_connections_total", &[("version", version)]), 2.0, "{version}");
        }
        let hellos = [("carrier", "quic"), ("version", "TLSv1.3"), ("alpn", "h3"), ("result", "answered")];
        assert_eq!(page.sum("weir_tls_handshakes_total", &hellos), 4.0);
        // After a Retry it is the same hello.
        assert_eq!(page.sum("weir_tls_handshakes_total", &[("carrier", "quic")]), 4.0);
        assert_eq!(page.sum("weir_parse_failures_total", &[]), 0.0);
    }
}
