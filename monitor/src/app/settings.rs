//! The configuration as the parts below want it.

use monitor_common::abi::Sampling;
use monitor_common::wire::TunnelPorts;
use monitor_core::detection::{
    BeaconConfig, DetectionConfig, Exceptions, FloodConfig, GuessingConfig, NewConfig, ScanConfig,
    TunnelConfig, UploadConfig,
};
use monitor_core::engine::{Budgets, EngineConfig, OwnerConfig, Timeouts};
use monitor_core::fanout::FanoutConfig;
use monitor_core::payload::PayloadConfig;
use monitor_core::series::SeriesConfig;

use crate::config::types::Ingress;
use crate::config::{Config, ConfigError};
use crate::source::ebpf;
use crate::web::Place;

/// Families by owner, which a host has few of.
const OWNED: [&str; 4] = ["unit_io", "unit_received_io", "process_io", "unit_attempts"];
/// Time series of each of them, unless `series.family` says otherwise.
const OWNED_MAX: u32 = 150;

/// Bounds of one family: its own, or those of all.
fn budget(config: &Config, family: &str) -> SeriesConfig {
    let own = config.series_family.iter().find(|(name, _)| name.as_str() == family).map(|(_, max)| max.get());
    SeriesConfig {
        max_series: own.unwrap_or_else(|| {
            let all = config.series_max.get();
            if OWNED.contains(&family) { all.min(OWNED_MAX) } else { all }
        }),
        new_per_hour: config.series_new_per_hour.get(),
        idle: config.series_idle.nanos(),
        zero_for: config.series_zero_for.nanos(),
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
        owners: OwnerConfig {
            units: config.owners_enabled && config.owners_units,
            processes: config.owners_enabled && config.owners_processes,
            users: config.owners_enabled && config.owners_users,
            containers: config.owners_enabled && config.owners_containers,
            unit_domains: config.owners_enabled && config.owners_unit_domains,
            container_domains: config.owners_enabled && config.owners_container_domains,
        },
        fanout: FanoutConfig {
            window: config.fanout_window.nanos(),
            hosts: config.fanout_hosts.get(),
            ports: config.fanout_ports.get(),
            max_sources: config.fanout_max_sources.get(),
        },
        detection: detection(config),
        wall_offset,
        records,
        // A step of the history is a drain, if those are far apart.
        live: Some(config.drain_interval.nanos().next_multiple_of(1_000_000_000)),
        ..EngineConfig::default()
    })
}

/// What a configuration says of captures: names of services, protocols of the user's own, what to look for.
pub(crate) fn capture(config: &Config) -> Result<EngineConfig, ConfigError> {
    Ok(EngineConfig {
        services: config.service_table()?,
        payloads: payloads(config),
        detection: detection(config),
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

/// What behaviour over many flows is told of. A kind whose thresholds are all 0 is not looked for.
fn detection(config: &Config) -> DetectionConfig {
    let defaults = DetectionConfig::default();
    DetectionConfig {
        enabled: config.detection_enabled,
        max_entries: config.detection_max_entries.get(),
        hold: config.detection_hold.nanos(),
        scan: ScanConfig {
            enabled: config.detection_scan_hosts.get() != 0 || config.detection_scan_ports.get() != 0,
            hosts: config.detection_scan_hosts.get(),
            ports: config.detection_scan_ports.get(),
            window: config.detection_scan_window.nanos(),
        },
        guessing: GuessingConfig {
            enabled: config.detection_guessing_sessions.get() != 0,
            sessions: config.detection_guessing_sessions.get(),
            window: config.detection_guessing_window.nanos(),
        },
        beacon: BeaconConfig {
            enabled: config.detection_beacon_connections.get() != 0,
            connections: config.detection_beacon_connections.get(),
            score: f64::from(config.detection_beacon_score.get()) / 100.0,
        },
        tunnel: TunnelConfig {
            enabled: true,
            name_bytes: config.detection_tunnel_name_bytes.get().into(),
            answer_bytes: config.detection_tunnel_answer_bytes.get().into(),
            window: config.detection_tunnel_window.nanos(),
            echoes: config.detection_tunnel_echoes.get().into(),
        },
        flood: FloodConfig {
            enabled: true,
            syn: config.detection_flood_syn.get().into(),
            udp: config.detection_flood_udp.get().into(),
            icmp: config.detection_flood_icmp.get().into(),
            reflection: config.detection_flood_reflection.get().into(),
        },
        upload: UploadConfig {
            enabled: config.detection_upload_megabytes.get() != 0,
            bytes: u64::from(config.detection_upload_megabytes.get()).saturating_mul(1_000_000),
            ..defaults.upload
        },
        new: NewConfig {
            enabled: config.detection_new_enabled,
            learning: config.detection_new_learning.nanos(),
        },
        exceptions: Exceptions::new(&config.detection_except),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use monitor_common::abi::Transport;
    use monitor_core::engine::Engine;
    use monitor_core::label::Role;
    use monitor_core::names::Name;
    use monitor_core::record::NameSource;
    use monitor_core::totals::ServiceKey;

    use super::*;
    use crate::telemetry::{Events, KernelStatus, Own};
    use crate::view::prometheus::{Context, Format, write};

    #[test]
    fn a_busy_host_has_at_most_three_thousand_series_by_default() {
        let config = Config::of_file(Path::new("weir.toml"), "").unwrap();
        let mut engine = Engine::new(engine(&config, 0, false).unwrap(), 0);
        let families = engine.ledger_mut().families_mut();
        // More of everything than any demo has.
        for n in 0..2_000u16 {
            let text = format!("n{n}.example.com");
            let name = Name::new(&text, NameSource::Sni).unwrap();
            let service = ServiceKey { transport: Transport::Tcp, port: n, role: Role::Client };
            families.services.add(&service, [1; 4], 0);
            families.domains.add(&name, [1; 6], 0);
            families.names.add(&name, [1; 2], 0);
            families.applications.add(&name.text, [1; 2], 0);
            families.latencies.add(&name.text, [1; 4], 0);
        }
        let (own, kernel, events) = (Own::new().unwrap(), KernelStatus::default(), Events::default());
        let context = Context {
            kernel: &kernel,
            own: &own,
            events: &events,
            created: config.series_created,
            config_ok: true,
            undirected: None,
        };
        for format in [Format::Text, Format::OpenMetrics] {
            let page = String::from_utf8(write(&engine, &context, format, Vec::new())).unwrap();
            let series = page.lines().filter(|line| !line.starts_with('#')).count();
            assert!((2_000..=3_000).contains(&series), "{series}");
            assert!(!page.contains("_created"), "{format:?}");
        }
    }
}
