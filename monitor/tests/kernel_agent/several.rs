//! Flows that several interfaces see, on real topologies: what the families of flows have is what entered the host
//! or was made by it, once. The witness is nftables, which counts at its own hooks.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, Running, plain},
    bpffs::BpfFs,
    exposition::Page,
    frames::{self, Raw},
    names::wait_for_listener,
    netns::{DEADLINE, Namespace},
    pins::flag,
};

/// TCP flags.
const SYN: u8 = 2;
const ACK: u8 = 16;
const PSH_ACK: u8 = 24;
const FIN_ACK: u8 = 17;

/// Chains of nftables that count what comes in by these devices.
fn chains(devices: &[&str], what: &str) -> String {
    let chain = |device: &&str| {
        format!(
            "chain {device} {{ type filter hook ingress device {device} priority -500; meta l4proto {what} counter name came; }}\n"
        )
    };
    devices.iter().map(chain).collect()
}

/// Counts what comes in by these devices, and the datagrams that the host makes itself. Its segments are still
/// super-packets where nftables sees them leave: those are counted where they arrive, by [`arriving`].
fn witness(ns: &Namespace, devices: &[&str]) {
    let chains = chains(devices, "{ tcp, udp }");
    ns.sh(&format!(
        "nft -f - <<'END'
table netdev w {{ counter came {{ }}
{chains}}}
table inet w {{ counter made {{ }}
chain out {{ type filter hook output priority -500; oifname != \"lo\" meta l4proto udp counter name made; }}
}}
END"
    ));
}

/// Counts the segments that come in by these devices.
fn arriving(ns: &Namespace, devices: &[&str]) {
    let chains = chains(devices, "tcp");
    ns.sh(&format!("nft -f - <<'END'\ntable netdev far {{ counter came {{ }}\n{chains}}}\nEND"));
}

/// Packets and IP bytes that these counted.
fn witnessed(namespaces: &[&Namespace]) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for ns in namespaces {
        let said: serde_json::Value = serde_json::from_str(&ns.sh("nft -j list counters")).expect("JSON");
        for counter in said["nftables"].as_array().expect("objects").iter().filter_map(|o| o.get("counter")) {
            sum.0 += counter["packets"].as_f64().expect("a number");
            sum.1 += counter["bytes"].as_f64().expect("a number");
        }
    }
    sum
}

/// The families of flows have what nftables counted in the agent's namespace and, of what that made, in `far`: to
/// the byte.
#[track_caller]
fn assert_once(agent: &Agent<'_>, far: &[&Namespace]) -> Page {
    let (packets, ip_bytes) = witnessed(&[&[agent.ns], far].concat());
    // Plain Ethernet without padding: a frame is its packet and 14 bytes.
    let bytes = ip_bytes + 14.0 * packets;
    let sums = |page: &Page| {
        ["weir_flow_io_packets_total", "weir_flow_io_bytes_total"].map(|name| page.sum(name, &[]))
    };
    let page = agent.wait_for(&format!("{packets} packets"), |page| {
        page.unaccounted() == 0.0 && sums(page)[0] >= packets
    });
    assert_eq!(sums(&page), [packets, bytes], "{}", page.not_zero());
    // A new series is shown first as nothing.
    agent.wait_for_sum("weir_service_io_bytes_total", &[], bytes)
}

/// A client and a server with addresses of their own, joined by two cables.
struct Uplinks {
    client: Namespace,
    server: Namespace,
}

const CLIENT: &str = "10.1.1.1";
const SERVER: &str = "10.2.2.2";

impl Uplinks {
    fn new() -> Self {
        let (client, server) = (Namespace::new(), Namespace::new());
        for n in 0..2 {
            client.join(&format!("a{n}"), &server, &format!("b{n}"), 9 + n);
            plain(&client, &format!("a{n}"));
            plain(&server, &format!("b{n}"));
        }
        for (ns, address) in [(&client, CLIENT), (&server, SERVER)] {
            ns.ip(&format!("addr add {address}/32 dev lo"));
            ns.sh("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done");
        }
        witness(&client, &["a0", "a1"]);
        arriving(&server, &["b0", "b1"]);
        let this = Self { client, server };
        this.out(0);
        this.back(1);
        this
    }

    /// The client sends by this cable.
    fn out(&self, cable: u8) {
        self.client.ip(&format!("route replace {SERVER} via 10.{}.0.2 src {CLIENT}", 9 + cable));
    }

    /// The server answers by this one.
    fn back(&self, cable: u8) {
        self.server.ip(&format!("route replace {CLIENT} via 10.{}.0.1 src {SERVER}", 9 + cable));
    }

    /// Both take turns for each packet.
    fn spray(&self) {
        for (ns, to, near, far) in [(&self.client, SERVER, CLIENT, 2), (&self.server, CLIENT, SERVER, 1)] {
            for n in 0..2 {
                let net = 9 + n;
                ns.ip(&format!("route add {to} via 10.{net}.0.{far} src {near} table {}", 101 + n));
                ns.ip(&format!("rule add fwmark {} table {}", 1 + n, 101 + n));
            }
            ns.sh(&format!(
                "nft 'table ip spray {{ chain out {{ type route hook output priority 0; ip daddr {to} meta mark set numgen inc mod 2 offset 1\n}}\n}}'"
            ));
        }
    }
}

/// Datagrams to and fro, one after the other.
struct Datagrams {
    client: UdpSocket,
    server: UdpSocket,
    to: SocketAddr,
}

impl Datagrams {
    fn new(client: &Namespace, from: &str, server: &Namespace, to: &str) -> Self {
        let open = |ns: &Namespace, at: String| {
            let socket = ns.enter(|| UdpSocket::bind(&at)).unwrap_or_else(|e| panic!("{at}: {e}"));
            socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
            socket
        };
        let server = open(server, format!("{to}:7000"));
        let to = server.local_addr().expect("an address");
        Self { client: open(client, format!("{from}:7001")), server, to }
    }

    fn exchange(&self, count: usize) {
        let mut buffer = [0; 2000];
        for n in 0..count {
            self.client.send_to(&vec![1; 100 + n], self.to).expect("a question");
            let (_, from) = self.server.recv_from(&mut buffer).expect("a question");
            self.server.send_to(&[2; 1000], from).expect("an answer");
            self.client.recv_from(&mut buffer).expect("an answer");
        }
    }
}

/// A connection that carries something both ways and ends.
fn connection(client: &Namespace, server: &Namespace, to: &str, port: u16, bytes: usize, between: impl Fn()) {
    let listener = server.enter(|| TcpListener::bind((to, port))).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let near =
        client.enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(20))).expect("a connection");
    let (mut far, _) = listener.accept().expect("a connection");
    let carry = |half: usize| {
        let (sent, mut buffer) = (vec![7; 100_000], vec![0; 100_000]);
        for _ in 0..half / buffer.len() {
            for (mut from, mut to) in [(&near, &far), (&far, &near)] {
                std::thread::scope(|scope| {
                    scope.spawn(|| from.write_all(&sent).expect("written"));
                    to.read_exact(&mut buffer).expect("read");
                });
            }
        }
    };
    carry(bytes / 2);
    between();
    carry(bytes / 2);
    drop(near);
    assert_eq!(far.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn what_comes_back_by_another_uplink_is_counted_and_its_attempt_finishes() {
    let uplinks = Uplinks::new();
    let agent = Agent::start(&uplinks.client, &[]);
    connection(&uplinks.client, &uplinks.server, SERVER, 8080, 2_000_000, || ());
    let page = assert_once(&agent, &[&uplinks.server]);
    let client = [("role", "client"), ("result", "established")];
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &client), 1.0);
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[]), 1.0);
    assert_eq!(page.sum("weir_tcp_handshake_seconds_count", &[("role", "client")]), 1.0);
    assert_eq!(page.sum("weir_duplicate_flows_total", &[]), 1.0);
    assert!(page.sum("weir_flow_io_bytes_total", &[("direction", "receive")]) > 1_000_000.0);
    // Both halves go when the connection is over.
    agent.wait_for_sum("weir_flows_active", &[], 0.0);
}

