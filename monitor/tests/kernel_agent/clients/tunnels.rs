//! What HTTP begins and something else goes on with: WebSocket, and a proxy's tunnel.

use crate::agent::{Agent, THERE, cable};

use super::{
    servers::{Certificate, nginx, python, script, serve},
    truth::{self, Named, TCP, Truth, wait_for_names},
};

#[test]
fn a_websocket_has_the_name_of_its_request() {
    let (here, there) = cable();
    let _server = serve(&there, "websocket_server.py", "t", 80, &[THERE, "80"]);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let (python, client) = (python(), script("websocket_client.py"));
    here.sh(&format!("{python} {client} {THERE} 80 socket.example.org 100000"));
    let truth = Truth::of(capture, &here);
    let moved = truth.moved(TCP, &truth.ports("http.upgrade == \"websocket\""));
    let named = Named { name: "socket.example.org", domain: "example.org", source: "http", moved };
    for page in wait_for_names([&agents[0], &agents[1]], &[named]) {
        assert_eq!(page.sum("weir_http_requests_total", &[("method", "GET")]), 1.0);
        assert_eq!(page.sum("weir_http_responses_total", &[("status_class", "1xx")]), 1.0);
        let bytes = page.sum("weir_application_io_bytes_total", &[("application", "websocket")]);
        assert_eq!(bytes, moved.total(), "{}", page.not_zero());
    }
}

#[test]
fn what_goes_through_a_proxys_tunnel_has_the_name_that_its_hello_asks_for() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let certificate = Certificate::new(&directory, &["*.example.net"]);
    let _server = nginx(&there, &directory, &certificate, 50_000);
    let _proxy = serve(&there, "connect_proxy.py", "t", 3128, &[THERE, "3128", THERE]);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let curl = |url: &str| {
        here.sh(&format!("curl -sfk -o /dev/null --proxytunnel --proxy http://{THERE}:3128 {url}"));
    };
    curl("https://secure.example.net/page");
    curl("http://clear.example.org/page");
    let truth = Truth::of(capture, &here);
    let asked = |target: &str| truth.moved(TCP, &truth.ports(&format!("http.request.uri == \"{target}\"")));
    let expected = [
        Named {
            name: "secure.example.net",
            domain: "example.net",
            source: "sni",
            moved: asked("secure.example.net:443"),
        },
        Named {
            name: "clear.example.org",
            domain: "example.org",
            source: "http",
            moved: asked("clear.example.org:80"),
        },
    ];
    for page in wait_for_names([&agents[0], &agents[1]], &expected) {
        assert_eq!(page.sum("weir_http_requests_total", &[("method", "CONNECT")]), 2.0);
        let hellos = [("carrier", "tcp"), ("sni", "present"), ("result", "answered")];
        assert_eq!(page.sum("weir_tls_handshakes_total", &hellos), 1.0);
    }
}
