//! Containers behind this host's translation of addresses: their flows count once, with their owners.

use serde_json::Value;

use super::{Maker, flow, flows, make, text};
use crate::agent::{Agent, HERE, THERE, cable, plain};
use crate::netns::{Namespace, wait_for};

/// A network namespace behind `here`, as a container has it, and what translates between.
fn container(here: &Namespace) -> Namespace {
    let inside = Namespace::new();
    here.join("veth0", &inside, "eth0", 8);
    plain(here, "veth0");
    inside.ip("route add default via 10.8.0.1");
    here.sh("sysctl -qw net.ipv4.ip_forward=1");
    here.sh(
        "nft -f - <<'END'
table ip nat {
  counter contained { }
  chain pre { type nat hook prerouting priority dstnat; tcp dport 8080 dnat to 10.8.0.2:80; udp dport 8053 dnat to 10.8.0.2:53; }
  chain post { type nat hook postrouting priority srcnat; oifname \"eth0\" masquerade; }
  chain pass { type filter hook forward priority 0; counter name contained; }
}
END",
    );
    inside
}

/// Packets that went through, as nftables counted them.
fn forwarded(here: &Namespace) -> f64 {
    let said: Value = serde_json::from_str(&here.sh("nft -j list counters")).expect("JSON");
    let counters = said["nftables"].as_array().expect("counters");
    counters.iter().filter_map(|counter| counter["counter"]["packets"].as_f64()).sum()
}

/// What the families of owners have of packets, once all that went through is counted.
fn adds_up(agent: &Agent<'_>, here: &Namespace) {
    wait_for("every packet once", || {
        let page = agent.wait_for_drains();
        let owners = page.sum("weir_owner_io_packets_total", &[("owner", "user")]);
        (owners == forwarded(here)).then_some(())
    });
    let page = agent.wait_for_drains();
    for owner in ["kernel", "unknown", "forwarded"] {
        let packets = page.sum("weir_owner_io_packets_total", &[("owner", owner)]);
        assert_eq!(packets, 0.0, "{owner}: {:#?}", flows(agent, "packets > 0"));
    }
    assert_eq!(page.sum("weir_unit_io_packets_total", &[]), forwarded(here));
    assert!(page.sum("weir_translations", &[]) >= 1.0);
}

#[test]
fn a_container_s_flow_behind_snat_counts_once_with_its_process() {
    let (here, there) = cable();
    let inside = container(&here);
    let agent = Agent::start(&here, &["--interface=eth0,veth0"]);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    let _udp = Maker::serving(&there, &["far", "udp_server", THERE, "7002"]);
    make(&inside, &["inside", "tcp", THERE, "7001"]);
    make(&inside, &["datagrams", "udp", THERE, "7002"]);
    for (port, process) in [(7001, "inside"), (7002, "datagrams")] {
        let found = flow(&agent, &format!("server port {port} and process {process}"));
        assert_eq!(text(&found, "client_ip"), "10.8.0.2", "{found:#}");
        let translated = text(&found, "translated");
        assert!(translated.starts_with(&format!("{HERE}:")), "{translated}");
        // What the card sees of it is there, and is not counted again.
        let all = flows(&agent, &format!("server port {port}"));
        let counted: Vec<_> = all.iter().filter(|flow| flow["duplicate"] != true).collect();
        assert_eq!(counted.len(), 1, "{all:#?}");
    }
    adds_up(&agent, &here);
}

#[test]
fn a_published_port_is_the_container_s_also_where_a_relay_listens_at_it() {
    let (here, there) = cable();
    let inside = container(&here);
    // As docker-proxy does: it listens at the port that packets are taken from before it gets them.
    let _proxy = Maker::serving(&here, &["proxy", "tcp_server", "0.0.0.0", "8080"]);
    let agent = Agent::start(&here, &["--interface=eth0,veth0"]);
    let _web = Maker::serving(&inside, &["web", "tcp_server", "10.8.0.2", "80"]);
    let _dns = Maker::serving(&inside, &["names", "udp_server", "10.8.0.2", "53"]);
    make(&there, &["client", "tcp", HERE, "8080"]);
    make(&there, &["asker", "udp", HERE, "8053"]);
    for (port, server, behind) in [(8080, "web", "10.8.0.2:80"), (8053, "names", "10.8.0.2:53")] {
        let found = wait_for("the server's owner", || {
            let mut found = flows(&agent, &format!("server port {port} and process {server}"));
            found.pop()
        });
        assert_eq!(text(&found, "server_process"), server, "{found:#}");
        assert_eq!(text(&found, "server_owner_source"), "conntrack", "{found:#}");
        assert_eq!(text(&found, "translated"), behind, "{found:#}");
        assert_ne!(found["duplicate"], true, "{found:#}");
    }
    assert_eq!(flows(&agent, "process proxy").len(), 0);
    adds_up(&agent, &here);
}

#[test]
fn where_the_card_alone_is_counted_what_is_translated_is_nobodys_of_this_host() {
    let (here, there) = cable();
    let inside = container(&here);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    make(&inside, &["inside", "tcp", THERE, "7001"]);
    let found = flow(&agent, "server port 7001");
    assert!(text(&found, "translated").starts_with(HERE), "{found:#}");
    let page = agent.wait_for_drains();
    for owner in ["kernel", "unknown"] {
        assert_eq!(page.sum("weir_owner_io_packets_total", &[("owner", owner)]), 0.0, "{owner}: {found:#}");
    }
}

#[test]
fn what_is_masqueraded_is_forwarded_also_where_nobody_reads_the_table_of_connections() {
    let (here, there) = cable();
    let inside = container(&here);
    let agent = Agent::start(&here, &["--interface=eth0", "--owners.conntrack=false"]);
    let _tcp = Maker::serving(&there, &["far", "tcp_server", THERE, "7001"]);
    let _udp = Maker::serving(&there, &["far", "udp_server", THERE, "7002"]);
    make(&inside, &["inside", "tcp", THERE, "7001"]);
    make(&inside, &["datagrams", "udp", THERE, "7002"]);
    for port in [7001, 7002] {
        let found = flow(&agent, &format!("server port {port}"));
        assert_eq!(text(&found, "client_ip"), HERE, "{found:#}");
        assert_eq!(text(&found, "owner"), "forwarded", "{found:#}");
    }
    let page = agent.wait_for_drains();
    assert_eq!(page.sum("weir_owner_io_packets_total", &[("owner", "kernel")]), 0.0);
    // What the kernel itself sends has come in by none.
    there.sh(&format!("ping -c 1 -W 2 {HERE}"));
    let answered = flow(&agent, "icmp");
    assert_eq!(text(&answered, "owner"), "kernel", "{answered:#}");
}

#[test]
fn a_relay_owns_both_of_its_connections() {
    let (here, there) = cable();
    let inside = container(&here);
    let agent = Agent::start(&here, &["--interface=eth0,veth0"]);
    let _web = Maker::serving(&inside, &["web", "tcp_server", "10.8.0.2", "80"]);
    let _relay = Maker::serving(&here, &["relay", "relay", HERE, "8081", "10.8.0.2", "80"]);
    make(&there, &["client", "tcp", HERE, "8081"]);
    let outer = flow(&agent, "server port 8081");
    assert_eq!(text(&outer, "process"), "relay", "{outer:#}");
    let inner = flow(&agent, "server port 80");
    assert_eq!(text(&inner, "client_process"), "relay", "{inner:#}");
    assert_eq!(text(&inner, "server_process"), "web", "{inner:#}");
    assert_eq!(outer.get("translated"), None);
}
