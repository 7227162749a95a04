//! Traffic by whose it is.

use monitor_common::abi::Direction;
use monitor_core::record::OwnerClass;
use monitor_core::series::Family as Budget;
use monitor_core::totals::OwnerKey;

use super::families::{OWNER_BYTES, OWNER_PACKETS, families};
use super::numbers::Numbers;
use super::page::{Family, Kind, Label, Page};
use super::series::{DIRECTION, OTHER, keyed};

families! {
    /// Bytes on the wire of all flows by unit of systemd; what has none, and what is no process's, has an empty unit. A byte between two processes of this host is its sender's.
    UNIT_BYTES = Counter "weir_unit_io_bytes";
    /// Packets on the wire of all flows by unit of systemd.
    UNIT_PACKETS = Counter "weir_unit_io_packets";
    /// Bytes on the wire by unit of the receiver, of flows between two processes of this host.
    UNIT_RECEIVED_BYTES = Counter "weir_unit_received_io_bytes";
    /// TCP connection attempts by unit of whoever connects, or is connected to from elsewhere.
    UNIT_ATTEMPTS = Counter "weir_unit_connection_attempts";
    /// Bytes on the wire of all flows by name of the process.
    PROCESS_BYTES = Counter "weir_process_io_bytes";
    /// Packets on the wire of all flows by name of the process.
    PROCESS_PACKETS = Counter "weir_process_io_packets";
    /// Bytes on the wire of all flows by user.
    USER_BYTES = Counter "weir_user_io_bytes";
    /// Packets on the wire of all flows by user.
    USER_PACKETS = Counter "weir_user_io_packets";
    /// Bytes on the wire of all flows by container; what is in none has empty labels.
    CONTAINER_BYTES = Counter "weir_container_io_bytes";
    /// Packets on the wire of all flows by container.
    CONTAINER_PACKETS = Counter "weir_container_io_packets";
    /// Bytes on the wire of TCP, UDP and SCTP flows by unit of systemd and registrable domain of the server's name; empty: none is known.
    UNIT_DOMAIN_BYTES = Counter "weir_unit_domain_io_bytes";
    /// Bytes on the wire of TCP, UDP and SCTP flows by container and registrable domain of the server's name.
    CONTAINER_DOMAIN_BYTES = Counter "weir_container_domain_io_bytes";
}

/// The counters of a key: bytes, then packets, each by direction.
const BYTES: usize = 0;
const PACKETS: usize = 2;

/// Writes them, as far as they are counted.
pub(super) fn write(page: &mut Page, numbers: &Numbers) {
    let (counted, families) = (numbers.owners, &numbers.families);
    if counted == monitor_core::engine::OwnerConfig::default() {
        return;
    }
    classes(page, numbers);
    if counted.units {
        owner_io(page, numbers, &families.units, [&UNIT_BYTES, &UNIT_PACKETS], "unit");
        received(page, numbers);
        attempts(page, numbers);
    }
    if counted.processes {
        owner_io(page, numbers, &families.processes, [&PROCESS_BYTES, &PROCESS_PACKETS], "process");
    }
    if counted.users {
        owner_io(page, numbers, &families.users, [&USER_BYTES, &USER_PACKETS], "user");
    }
    if counted.containers {
        containers(page, numbers);
    }
    if counted.unit_domains {
        domains(page, numbers, &UNIT_DOMAIN_BYTES, "unit");
    }
    if counted.container_domains {
        domains(page, numbers, &CONTAINER_DOMAIN_BYTES, "name");
    }
}

fn classes(page: &mut Page, numbers: &Numbers) {
    for (family, is_bytes) in [(&OWNER_BYTES, true), (&OWNER_PACKETS, false)] {
        page.family(family);
        for class in OwnerClass::ALL {
            for direction in Direction::ALL {
                let io = numbers.totals.owners[class.index()][direction.index()];
                let labels = [("owner", class.as_str().into()), ("direction", direction.as_str().into())];
                page.sample(&labels, if is_bytes { io.bytes } else { io.packets });
            }
        }
    }
}

/// Labels of an owner.
fn owner(key: Option<&OwnerKey>) -> [Label<'_>; 2] {
    key.map_or([OTHER; 2], |key| [key.class.as_str().into(), key.name.as_str().into()])
}

fn owner_io(
    page: &mut Page,
    numbers: &Numbers,
    budget: &Budget<OwnerKey, 4>,
    [bytes, packets]: [&Family<'_>; 2],
    label: &'static str,
) {
    for (family, first) in [(bytes, BYTES), (packets, PACKETS)] {
        keyed(page, family, budget, first, numbers.wall_offset, |key, show| {
            let [class, name] = owner(key);
            show([("owner", class), (label, name), DIRECTION]);
        });
    }
}

fn received(page: &mut Page, numbers: &Numbers) {
    let budget = &numbers.families.unit_receivers;
    keyed(page, &UNIT_RECEIVED_BYTES, budget, BYTES, numbers.wall_offset, |key, show| {
        let [_, unit] = owner(key);
        show([("unit", unit), DIRECTION]);
    });
}

fn attempts(page: &mut Page, numbers: &Numbers) {
    let attempts = &numbers.families.unit_attempts;
    page.family(&UNIT_ATTEMPTS);
    let mut show = |key: Option<&OwnerKey>, values: &[u64; 2]| {
        for (result, count) in [("established", values[0]), ("failed", values[1])] {
            let [class, unit] = owner(key);
            page.sample(&[("owner", class), ("unit", unit), ("result", Label::Text(result))], count);
        }
    };
    for series in attempts.iter() {
        show(Some(series.key), &series.values);
    }
    show(None, attempts.other());
}

fn containers(page: &mut Page, numbers: &Numbers) {
    let budget = &numbers.families.containers;
    for (family, first) in [(&CONTAINER_BYTES, BYTES), (&CONTAINER_PACKETS, PACKETS)] {
        keyed(page, family, budget, first, numbers.wall_offset, |key, show| {
            let [class, name] = owner(key.map(|key| &key.owner));
            let [namespace, pod, container, image] = match key {
                Some(key) => {
                    [&key.namespace, &key.pod, &key.container, &key.image].map(|t| t.as_str().into())
                }
                None => [OTHER; 4],
            };
            show([
                ("owner", class),
                ("name", name),
                ("namespace", namespace),
                ("pod", pod),
                ("container", container),
                ("image", image),
                DIRECTION,
            ]);
        });
    }
}

fn domains(page: &mut Page, numbers: &Numbers, family: &Family<'_>, label: &'static str) {
    let families = &numbers.families;
    let budget = if label == "unit" { &families.unit_domains } else { &families.container_domains };
    keyed(page, family, budget, BYTES, numbers.wall_offset, |key, show| {
        let [class, name] = owner(key.map(|key| &key.owner));
        let domain = key.map_or(OTHER, |key| key.domain.as_str().into());
        show([("owner", class), (label, name), ("domain", domain), DIRECTION]);
    });
}
