//! The families whose keys traffic chooses: the large ones, a line at a time.

use std::hash::Hash;

use monitor_common::abi::Direction;
use monitor_core::names::Name;
use monitor_core::record::Text;
use monitor_core::series::Family as Budget;
use monitor_core::totals;

use super::families::{FLOW_BYTES, FLOW_PACKETS, SERIES, SERIES_OVERFLOW, families};
use super::numbers::Numbers;
use super::page::{Family, Kind, Label, Page};

families! {
    /// Bytes on the wire by the port of the server, once it has responded; the rest is other.
    SERVICE_BYTES = Counter "weir_service_io_bytes";
    /// Packets on the wire by the port of the server, once it has responded; the rest is other.
    SERVICE_PACKETS = Counter "weir_service_io_packets";
    /// Bytes on the wire by the address of the peer; the rest is other.
    PEER_BYTES = Counter "weir_peer_io_bytes";
    /// Packets on the wire by the address of the peer; the rest is other.
    PEER_PACKETS = Counter "weir_peer_io_packets";
    /// Bytes on the wire by registrable domain of the server's name and where the name comes from; none: unresolved, other: no series of its own.
    DOMAIN_BYTES = Counter "weir_domain_io_bytes";
    /// Packets on the wire by registrable domain of the server's name and where the name comes from.
    DOMAIN_PACKETS = Counter "weir_domain_io_packets";
    /// New TCP, UDP and SCTP flows by registrable domain of the server's name; the direction is that of the first packet.
    DOMAIN_CONNECTIONS = Counter "weir_domain_connections";
    /// Bytes on the wire by the server's name and where it comes from; none: unresolved, other: no series of its own.
    NAME_BYTES = Counter "weir_name_io_bytes";
    /// Bytes on the wire by application; other: unknown, or no series of its own.
    APPLICATION_BYTES = Counter "weir_application_io_bytes";
    /// TCP handshake time of named connections by registrable domain.
    DOMAIN_HANDSHAKE = Summary "weir_domain_handshake_seconds";
    /// TCP server response time of named connections by registrable domain.
    DOMAIN_FIRST_RESPONSE = Summary "weir_domain_first_response_seconds";
}

/// What stands for all keys without a series.
pub(super) const OTHER: Label<'static> = Label::Text(totals::OTHER);

/// Writes them.
pub(super) fn write(page: &mut Page, numbers: &Numbers) {
    flows(page, numbers);
    service_io(page, numbers);
    if numbers.peers {
        peer_io(page, numbers);
    }
    domain_io(page, numbers);
    name_io(page, numbers);
    application_io(page, numbers);
    latencies_by_domain(page, numbers);
    budgets(page, numbers);
}

/// The counters of a key: bytes, then packets, each by direction.
const BYTES: usize = 0;
const PACKETS: usize = 2;
/// Of a domain: flows that began, by direction of their beginning.
const CONNECTIONS: usize = 4;

/// All that the services count, without their keys.
fn flows(page: &mut Page, numbers: &Numbers) {
    let total = numbers.families.services.total();
    for (family, first) in [(&FLOW_BYTES, BYTES), (&FLOW_PACKETS, PACKETS)] {
        page.family(family);
        for direction in Direction::ALL {
            page.sample(&[("direction", direction.as_str().into())], total[first + direction.index()]);
        }
    }
}

/// One family over the keys of a budget; the last label is the direction, and the caller's the others.
pub(super) fn keyed<K: Hash + Eq + Clone, const N: usize, const L: usize>(
    page: &mut Page,
    family: &Family<'_>,
    budget: &Budget<K, N>,
    first: usize,
    wall_offset: i64,
    mut labels: impl FnMut(Option<&K>, &mut dyn FnMut([(&'static str, Label<'_>); L])),
) {
    page.family(family);
    let mut show = |key: Option<&K>, values: &[u64; N], created: u64, page: &mut Page| {
        let created = created.saturating_add_signed(wall_offset);
        labels(key, &mut |mut labels| {
            for direction in Direction::ALL {
                labels[L - 1] = ("direction", direction.as_str().into());
                page.sample(&labels, values[first + direction.index()]);
                page.created(&labels, created);
            }
        });
    };
    for series in budget.iter() {
        show(Some(series.key), &series.values, series.created, page);
    }
    show(None, budget.other(), budget.created(), page);
}