#[test]
fn a_path_that_moves_and_one_that_is_sprayed_lose_nothing() {
    let uplinks = Uplinks::new();
    let agent = Agent::start(&uplinks.client, &[]);
    connection(&uplinks.client, &uplinks.server, SERVER, 8080, 1_000_000, || {
        agent.wait_for_drains();
        uplinks.out(1);
        uplinks.back(0);
    });
    assert_once(&agent, &[&uplinks.server]);
    let datagrams = Datagrams::new(&uplinks.client, CLIENT, &uplinks.server, SERVER);
    for turn in 0..4 {
        uplinks.out(turn % 2);
        datagrams.exchange(100);
        assert_once(&agent, &[&uplinks.server]);
    }
    uplinks.spray();
    datagrams.exchange(300);
    assert_once(&agent, &[&uplinks.server]);
    connection(&uplinks.client, &uplinks.server, SERVER, 8081, 1_000_000, || ());
    assert_once(&agent, &[&uplinks.server]);
}

#[test]
fn an_instance_that_goes_on_counts_what_came_since_on_all_interfaces_together() {
    let (uplinks, bpf) = (Uplinks::new(), BpfFs::new());
    let first = Agent::start(&uplinks.client, &[&flag(&bpf)]);
    let datagrams = Datagrams::new(&uplinks.client, CLIENT, &uplinks.server, SERVER);
    datagrams.exchange(50);
    uplinks.out(1);
    datagrams.exchange(70);
    assert_once(&first, &[&uplinks.server]);
    first.stop(Signal::SIGTERM);
    datagrams.exchange(30);
    uplinks.out(0);
    let second = Agent::start(&uplinks.client, &[&flag(&bpf)]);
    datagrams.exchange(40);
    second.wait_for_sum("weir_flow_io_packets_total", &[], 2.0 * 70.0);
    let page = second.wait_for_drains();
    assert_eq!(page.sum("weir_flow_io_packets_total", &[]), 2.0 * 70.0);
    let of_all = page.sum("weir_network_io_packets_total", &[("transport", "udp")]);
    assert_eq!(of_all, 2.0 * 190.0, "of interfaces all are carried");
}

