//! DNS of real clients and servers, over UDP, TCP and TLS, and what nobody asked for.

use std::net::UdpSocket;

use crate::{
    agent::{Agent, Running, THERE, cable, file},
    names::wait_for_listener,
    netns::{Namespace, wait_for},
    traffic::{self, Ending},
};

use super::{
    servers::Certificate,
    truth::{self, Named, TCP, Truth, UDP, wait_for_names},
};

/// Another address of the server, to which nothing else speaks.
const ELSEWHERE: &str = "10.7.0.3";

/// A third one.
const NOWHERE: &str = "10.7.0.4";

/// unbound, which knows one name and that another does not exist.
fn unbound(ns: &Namespace, directory: &tempfile::TempDir, certificate: &Certificate) -> Running {
    let Certificate { key, certificate } = certificate;
    let configuration = format!(
        "server:
            directory: \"\"
            chroot: \"\"
            username: \"\"
            pidfile: \"\"
            use-syslog: no
            do-daemonize: no
            num-threads: 1
            interface: {THERE}@53
            interface: {THERE}@853
            tls-service-key: \"{key}\"
            tls-service-pem: \"{certificate}\"
            access-control: 10.7.0.0/24 allow
            module-config: iterator
            local-data: \"told.example.co.uk. 60 IN A {ELSEWHERE}\"
            local-data: \"alias.example.co.uk. 60 IN CNAME told.example.co.uk.\"
            local-data: \"told.example.co.uk. 60 IN TXT large\"
            local-zone: \"nothing.example.\" always_nxdomain
         remote-control:
            control-enable: no
        "
    );
    let configuration = file(directory, "unbound.conf", &configuration);
    let server =
        Running::start(ns.command("unbound", &["-d", "-c", configuration.to_str().expect("a path")]));
    for (kind, port) in [("u", 53), ("t", 53), ("t", 853)] {
        wait_for_listener(ns, kind, port);
    }
    server
}

#[test]
fn questions_and_answers_are_counted_and_an_answer_names_the_flow_that_follows() {
    let (here, there) = cable();
    there.ip(&format!("addr add {ELSEWHERE}/24 dev eth1"));
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &["resolver.example.org"]);
    let _server = unbound(&there, &directory, &certificate);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let ask = |command: &str| {
        let said = here.sh(command);
        assert!(said.contains(ELSEWHERE) || said.contains("NXDOMAIN"), "{command}: {said}");
    };
    ask(&format!("dig @{THERE} told.example.co.uk A"));
    ask(&format!("dig +tcp @{THERE} told.example.co.uk A"));
    ask(&format!("kdig @{THERE} told.example.co.uk A"));
    ask(&format!("kdig +tcp @{THERE} told.example.co.uk A"));
    ask(&format!("dig @{THERE} www.nothing.example A"));
    ask(&format!("kdig +tcp @{THERE} www.nothing.example AAAA"));
    ask(&format!(
        "kdig +tls +tls-hostname=resolver.example.org +tls-ca={} @{THERE} told.example.co.uk A",
        certificate.certificate
    ));
    traffic::tcp(&here, &there, ELSEWHERE, 50_000, 60_000, Ending::Client);
    let truth = Truth::of(capture, &here);
    let told = truth.moved(TCP, &truth.ports(&format!("ip.dst == {ELSEWHERE}")));
    let resolver = truth.moved(TCP, &truth.to(TCP, 853));
    let expected = [
        Named { name: "told.example.co.uk", domain: "example.co.uk", source: "dns", moved: told },
        Named { name: "resolver.example.org", domain: "example.org", source: "sni", moved: resolver },
    ];
    let plain: f64 =
        [UDP, TCP].iter().map(|protocol| truth.moved(*protocol, &truth.to(*protocol, 53)).total()).sum();
    for page in wait_for_names([&agents[0], &agents[1]], &expected) {
        for (qtype, rcode, count) in
            [("A", "NOERROR", 4.0), ("A", "NXDOMAIN", 1.0), ("AAAA", "NXDOMAIN", 1.0)]
        {
            let labels = [("kind", "dns"), ("qtype", qtype), ("rcode", rcode)];
            assert_eq!(page.sum("weir_dns_responses_total", &labels), count, "{labels:?}");
        }
        for (qtype, count) in [("A", 5.0), ("AAAA", 1.0)] {
            assert_eq!(page.sum("weir_dns_queries_total", &[("qtype", qtype)]), count, "{qtype}");
        }
        assert_eq!(page.sum("weir_dns_latency_seconds_count", &[]), 6.0);
        assert!(page.sum("weir_dns_latency_seconds_sum", &[]) > 0.0);
        for name in
            ["weir_dns_unanswered_total", "weir_dns_unasked_responses_total", "weir_parse_failures_total"]
        {
            assert_eq!(page.sum(name, &[]), 0.0, "{name}");
        }
        // Over TLS it is DNS too, and nothing of it is read.
        assert_eq!(page.sum("weir_application_io_bytes_total", &[("application", "dns")]), plain);
        assert_eq!(page.sum("weir_application_io_bytes_total", &[("application", "dot")]), resolver.total());
    }
}

