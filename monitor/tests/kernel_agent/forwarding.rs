//! A router's agent: traffic that is neither from nor to this host, on two interfaces.

use crate::{
    agent::{Agent, plain},
    capture::{self, Capture},
    netns::Namespace,
    traffic::{self, Ending},
};

/// A client, a router with devices `west` and `east`, and a server.
struct Path {
    client: Namespace,
    router: Namespace,
    server: Namespace,
}

const CLIENT: &str = "10.8.0.2";
const SERVER: &str = "10.9.0.2";
const SERVER6: &str = "fd00:9::2";

impl Path {
    fn new() -> Self {
        let (client, router, server) = (Namespace::new(), Namespace::new(), Namespace::new());
        router.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        for (end, device, net) in [(&client, "west", 8), (&server, "east", 9)] {
            router.join(device, end, "eth0", net);
            // A router asks for its neighbours from a link-local address (RFC 4861, 7.2.2).
            router.ip(&format!("addr add fe80::1/64 dev {device} nodad"));
            plain(&router, device);
            plain(end, "eth0");
            end.ip(&format!("route add default via 10.{net}.0.1"));
            end.ip(&format!("-6 route add default via fd00:{net}::1"));
        }
        Self { client, router, server }
    }
}

#[test]
fn forwarded_flows_count_once_and_each_interface_counts_all() {
    let path = Path::new();
    // No default route: all interfaces that are up, but not loopback.
    let agent = Agent::start(&path.router, &[]);
    let capture = Capture::start(&path.router, "west");
    traffic::tcp(&path.client, &path.server, SERVER, 1_000, 300_000, Ending::Client);
    traffic::tcp(&path.client, &path.server, SERVER6, 200_000, 10, Ending::Server);
    traffic::udp(&path.client, &path.server, SERVER, 10, 500);
    traffic::refused(&path.client, SERVER);
    let table = capture.finish(|| capture::mark(&path.router, CLIENT));
    let (mut packets, mut bytes) = (0, 0);
    for (key, sent) in table.iter().filter(|(key, _)| key.0 == 6) {
        assert!(key.2 != 0 && key.4 != 0);
        packets += sent.packets;
        bytes += sent.bytes;
    }
    let page = agent.wait_for_drains();
    for interface in ["west", "east"] {
        let labels = [("interface", interface), ("transport", "tcp")];
        assert_eq!(page.sum("weir_network_io_packets_total", &labels), packets as f64);
        assert_eq!(page.sum("weir_network_io_bytes_total", &labels), bytes as f64);
    }
    // What shares of segments are taken of has each once, as the numbers of retransmissions do.
    assert_eq!(page.sum("weir_tcp_packets_total", &[]), packets as f64);
    let forwarded = [("role", "forwarded"), ("transport", "tcp")];
    // Nobody answered at the refused port: it gets no series.
    assert_eq!(page.count("weir_service_io_bytes_total", &[("server_port", "9")]), 0);
    let of_services = page.sum("weir_service_io_bytes_total", &forwarded);
    let other = page.sum("weir_service_io_bytes_total", &[("role", "other")]);
    assert!(of_services > 500_000.0 && of_services <= bytes as f64, "{of_services} of {bytes}");
    assert_eq!(page.sum("weir_flow_io_bytes_total", &[]), page.sum("weir_service_io_bytes_total", &[]));
    assert!(other < 10_000.0, "{other}");
    for (result, count) in [("established", 2.0), ("refused", 1.0)] {
        let labels = [("role", "forwarded"), ("result", result)];
        assert_eq!(page.sum("weir_tcp_connection_attempts_total", &labels), count, "{result}");
    }
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[]), 3.0);
    assert_eq!(page.sum("weir_tcp_handshake_seconds_count", &[("role", "forwarded")]), 2.0);
    // Three TCP flows, one of UDP.
    assert!(page.sum("weir_duplicate_flows_total", &[]) >= 4.0);
    assert_eq!(page.unaccounted(), 0.0);
    // Bytes once: what the services and other have is what passed one of the two interfaces.
    let west = page.sum("weir_network_io_bytes_total", &[("interface", "west")]);
    let east = page.sum("weir_network_io_bytes_total", &[("interface", "east")]);
    let flows = page.sum("weir_flow_io_bytes_total", &[]);
    assert!(flows < west.max(east) + 2_000.0 && flows >= bytes as f64, "{flows}, west {west}, east {east}");
}