#[test]
fn a_router_with_two_ways_in_counts_each_packet_once() {
    let uplinks = Uplinks::new();
    // The server's host routes to one behind it.
    let behind = Namespace::new();
    uplinks.server.join("c0", &behind, "d0", 11);
    plain(&uplinks.server, "c0");
    plain(&behind, "d0");
    uplinks.server.sh("sysctl -qw net.ipv4.ip_forward=1");
    behind.ip("route add default via 10.11.0.1");
    uplinks.client.ip(&format!("route add 10.11.0.2 via 10.9.0.2 src {CLIENT}"));
    uplinks.server.sh("nft delete table netdev far");
    witness(&uplinks.server, &["b0", "b1", "c0"]);
    let agent = Agent::start(&uplinks.server, &[]);
    let datagrams = Datagrams::new(&uplinks.client, CLIENT, &behind, "10.11.0.2");
    datagrams.exchange(50);
    assert_once(&agent, &[]);
    uplinks.client.ip(&format!("route replace 10.11.0.2 via 10.10.0.2 src {CLIENT}"));
    datagrams.exchange(50);
    assert_once(&agent, &[]);
    connection(&uplinks.client, &behind, "10.11.0.2", 8080, 400_000, || uplinks.back(0));
    let page = assert_once(&agent, &[]);
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[("role", "forwarded")]), 1.0);
}

/// A host with a bridge and two ends at it.
fn bridged(host: &Namespace, bridge: &str, names: [&str; 2], net: u8) -> [Namespace; 2] {
    host.ip(&format!("link add {bridge} type bridge mcast_snooping 0"));
    host.ip(&format!("link set {bridge} addrgenmode none"));
    host.ip(&format!("link set {bridge} up"));
    [(names[0], 2), (names[1], 3)].map(|(name, number)| {
        let end = Namespace::new();
        host.ip(&format!("link add {name} type veth peer name eth0 netns {}", end.name()));
        for (ns, device) in [(host, name), (&end, "eth0")] {
            ns.ip(&format!("link set {device} addrgenmode none"));
            ns.ip(&format!("link set {device} up"));
            plain(ns, device);
        }
        host.ip(&format!("link set {name} master {bridge}"));
        end.ip(&format!("addr add 10.{net}.0.{number}/24 dev eth0"));
        end
    })
}