/// Where [`keyed`] writes the direction.
pub(super) const DIRECTION: (&str, Label<'static>) = ("direction", Label::Text(""));

fn service_io(page: &mut Page, numbers: &Numbers) {
    for (family, first) in [(&SERVICE_BYTES, BYTES), (&SERVICE_PACKETS, PACKETS)] {
        keyed(page, family, &numbers.families.services, first, numbers.wall_offset, |key, show| {
            let [transport, port, service, role] = match key {
                Some(key) => [
                    key.transport.as_str().into(),
                    Label::Number(key.port.into()),
                    numbers.services.name(key.transport, key.port).into(),
                    key.role.as_str().into(),
                ],
                None => [OTHER; 4],
            };
            show([
                ("transport", transport),
                ("server_port", port),
                ("service", service),
                ("role", role),
                DIRECTION,
            ]);
        });
    }
}

fn peer_io(page: &mut Page, numbers: &Numbers) {
    for (family, first) in [(&PEER_BYTES, BYTES), (&PEER_PACKETS, PACKETS)] {
        let offset = numbers.wall_offset;
        keyed(page, family, &numbers.families.peers, first, offset, |key, show| {
            show([("peer", key.map_or(OTHER, |address| Label::Address(*address))), DIRECTION]);
        });
    }
}

/// Labels of a name and its source.
fn named(key: Option<&Name>) -> [Label<'_>; 2] {
    key.map_or([OTHER; 2], |key| [key.text.as_str().into(), key.source.as_str().into()])
}

/// What has no name, under the family whose keys were just written.
fn unresolved(page: &mut Page, numbers: &Numbers, label: &'static str, first: usize) {
    for direction in Direction::ALL {
        let labels = [
            (label, Label::Text("")),
            ("source", Label::Text("none")),
            ("direction", direction.as_str().into()),
        ];
        page.sample(&labels, numbers.families.unresolved[first + direction.index()]);
    }
}

fn domain_io(page: &mut Page, numbers: &Numbers) {
    let offset = numbers.wall_offset;
    for (family, first) in
        [(&DOMAIN_BYTES, BYTES), (&DOMAIN_PACKETS, PACKETS), (&DOMAIN_CONNECTIONS, CONNECTIONS)]
    {
        keyed(page, family, &numbers.families.domains, first, offset, |key, show| {
            let [domain, source] = named(key);
            show([("domain", domain), ("source", source), DIRECTION]);
        });
        unresolved(page, numbers, "domain", first);
    }
}

fn name_io(page: &mut Page, numbers: &Numbers) {
    let offset = numbers.wall_offset;
    keyed(page, &NAME_BYTES, &numbers.families.names, BYTES, offset, |key, show| {
        let [name, source] = named(key);
        show([("name", name), ("source", source), DIRECTION]);
    });
    unresolved(page, numbers, "name", BYTES);
}

fn application_io(page: &mut Page, numbers: &Numbers) {
    let offset = numbers.wall_offset;
    keyed(page, &APPLICATION_BYTES, &numbers.families.applications, BYTES, offset, |key, show| {
        show([("application", key.map_or(OTHER, |word| word.as_str().into())), DIRECTION]);
    });
}

fn latencies_by_domain(page: &mut Page, numbers: &Numbers) {
    let latencies = &numbers.families.latencies;
    for (family, first) in [(&DOMAIN_HANDSHAKE, 0), (&DOMAIN_FIRST_RESPONSE, 2)] {
        page.family(family);
        let mut show = |domain: Label<'_>, values: &[u64; 4]| {
            page.summary(&[("domain", domain)], values[first] as f64 / 1e6, values[first + 1]);
        };
        for series in latencies.iter() {
            show(Text::as_str(series.key).into(), &series.values);
        }
        show(OTHER, latencies.other());
    }
}

fn budgets(page: &mut Page, numbers: &Numbers) {
    let uses = numbers.families.uses();
    page.family(&SERIES);
    for (family, series, _) in &uses {
        page.sample(&[("family", (*family).into())], *series);
    }
    page.family(&SERIES_OVERFLOW);
    for (family, _, overflow) in &uses {
        page.sample(&[("family", (*family).into())], *overflow);
    }
}
