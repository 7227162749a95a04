//! The families whose keys traffic chooses: the large ones, a line at a time.

use std::hash::Hash;

use monitor_common::abi::Direction;
use monitor_core::engine::Engine;
use monitor_core::series::Family as Budget;

use super::families::{
    FLOW_BYTES, FLOW_PACKETS, PEER_BYTES, PEER_PACKETS, SERIES, SERIES_OVERFLOW, SERVICE_BYTES,
    SERVICE_PACKETS,
};
use super::page::{Family, Label, Page};

/// What stands for all keys without a series.
const OTHER: Label<'static> = Label::Text("other");

/// Writes them and tells the engine that they were shown.
pub(super) fn write(page: &mut Page, engine: &mut Engine) {
    let (services, peers) = {
        let families = engine.families();
        (families.services.scrape_begin(), families.peers.scrape_begin())
    };
    flows(page, engine);
    service_io(page, engine);
    if engine.config().peers {
        peer_io(page, engine);
    }
    budgets(page, engine);
    let families = engine.families_mut();
    families.services.exposed(services);
    families.peers.exposed(peers);
}

/// The counters of a key: bytes, then packets, each by direction.
const BYTES: usize = 0;
const PACKETS: usize = 2;

/// All that the services count, without their keys.
fn flows(page: &mut Page, engine: &Engine) {
    let total = engine.families().services.total();
    for (family, first) in [(&FLOW_BYTES, BYTES), (&FLOW_PACKETS, PACKETS)] {
        page.family(family);
        for direction in Direction::ALL {
            page.sample(&[("direction", direction.as_str().into())], total[first + direction.index()]);
        }
    }
}

/// One family over the keys of a budget; the last label is the direction, and the caller's the others.
fn keyed<K: Hash + Eq + Clone, const L: usize>(
    page: &mut Page,
    family: &Family<'_>,
    budget: &Budget<K, 4>,
    first: usize,
    wall_offset: i64,
    mut labels: impl FnMut(Option<&K>, &mut dyn FnMut([(&'static str, Label<'_>); L])),
) {
    page.family(family);
    let mut show = |key: Option<&K>, values: &[u64; 4], created: u64, page: &mut Page| {
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
const DIRECTION: (&str, Label<'static>) = ("direction", Label::Text(""));

fn service_io(page: &mut Page, engine: &Engine) {
    let config = engine.config();
    for (family, first) in [(&SERVICE_BYTES, BYTES), (&SERVICE_PACKETS, PACKETS)] {
        keyed(page, family, &engine.families().services, first, config.wall_offset, |key, show| {
            let [transport, port, service, role] = match key {
                Some(key) => [
                    key.transport.as_str().into(),
                    Label::Number(key.port.into()),
                    config.services.name(key.transport, key.port).into(),
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

fn peer_io(page: &mut Page, engine: &Engine) {
    for (family, first) in [(&PEER_BYTES, BYTES), (&PEER_PACKETS, PACKETS)] {
        let offset = engine.config().wall_offset;
        keyed(page, family, &engine.families().peers, first, offset, |key, show| {
            show([("peer", key.map_or(OTHER, |address| Label::Address(*address))), DIRECTION]);
        });
    }
}

fn budgets(page: &mut Page, engine: &Engine) {
    let families = engine.families();
    let all = [
        ("service_io", families.services.series(), families.services.overflow()),
        ("peer_io", families.peers.series(), families.peers.overflow()),
    ];
    page.family(&SERIES);
    for (family, series, _) in all {
        page.sample(&[("family", family.into())], series);
    }
    page.family(&SERIES_OVERFLOW);
    for (family, _, overflow) in all {
        page.sample(&[("family", family.into())], overflow);
    }
}