#[test]
fn containers_at_a_bridge_and_what_leaves_it_by_an_uplink_count_once() {
    let host = Namespace::new();
    let ends = bridged(&host, "br0", ["va", "vb"], 12);
    host.ip("addr add 10.12.0.1/24 dev br0");
    host.sh("sysctl -qw net.ipv4.ip_forward=1");
    let outside = Namespace::new();
    host.join("up0", &outside, "eth0", 13);
    plain(&host, "up0");
    plain(&outside, "eth0");
    outside.ip("route add 10.12.0.0/24 via 10.13.0.1");
    ends[0].ip("route add default via 10.12.0.1");
    witness(&host, &["va", "vb", "up0"]);
    let agent = Agent::start(&host, &[]);
    Datagrams::new(&ends[0], "10.12.0.2", &ends[1], "10.12.0.3").exchange(50);
    assert_once(&agent, &[]);
    connection(&ends[0], &ends[1], "10.12.0.3", 8080, 400_000, || ());
    assert_once(&agent, &[]);
    connection(&ends[0], &outside, "10.13.0.2", 8080, 400_000, || ());
    assert_once(&agent, &[]);
    Datagrams::new(&host, "10.12.0.1", &ends[1], "10.12.0.3").exchange(50);
    let page = assert_once(&agent, &[]);
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[("result", "established")]), 2.0);
}

#[test]
fn two_tenants_with_equal_addresses_in_separate_bridges_are_two_flows() {
    let host = Namespace::new();
    let tenants = [("bra", ["a0", "a1"]), ("brb", ["b0", "b1"])];
    let ends = tenants.map(|(bridge, names)| bridged(&host, bridge, names, 14));
    witness(&host, &["a0", "a1", "b0", "b1"]);
    let agent = Agent::start(&host, &[]);
    let flows = ends.each_ref().map(|[a, b]| Datagrams::new(a, "10.14.0.2", b, "10.14.0.3"));
    for _ in 0..3 {
        for flow in &flows {
            flow.exchange(20);
        }
        assert_once(&agent, &[]);
    }
    let page = agent.page();
    assert_eq!(page.sum("weir_flows_started_total", &[("transport", "udp")]), 2.0);
    assert_eq!(page.sum("weir_duplicate_flows_total", &[]), 2.0);
}

#[test]
fn what_a_tunnel_carries_counts_once_on_its_device_and_below_it() {
    let (here, there) = (Namespace::new(), Namespace::new());
    here.join("eth0", &there, "eth0", 15);
    for (ns, host, peer) in [(&here, 1, 2), (&there, 2, 1)] {
        plain(ns, "eth0");
        ns.ip(&format!(
            "link add vx type vxlan id 7 dstport 4789 local 10.15.0.{host} remote 10.15.0.{peer} dev eth0"
        ));
        ns.ip("link set vx addrgenmode none");
        ns.ip(&format!("addr add 10.16.0.{host}/24 dev vx"));
        ns.ip("link set vx up");
        plain(ns, "vx");
    }
    let agent = Agent::start(&here, &[]);
    Datagrams::new(&here, "10.16.0.1", &there, "10.16.0.2").exchange(50);
    let of = |page: &Page, name: &str| {
        page.sum("weir_network_io_packets_total", &[("interface", name), ("transport", "udp")])
    };
    agent.wait_for("all datagrams", |page| of(page, "vx") == 100.0 && of(page, "eth0") >= 100.0);
    let page = agent.wait_for_drains();
    // Questions of ARP in the tunnel count on the flow around them.
    assert_eq!(page.sum("weir_flow_io_packets_total", &[]), of(&page, "eth0"), "{}", page.not_zero());
    agent.wait_for_sum("weir_service_io_packets_total", &[("server_port", "7000")], 100.0);
}

#[test]
fn a_macvlan_and_the_card_below_it_count_once() {
    let (here, there) = (Namespace::new(), Namespace::new());
    here.join("eth0", &there, "eth0", 17);
    here.ip("link add mv link eth0 type macvlan mode bridge");
    here.ip("link set mv addrgenmode none");
    here.ip("link set mv up");
    here.ip("addr add 10.17.0.9/24 dev mv");
    here.sh("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done; echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_ignore");
    for (ns, device) in [(&here, "eth0"), (&here, "mv"), (&there, "eth0")] {
        plain(ns, device);
    }
    here.ip("route replace 10.17.0.2/32 dev mv src 10.17.0.9");
    witness(&here, &["eth0"]);
    let agent = Agent::start(&here, &[]);
    Datagrams::new(&here, "10.17.0.9", &there, "10.17.0.2").exchange(50);
    let page = assert_once(&agent, &[]);
    assert_eq!(
        page.sum("weir_network_io_packets_total", &[("interface", "mv"), ("transport", "udp")]),
        100.0
    );
}

