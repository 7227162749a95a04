//! What HTTP begins and something else goes on with: WebSocket, and a proxy's tunnel.

use crate::{
    agent::{Agent, Running, THERE, cable, file},
    names::wait_for_name,
};

use super::{
    servers::{Certificate, nginx, python, script, serve},
    truth::{self, Named, TCP, Truth, wait_for_names},
};

#[test]
fn a_websocket_has_the_name_of_its_request() {
    const LENGTH: usize = 100_000;
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _server = serve(&there, "websocket_server.py", "t", 80, &[THERE, "80"]);
    let agents = [Agent::start(&here, &["--interface=eth0"]), Agent::start(&there, &["--interface=eth1"])];
    let capture = truth::capture(&here);
    let (python, client, go) = (python(), script("websocket_client.py"), directory.path().join("go"));
    let (go, length) = (go.to_str().expect("a path"), LENGTH.to_string());
    let arguments = [&client, THERE, "80", "socket.example.org", &length, go];
    let mut client = Running::start(here.command(&python, &arguments));
    // What was counted before it turned into a WebSocket is HTTP's.
    for agent in &agents {
        wait_for_name(agent, 80, ["socket.example.org", "http", "example.org", "websocket"]);
    }
    file(&directory, "go", "");
    let status = client.end();
    assert!(status.success(), "{status}: {}", client.stderr());
    let truth = Truth::of(capture, &here);
    let moved = truth.moved(TCP, &truth.ports("http.upgrade == \"websocket\""));
    let named = Named { name: "socket.example.org", domain: "example.org", source: "http", moved };
    for page in wait_for_names([&agents[0], &agents[1]], &[named]) {
        assert_eq!(page.sum("weir_http_requests_total", &[("method", "GET")]), 1.0);
        assert_eq!(page.sum("weir_http_responses_total", &[("status_class", "1xx")]), 1.0);
        let bytes = |word| page.sum("weir_application_io_bytes_total", &[("application", word)]);
        assert_eq!(bytes("http") + bytes("websocket"), moved.total());
        assert!(bytes("websocket") > 2.0 * LENGTH as f64, "{}", bytes("websocket"));
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
    let secure = asked("secure.example.net:443");
    let clear = Named {
        name: "clear.example.org",
        domain: "example.org",
        source: "http",
        moved: asked("clear.example.org:80"),
    };
    for page in wait_for_names([&agents[0], &agents[1]], &[clear]) {
        let bytes = |labels: &[(&str, &str)]| page.sum("weir_name_io_bytes_total", labels);
        let name = ("name", "secure.example.net");
        assert_eq!(bytes(&[name]), secure.total());
        // Where a drain falls between the proxy's answer and the hello, what the next one finds has the name of the
        // request yet: how much that is depends on when.
        assert_eq!(bytes(&[name, ("source", "sni")]) + bytes(&[name, ("source", "http")]), secure.total());
        assert_eq!(page.sum("weir_http_requests_total", &[("method", "CONNECT")]), 2.0);
        let hellos = [("carrier", "tcp"), ("sni", "present"), ("result", "answered")];
        assert_eq!(page.sum("weir_tls_handshakes_total", &hellos), 1.0);
    }
}
