//! TLS as OpenSSL speaks it: without a name, resumed, over datagrams, and after STARTTLS.

use std::{fmt::Write as _, process::Stdio};

use crate::{
    agent::{Agent, Running, THERE, cable},
    names::wait_for_listener,
    netns::{Namespace, run},
};

use super::{
    servers::{Certificate, serve},
    truth::{self, Named, TCP, Truth, UDP, wait_for_names},
};

/// `openssl s_server` that answers requests with its state.
fn s_server(ns: &Namespace, certificate: &Certificate, kind: &str, port: u16, options: &[&str]) -> Running {
    let number = port.to_string();
    let fixed = ["s_server", "-accept", &number, "-cert", &certificate.certificate, "-key", &certificate.key];
    let mut command = ns.command("openssl", &[&fixed, options].concat());
    // It ends with its input, which stays open as long as it runs.
    command.stdin(Stdio::piped());
    let server = Running::start(command);
    wait_for_listener(ns, kind, port);
    server
}

/// `openssl s_client` asks for a page and returns what it says of the session.
fn s_client(ns: &Namespace, port: u16, options: &str) -> String {
    ns.sh(&format!(
        "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 120 openssl s_client -connect {THERE}:{port} -ign_eof {options} 2>&1"
    ))
}

#[test]
fn a_flow_without_sni_has_the_certificates_name_and_a_resumed_session_the_clients() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &["unasked.example.com"]);
    let _old = s_server(&there, &certificate, "t", 443, &["-tls1_2", "-www"]);
    let _new = s_server(&there, &certificate, "t", 8443, &["-tls1_3", "-www"]);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    s_client(&here, 443, "-noservername");
    let session = directory.path().join("session");
    let session = session.to_str().expect("a path");
    let name = "-servername resumed.example.net";
    let first = s_client(&here, 8443, &format!("{name} -sess_out {session}"));
    let second = s_client(&here, 8443, &format!("{name} -sess_in {session}"));
    assert!(first.contains("New, TLSv1.3") && second.contains("Reused, TLSv1.3"), "{first}{second}");
    // TLS 1.3 encrypts the certificate: without SNI nothing names this one.
    s_client(&here, 8443, "-noservername");
    let truth = Truth::of(capture, &here);
    let unasked = truth.moved(TCP, &truth.to(TCP, 443));
    assert_eq!(truth.to(TCP, 8443).len(), 3);
    let asked = truth.ports("tcp.dstport == 8443 && tcp contains \"resumed.example.net\"");
    assert_eq!(asked.len(), 2);
    let expected = [
        Named { name: "unasked.example.com", domain: "example.com", source: "certificate", moved: unasked },
        Named {
            name: "resumed.example.net",
            domain: "example.net",
            source: "sni",
            moved: truth.moved(TCP, &asked),
        },
    ];
    for page in wait_for_names([&agents[0], &agents[1]], &expected) {
        let sum = |labels: &[(&str, &str)]| page.sum("weir_tls_handshakes_total", labels);
        assert_eq!(sum(&[("version", "TLSv1.2"), ("sni", "absent"), ("result", "answered")]), 1.0);
        assert_eq!(sum(&[("version", "TLSv1.3"), ("sni", "present"), ("result", "answered")]), 2.0);
        assert_eq!(sum(&[("version", "TLSv1.3"), ("sni", "absent"), ("result", "answered")]), 1.0);
        // That one, and the packet that marks the end of the capture.
        assert_eq!(page.sum("weir_domain_connections_total", &[("source", "none"), ("domain", "")]), 2.0);
    }
    let records = run(env!("CARGO_BIN_EXE_weir"), &["pcap", "--json", truth.file()]);
    let records = String::from_utf8(records.stdout).expect("UTF-8");
    let resumed: Vec<bool> = records
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter(|record| record["record"] == "tls" && record["server_name"] == "resumed.example.net")
        .map(|record| record["resumed"].as_bool().expect("whether it was resumed"))
        .collect();
    assert_eq!(resumed, [false, true]);
}