#[test]
fn questions_and_answers_of_dns_match_whatever_way_they_came() {
    let uplinks = Uplinks::new();
    let listen = format!("--listen-address={SERVER}");
    let _server = Running::start(uplinks.server.command(
        "dnsmasq",
        &[
            "--no-daemon",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            &listen,
            "--address=/example.com/10.2.2.2",
        ],
    ));
    wait_for_listener(&uplinks.server, "u", 53);
    let agent = Agent::start(&uplinks.client, &[]);
    for n in 0..10 {
        let said = uplinks.client.sh(&format!("dig +short +tries=1 @{SERVER} h{n}.example.com"));
        assert_eq!(said.trim(), "10.2.2.2");
    }
    let page = agent.wait_for_sum("weir_dns_responses_total", &[], 10.0);
    assert_eq!(page.sum("weir_dns_latency_seconds_count", &[]), 10.0, "{}", page.not_zero());
    assert_eq!(page.sum("weir_dns_unasked_responses_total", &[]), 0.0);
    // And the connection that follows has the name that an answer gave.
    connection(&uplinks.client, &uplinks.server, SERVER, 8080, 200_000, || ());
    assert_once(&agent, &[&uplinks.server]);
    let domain = [("domain", "example.com")];
    agent.wait_for("the name", |page| page.sum("weir_domain_io_bytes_total", &domain) > 200_000.0);
    agent.wait_for_sum("weir_domain_handshake_seconds_count", &domain, 1.0);
}

#[test]
fn an_optical_tap_with_one_direction_an_interface_shows_one_flow_with_its_handshake() {
    let (here, there) = (Namespace::new(), Namespace::new());
    for n in 0..2 {
        here.join(&format!("m{n}"), &there, &format!("p{n}"), 18 + n);
    }
    witness(&here, &["m0", "m1"]);
    let agent = Agent::start(&here, &["--interface=m0,m1", "--promiscuous"]);
    let taps = [Raw::open(&there, "p0"), Raw::open(&there, "p1")];
    let ends = [([10, 99, 0, 1], 40_000), ([10, 98, 0, 1], 80)];
    let send = |from: usize, seq: u32, ack: u32, flags: u8, payload: &[u8]| {
        let ((source, sport), (destination, dport)) = (ends[from], ends[1 - from]);
        let segment = frames::tcp(sport, dport, seq, ack, flags, payload);
        taps[from].send(&frames::bare_ethernet(0x0800, &frames::ipv4(source, destination, 6, &segment)));
    };
    let request = b"GET / HTTP/1.1\r\nHost: tap.example.org\r\n\r\n".as_slice();
    let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".as_slice(), &[b'x'; 1000]].concat();
    let (asked, told) = (1 + request.len() as u32, 1 + answer.len() as u32);
    send(0, 0, 0, SYN, &[0; 0]);
    send(1, 0, 1, SYN | ACK, &[0; 0]);
    send(0, 1, 1, ACK, &[0; 0]);
    send(0, 1, 1, PSH_ACK, request);
    send(1, 1, asked, PSH_ACK, &answer);
    send(0, asked, told, FIN_ACK, &[0; 0]);
    send(1, told, asked + 1, FIN_ACK, &[0; 0]);
    send(0, asked + 1, told + 1, ACK, &[0; 0]);
    let (packets, bytes) = witnessed(&[&here]);
    assert_eq!(packets, 8.0);
    let page = agent.wait_for_sum("weir_flow_io_packets_total", &[], 8.0);
    assert_eq!(page.sum("weir_flow_io_bytes_total", &[]), bytes + 14.0 * packets);
    assert_eq!(page.sum("weir_tcp_connection_attempts_total", &[("result", "established")]), 1.0);
    assert_eq!(page.sum("weir_tcp_handshake_seconds_count", &[]), 1.0);
    agent.wait_for("the name", |page| {
        page.sum("weir_domain_io_bytes_total", &[("domain", "example.org")]) == bytes + 14.0 * packets
    });
    agent.wait_for("the request and its answer", |page| {
        page.sum("weir_http_requests_total", &[]) == 1.0 && page.sum("weir_http_responses_total", &[]) == 1.0
    });
}
