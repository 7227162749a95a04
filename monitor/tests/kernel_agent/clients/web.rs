//! A web server with many names on one address, and curl.

use crate::agent::{Agent, THERE, cable};

use super::{
    servers::{Certificate, nginx},
    truth::{self, Named, TCP, Truth, wait_for_names},
};

#[test]
fn many_names_on_one_address_each_have_their_bytes_with_http_1_and_2_over_tls() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &["*.example.org", "*.example.net"]);
    let _server = nginx(&there, &directory, &certificate, 100_000);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let curl = |options: &str, host: &str, requests: u32| {
        let url = format!("'https://{host}/page?[1-{requests}]'");
        here.sh(&format!("curl -sfk -o /dev/null --resolve '*:443:{THERE}' {options} {url}"));
    };
    curl("--http2", "one.example.org", 3);
    curl("--http1.1", "two.example.org", 3);
    curl("--http2 --parallel", "three.example.net", 5);
    curl("--http1.1 --parallel", "four.example.net", 3);
    curl("--http2 --tls-max 1.2", "five.example.net", 1);
    let truth = Truth::of(capture, &here);
    let mut hellos = 0.0;
    let names =
        ["one.example.org", "two.example.org", "three.example.net", "four.example.net", "five.example.net"];
    let expected: Vec<Named<'_>> = names
        .iter()
        .map(|name| {
            let ports = truth.hellos(name);
            hellos += ports.len() as f64;
            let domain = name.split_once('.').expect("a domain").1;
            Named { name, domain, source: "sni", moved: truth.moved(TCP, &ports) }
        })
        .collect();
    assert!(hellos >= 7.0, "{hellos}");
    for page in wait_for_names([&agents[0], &agents[1]], &expected) {
        let sum = |labels: &[(&str, &str)]| page.sum("weir_tls_handshakes_total", labels);
        assert_eq!(sum(&[("sni", "present"), ("result", "answered"), ("ech", "false")]), hellos);
        assert_eq!(sum(&[("version", "TLSv1.2"), ("alpn", "h2")]), 1.0);
        assert_eq!(sum(&[("version", "TLSv1.3")]), hellos - 1.0);
        assert_eq!(sum(&[]), hellos);
        // With tickets or without: every flow of the capture is named.
        assert_eq!(page.sum("weir_domain_io_bytes_total", &[("domain", "")]), unnamed(&page));
    }
}

/// Bytes of flows without a name: the mark at the end of the capture alone.
fn unnamed(page: &crate::exposition::Page) -> f64 {
    page.sum("weir_service_io_bytes_total", &[("server_port", "other")])
}

#[test]
fn requests_in_clear_text_name_their_flow_and_are_counted() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &["*.example.org"]);
    let _server = nginx(&there, &directory, &certificate, 100_000);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let resolve = format!("--resolve '*:80:{THERE}' --resolve '*:81:{THERE}'");
    let curl = |options: &str| here.sh(&format!("curl -s -o /dev/null {resolve} {options}"));
    // One connection: three pages, one that is not there, and last one that no sample holds whole.
    curl(
        "'http://www.example.co.uk/small?[1-3]' http://www.example.co.uk/nothing -o /dev/null \
         http://www.example.co.uk/page -o /dev/null",
    );
    curl("--head http://WWW.Example.com/page");
    curl("-X DELETE http://api.example.co.uk/page");
    // Of several pages curl 7.88 says that the frames are wrong.
    curl("--http2-prior-knowledge http://h2c.example.net:81/page");
    let truth = Truth::of(capture, &here);
    let by_host = |name: &str| truth.moved(TCP, &truth.ports(&format!("http.host == \"{name}\"")));
    let h2c = truth.moved(TCP, &truth.to(TCP, 81));
    let named = |name, domain, moved| Named { name, domain, source: "http", moved };
    let expected = [
        named("www.example.co.uk", "example.co.uk", by_host("www.example.co.uk")),
        named("www.example.com", "example.com", by_host("WWW.Example.com")),
        named("api.example.co.uk", "example.co.uk", by_host("api.example.co.uk")),
        named("h2c.example.net", "example.net", h2c),
    ];
    for page in wait_for_names([&agents[0], &agents[1]], &expected) {
        for (method, count) in [("GET", 5.0), ("HEAD", 1.0), ("DELETE", 1.0)] {
            assert_eq!(page.sum("weir_http_requests_total", &[("method", method)]), count, "{method}");
        }
        for (class, count) in [("2xx", 5.0), ("4xx", 2.0), ("5xx", 0.0)] {
            assert_eq!(page.sum("weir_http_responses_total", &[("status_class", class)]), count, "{class}");
        }
        assert_eq!(page.sum("weir_http_response_seconds_count", &[]), 7.0);
        let http = page.sum("weir_application_io_bytes_total", &[("application", "http")]);
        assert_eq!(http, page.sum("weir_domain_io_bytes_total", &[("source", "http")]) - h2c.total());
        assert_eq!(page.sum("weir_application_io_bytes_total", &[("application", "http2")]), h2c.total());
    }
}
