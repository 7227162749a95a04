//! A browser, as it comes: its post-quantum hello in several segments, and the one of QUIC, whose pieces it
//! scrambles over several datagrams.

use crate::{
    agent::{Agent, HERE, THERE, cable},
    netns::Namespace,
};

use super::{
    servers::{Certificate, nginx, serve},
    truth::{self, Named, TCP, Truth, UDP, wait_for_names},
};

/// Opens a page and returns its document. All names are at the server.
fn open(ns: &Namespace, directory: &tempfile::TempDir, url: &str, options: &str) -> String {
    let home = directory.path().join("home");
    let home = home.to_str().expect("a path");
    let quiet = "--no-first-run --disable-background-networking --disable-component-update --disable-sync \
                 --disable-default-apps --disable-extensions";
    // What hangs is ended: nothing of a browser is to stay.
    ns.sh(&format!(
        "HOME={home} timeout -k 5 120 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage {quiet} \
         --user-data-dir={home} --host-resolver-rules='MAP * {THERE}' {options} --dump-dom {url}"
    ))
}

#[test]
fn a_browsers_post_quantum_hello_in_several_segments_names_its_flow() {
    const NAME: &str = "pages.example.org";
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &[NAME]);
    let _server = nginx(&there, &directory, &certificate, 1000);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let page = open(&here, &directory, &format!("https://{NAME}/"), "--ignore-certificate-errors");
    assert!(page.contains("served by nginx"), "{page}");
    let truth = Truth::of(capture, &here);
    let hello = format!("tls.handshake.extensions_server_name == \"{NAME}\"");
    // X25519MLKEM768, and a hello that no segment holds.
    let post_quantum = truth.ports(&format!(
        "{hello} && tls.handshake.extensions_key_share_group == 4588 && tcp.segment.count >= 2"
    ));
    let ports = truth.hellos(NAME);
    assert!(!ports.is_empty());
    assert_eq!(post_quantum, ports);
    let moved = truth.moved(TCP, &ports);
    let named = Named { name: NAME, domain: "example.org", source: "sni", moved };
    for page in wait_for_names([&agents[0], &agents[1]], &[named]) {
        let hellos = [("carrier", "tcp"), ("version", "TLSv1.3"), ("alpn", "h2"), ("sni", "present")];
        // A browser may also ask others than the page's server.
        let answered = page.sum("weir_tls_handshakes_total", &hellos);
        assert!(answered >= ports.len() as f64, "{answered}");
        assert_eq!(page.sum("weir_parse_failures_total", &[]), 0.0);
    }
}

#[test]
fn a_browsers_scrambled_quic_hello_names_its_flow() {
    const NAME: &str = "quic.example.org";
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &[NAME]);
    let arguments = [THERE, "443", &certificate.certificate, &certificate.key];
    let _server = serve(&there, "quic_server.py", "u", 443, &arguments);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let options = format!(
        "--enable-quic --origin-to-force-quic-on={NAME}:443 --ignore-certificate-errors-spki-list={}",
        certificate.key_hash()
    );
    let page = open(&here, &directory, &format!("https://{NAME}/50000"), &options);
    assert!(page.contains(&"p".repeat(50_000)), "{page}");
    let truth = Truth::of(capture, &here);
    let ports = truth.hellos(NAME);
    // Pieces of the hello as they stand in the datagrams, in the order of the wire.
    let filter = format!("ip.src == {HERE} && udp.dstport == 443 && quic.crypto.offset");
    for port in &ports {
        let filter = format!("{filter} && udp.srcport == {port} && quic.long.packet_type == 0");
        let datagrams = truth.fields(&filter, &["quic.crypto.offset"]);
        let pieces: Vec<u64> = datagrams
            .iter()
            .flat_map(|row| row[0].split(','))
            .map(|n| n.parse().expect("an offset"))
            .collect();
        assert!(datagrams.len() >= 2 && pieces.len() > datagrams.len(), "not scrambled: {datagrams:?}");
        assert!(!pieces.is_sorted(), "in order: {datagrams:?}");
    }
    let moved = truth.moved(UDP, &ports);
    let named = Named { name: NAME, domain: "example.org", source: "quic", moved };
    for page in wait_for_names([&agents[0], &agents[1]], &[named]) {
        let connections = page.sum("weir_quic_connections_total", &[("version", "v1")]);
        assert_eq!(connections, ports.len() as f64);
        let hellos = [("carrier", "quic"), ("version", "TLSv1.3"), ("alpn", "h3"), ("result", "answered")];
        assert_eq!(page.sum("weir_tls_handshakes_total", &hellos), connections);
        assert_eq!(page.sum("weir_parse_failures_total", &[]), 0.0);
        let quic = page.sum("weir_application_io_bytes_total", &[("application", "quic")]);
        assert_eq!(quic, page.sum("weir_name_io_bytes_total", &[("name", NAME)]));
    }
}