#[test]
fn a_hello_over_datagrams_names_its_flow() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &["dtls.example.org"]);
    let _server = s_server(&there, &certificate, "u", 4433, &["-dtls1_2"]);
    let options = ["--timeout.udp=5s"];
    let start = |ns, interface| Agent::start(ns, &[&[interface][..], &options].concat());
    let agents = [start(&here, "--interface=eth0"), start(&there, "--interface=eth1")];
    let capture = truth::capture(&here);
    let said = here.sh(&format!(
        "echo CLOSE | timeout 120 openssl s_client -dtls1_2 -connect {THERE}:4433 -servername dtls.example.org 2>&1"
    ));
    assert!(said.contains("DTLSv1.2"), "{said}");
    let truth = Truth::of(capture, &here);
    let moved = truth.moved(UDP, &truth.to(UDP, 4433));
    let named = Named { name: "dtls.example.org", domain: "example.org", source: "sni", moved };
    wait_for_names([&agents[0], &agents[1]], &[named]);
    for agent in &agents {
        // The server asks for the hello again, with a cookie. The end of the second handshake may be in no sample:
        // what it gave is told when its flow ends.
        agent.wait_for_sum("weir_tls_hello_retry_requests_total", &[("carrier", "dtls")], 1.0);
        let handshakes =
            [("carrier", "dtls"), ("version", "DTLSv1.2"), ("sni", "present"), ("result", "answered")];
        agent.wait_for_sum("weir_tls_handshakes_total", &handshakes, 1.0);
    }
}

/// What can begin in clear text, with its port.
const UPGRADES: [(&str, u16); 8] = [
    ("smtp", 25),
    ("pop3", 110),
    ("imap", 143),
    ("ftp", 21),
    ("xmpp", 5222),
    ("ldap", 389),
    ("postgres", 5432),
    ("mysql", 3306),
];

#[test]
fn a_hello_after_starttls_names_its_flow() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &["*.example.org"]);
    let mut arguments = vec![THERE.to_owned(), certificate.certificate.clone(), certificate.key.clone()];
    arguments.extend(UPGRADES.map(|(protocol, port)| format!("{protocol}:{port}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let _server = serve(&there, "starttls_server.py", "t", UPGRADES[7].1, &arguments);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let mut script = String::new();
    for (protocol, port) in UPGRADES {
        let name = format!("{protocol}.example.org");
        let _ = writeln!(
            script,
            "echo bye | timeout 120 openssl s_client -connect {THERE}:{port} -starttls {protocol} -name {name} \
             -servername {name} -ign_eof 2>&1 | grep -q 'New, TLSv1.3' || {{ echo no TLS after {protocol}; exit 1; }}"
        );
    }
    here.sh(&script);
    let truth = Truth::of(capture, &here);
    let names = UPGRADES.map(|(protocol, port)| (format!("{protocol}.example.org"), port));
    let expected: Vec<Named<'_>> = names
        .iter()
        .map(|(name, port)| {
            let moved = truth.moved(TCP, &truth.to(TCP, *port));
            Named { name, domain: "example.org", source: "sni", moved }
        })
        .collect();
    for page in wait_for_names([&agents[0], &agents[1]], &expected) {
        let handshakes =
            [("carrier", "tcp"), ("version", "TLSv1.3"), ("sni", "present"), ("result", "answered")];
        let answered = page.sum("weir_tls_handshakes_total", &handshakes);
        assert_eq!(answered, UPGRADES.len() as f64, "{}", page.not_zero());
        for application in ["smtp", "pop3", "imap", "ftp", "postgresql", "mysql"] {
            let bytes = page.sum("weir_application_io_bytes_total", &[("application", application)]);
            assert!(bytes > 0.0, "{application}: {}", page.not_zero());
        }
    }
}
