//! The configuration as the parts below want it.

use monitor_common::abi::Sampling;
use monitor_common::wire::TunnelPorts;
use monitor_core::engine::{Budgets, EngineConfig, Timeouts};
use monitor_core::fanout::FanoutConfig;
use monitor_core::payload::PayloadConfig;
use monitor_core::series::SeriesConfig;

use crate::config::types::Ingress;
use crate::config::{Config, ConfigError};
use crate::source::ebpf;
use crate::web::Place;

/// Bounds of one family: its own, or those of all.
fn budget(config: &Config, family: &str) -> SeriesConfig {
    let own = config.series_family.iter().find(|(name, _)| name.as_str() == family).map(|(_, max)| max.get());
    SeriesConfig {
        max_series: own.unwrap_or(config.series_max.get()),
        new_per_hour: config.series_new_per_hour.get(),
        idle: config.series_idle.nanos(),
    }
}

/// Where the web server stands.
pub(super) fn place(config: &Config) -> Place {
    Place::new(config.web_external_url.as_ref(), config.web_route_prefix.as_ref())
}

/// Names of this host that were set.
pub(super) fn hosts(config: &Config) -> Vec<String> {
    let outside = config.web_external_url.iter().map(|url| url.host().to_owned());
    config.web_hosts.iter().cloned().chain(outside).collect()
}

/// What the engine is told.
pub(super) fn engine(config: &Config, wall_offset: i64, records: bool) -> Result<EngineConfig, ConfigError> {
    Ok(EngineConfig {
        timeouts: Timeouts {
            idle_tcp: config.timeout_tcp.nanos(),
            idle_udp: config.timeout_udp.nanos(),
            idle_other: config.timeout_other.nanos(),
            active: config.timeout_active.nanos(),
            fin: config.timeout_fin.nanos(),
            rst: config.timeout_rst.nanos(),
            pressure: config.timeout_pressure.nanos(),
        },
        series: Budgets::by_name(|family| budget(config, family)),
        services: config.service_table()?,
        payloads: payloads(config),
        max_flows: config.max_flows.get(),
        peers: config.peers,
        fanout: FanoutConfig {
            window: config.fanout_window.nanos(),
            hosts: config.fanout_hosts.get(),
            ports: config.fanout_ports.get(),
            max_sources: config.fanout_max_sources.get(),
        },
        wall_offset,
        records,
        // A step of the history is a drain, if those are far apart.
        live: Some(config.drain_interval.nanos().next_multiple_of(1_000_000_000)),
        ..EngineConfig::default()
    })
}

/// How payload is read.
fn payloads(config: &Config) -> PayloadConfig {
    PayloadConfig {
        public_names: config.public_names.clone(),
        like_http: config.protocols.values().flat_map(|protocol| protocol.ports.clone()).collect(),
        ..PayloadConfig::default()
    }
}

/// Bounds of payload samples.
pub(super) const fn sampling(config: &Config) -> Sampling {
    Sampling {
        flow_bytes: config.samples_flow_bytes.get(),
        per_second: config.samples_per_second.get(),
        sample_bytes: config.samples_max_bytes.get(),
        udp_packets: config.samples_udp_packets.get(),
    }
}

/// What the kernel side is told.
pub(crate) fn source(config: &Config) -> ebpf::Options {
    let port = |n: u32| n as u16;
    let mut vxlan = [0; 2];
    for (slot, given) in vxlan.iter_mut().zip(&config.tunnel_vxlan) {
        *slot = port(given.get());
    }
    ebpf::Options {
        ingress: match config.ingress {
            Ingress::Tc => ebpf::Ingress::Tc,
            Ingress::Xdp => ebpf::Ingress::Xdp,
            Ingress::XdpGeneric => ebpf::Ingress::XdpGeneric,
        },
        max_flows: config.max_flows.get(),
        sampling: config.samples_enabled.then(|| sampling(config)),
        tunnels: TunnelPorts {
            vxlan,
            geneve: port(config.tunnel_geneve.get()),
            gtp_u: port(config.tunnel_gtp_u.get()),
            teredo: port(config.tunnel_teredo.get()),
            gre: port(config.tunnel_gre.get()),
            mpls: port(config.tunnel_mpls.get()),
            vxlan_gpe: port(config.tunnel_vxlan_gpe.get()),
            l2tp: port(config.tunnel_l2tp.get()),
            ..TunnelPorts::NONE
        },
        mirror: config.promiscuous,
        pin: config.pin.clone(),
        ..ebpf::Options::default()
    }
}
