//! More flows than the table holds.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use crate::{
    agent::{Agent, THERE, cable},
    netns::{DEADLINE, Namespace},
    traffic::{self, Ending},
};

#[test]
fn every_packet_is_accounted_for_when_the_table_is_full() {
    const FLOWS: u16 = 3000;
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--max-flows=64", "--drain-interval=1s"]);
    here.enter(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        for port in 10_000..10_000 + FLOWS {
            // An earlier datagram's ICMP error is no failure of this one.
            while socket.send_to(b"flow", SocketAddr::new(THERE.parse().expect("an address"), port)).is_err()
            {
            }
        }
        for port in 1..200 {
            let address = SocketAddr::new(THERE.parse().expect("an address"), port);
            assert!(TcpStream::connect_timeout(&address, DEADLINE).is_err());
        }
    });
    let udp = [("interface", "eth0"), ("direction", "transmit"), ("transport", "udp")];
    let page = agent.wait_for_sum("weir_network_io_packets_total", &udp, f64::from(FLOWS));
    assert_eq!(page.sum("weir_network_io_bytes_total", &udp), f64::from(FLOWS) * 46.0);
    let page = agent.wait_for_drains();
    assert_eq!(page.unaccounted(), 0.0);
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    let overflow = page.sum("weir_overflow_packets_total", &[]);
    assert!(overflow > 1000.0, "{overflow}");
    assert_eq!(overflow, page.sum("weir_accounted_packets_total", &[("outcome", "overflow")]));
    let map = [("map", "flows")];
    assert_eq!(page.sum("weir_bpf_map_max_entries", &map), 64.0, "{}", page.not_zero());
    assert!(page.sum("weir_flows_active", &[]) <= 64.0);
    // Room is made for new flows: what comes after the flood is seen again.
    traffic::tcp(&here, &there, THERE, 10_000, 10, Ending::Client);
    agent.wait_for("a connection after the flood", |page| {
        page.sum("weir_tcp_connection_attempts_total", &[("result", "established")]) >= 1.0
    });
    assert!(!agent.process.stderr().contains("ERROR"), "{}", agent.process.stderr());
}

/// Datagrams of so many flows, each to a port of its own.
fn datagrams(here: &Namespace, ports: std::ops::Range<u16>) {
    here.enter(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        for port in ports {
            // An earlier datagram's ICMP error is no failure of this one.
            while socket.send_to(b"flow", SocketAddr::new(THERE.parse().expect("an address"), port)).is_err()
            {
            }
        }
    });
}

const BEGUN: (&str, [(&str, &str); 1]) = ("weir_flows_started_total", [("transport", "udp")]);

#[test]
fn the_table_is_read_before_its_time_when_slots_run_out() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--max-flows=2048", "--drain-interval=60s"]);
    datagrams(&here, 10_000..11_200);
    let page = agent.wait_for("an early drain", |page| page.sum("weir_early_drains_total", &[]) >= 1.0);
    // Half of what was free.
    assert!(page.sum(BEGUN.0, &BEGUN.1) >= 1000.0, "{}", page.not_zero());
    assert_eq!(page.sum("weir_overflow_packets_total", &[]), 0.0);
}

#[test]
fn a_table_many_times_smaller_than_what_comes_never_overflows_and_then_keeps_flows_for_their_time() {
    // Less than the tenth that is kept free however few begin: it suffices on a machine of any speed.
    const ROUND: u16 = 200;
    const ROUNDS: u16 = 50;
    const TABLE: f64 = 2048.0;
    let (here, there) = cable();
    let agent = Agent::start(
        &here,
        &["--interface=eth0", "--max-flows=2048", "--drain-interval=100ms", "--timeout.udp=1h"],
    );
    let listener = there.enter(|| TcpListener::bind((THERE, 7000))).expect("listen");
    let _client = here.enter(|| TcpStream::connect((THERE, 7000))).expect("connect");
    let _server = listener.accept().expect("accept");
    for round in 0..ROUNDS {
        let first = 10_000 + round * ROUND;
        datagrams(&here, first..first + ROUND);
        agent.wait_for_sum(BEGUN.0, &BEGUN.1, f64::from((round + 1) * ROUND));
        agent.wait_for("room", |page| {
            page.sum("weir_bpf_map_entries", &[("map", "flows")]) + f64::from(ROUND) <= TABLE
        });
    }
    let page = agent.wait_for("the end of pressure", |page| page.sum("weir_flow_table_pressure", &[]) == 0.0);
    assert_eq!(page.sum("weir_overflow_packets_total", &[]), 0.0, "{}", page.not_zero());
    assert!(
        page.sum("weir_flows_let_go_total", &[("kind", "unanswered")]) >= f64::from(ROUNDS * ROUND) - TABLE,
        "{}",
        page.not_zero()
    );
    assert_eq!(page.sum("weir_flows_let_go_total", &[("kind", "any")]), 0.0, "{}", page.not_zero());
    assert_eq!(page.sum("weir_tcp_connections", &[("state", "established")]), 1.0);
    let left = page.sum("weir_flows_active", &[("transport", "udp")]);
    for _ in 0..5 {
        let page = agent.wait_for_drains();
        assert_eq!(page.sum("weir_flows_active", &[("transport", "udp")]), left);
        assert_eq!(page.unaccounted(), 0.0);
    }
}