#[test]
fn a_query_that_nobody_answers_is_counted() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    there.sh(
        "nft 'add table inet silence; add chain inet silence input { type filter hook input priority 0; }; \
              add rule inet silence input udp dport 53 drop'",
    );
    // It says that it got no answer, and that is no success.
    here.sh(&format!("dig +tries=1 +timeout=1 @{THERE} unheard.example.org A || test $? = 9"));
    let page = agent.wait_for_sum("weir_dns_unanswered_total", &[], 1.0);
    assert_eq!(page.sum("weir_dns_queries_total", &[("qtype", "A")]), 1.0);
    assert_eq!(page.sum("weir_dns_responses_total", &[]), 0.0);
    assert_eq!(page.sum("weir_dns_latency_seconds_count", &[]), 0.0);
}

/// A question for the address of a name, with this identifier.
fn question(id: u16, name: &str) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// An answer to such a question.
fn answer(id: u16, name: &str, address: &str) -> Vec<u8> {
    let mut message = question(id, name);
    // A response with one answer, whose name is that of the question.
    message[2] = 0x81;
    message[7] = 1;
    message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    message.extend(address.parse::<std::net::Ipv4Addr>().expect("an address").octets());
    message
}

#[test]
fn forged_answers_name_nothing_and_the_true_one_does() {
    let (here, there) = cable();
    for address in [ELSEWHERE, NOWHERE] {
        there.ip(&format!("addr add {address}/24 dev eth1"));
    }
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let server = there.enter(|| UdpSocket::bind((THERE, 53)).expect("a socket"));
    let client = here.enter(|| UdpSocket::bind("10.7.0.1:0").expect("a socket"));
    let address = client.local_addr().expect("an address");
    let say = |message: &[u8]| server.send_to(message, address).expect("an answer");
    // Before anybody asked; then, while a question waits, with another identifier, and to another question.
    say(&answer(7, "forged.example.net", NOWHERE));
    agent.wait_for_sum("weir_dns_unasked_responses_total", &[], 1.0);
    client.send_to(&question(8, "true.example.org"), (THERE, 53)).expect("a question");
    wait_for("the question", || server.recv(&mut [0; 512]).ok());
    say(&answer(9, "true.example.org", NOWHERE));
    say(&answer(8, "forged.example.net", NOWHERE));
    say(&answer(8, "true.example.org", ELSEWHERE));
    agent.wait_for_sum("weir_dns_unasked_responses_total", &[], 3.0);
    // And after it was answered.
    say(&answer(8, "true.example.org", NOWHERE));
    agent.wait_for_sum("weir_dns_unasked_responses_total", &[], 4.0);
    let capture = truth::capture(&here);
    traffic::tcp(&here, &there, NOWHERE, 20_000, 30_000, Ending::Client);
    traffic::tcp(&here, &there, ELSEWHERE, 40_000, 50_000, Ending::Client);
    let truth = Truth::of(capture, &here);
    let to = |address: &str| truth.moved(TCP, &truth.ports(&format!("ip.dst == {address}"))).total();
    let named = [("name", "true.example.org"), ("source", "dns")];
    let page = agent.wait_for_sum("weir_name_io_bytes_total", &named, to(ELSEWHERE));
    assert!(!page.values("weir_name_io_bytes_total", "name").contains("forged.example.net"));
    let page = agent.wait_for("the flow without a name", |page| {
        page.sum("weir_domain_connections_total", &[("source", "none"), ("domain", "")]) >= 1.0
            && page.sum("weir_name_io_bytes_total", &[("name", "")]) >= to(NOWHERE)
    });
    assert_eq!(page.sum("weir_domain_connections_total", &[("source", "dns")]), 1.0);
    assert_eq!(page.sum("weir_dns_latency_seconds_count", &[]), 1.0);
}
