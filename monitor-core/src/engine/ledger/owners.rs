//! What the increments of a flow add by owner: every byte counts for one, so that the sums are those of all flows.

use monitor_common::abi::{Side, Transport};

use super::Ledger;
use crate::{
    engine::{EngineConfig, OwnerConfig},
    flow::{entry::Entry, owner::Owners, reading::Reading, role::Parties, state::Results},
    label::AttemptResult,
    live::{Taken, Who},
    record::{Owner, OwnerClass, Text},
    totals::{ContainerKey, Families, Io, OwnerDomainKey, OwnerKey, io_values},
};

impl Ledger {
    /// Counts what a flow gained by its owners.
    pub(super) fn count_owners(
        &mut self,
        entry: &Entry,
        delta: &Reading,
        results: &Results,
        config: &EngineConfig,
        now: u64,
    ) {
        let parties = entry.parties;
        for side in [Side::Lower, Side::Upper] {
            let gained = delta.side(side);
            if gained.packets == 0 && gained.bytes == 0 {
                continue;
            }
            let io = Io { packets: gained.packets, bytes: gained.bytes };
            let direction = parties.direction(entry.view, side);
            let (class, owner, receiver) = entry.owners.of(side, parties);
            self.totals.owners[class.index()][direction.index()].add(io);
            let values = io_values(direction, io);
            let [received, transmitted, ..] = values;
            let Self { families, live, .. } = self;
            live.owned(|| Who::of(class, owner), Taken { received, transmitted, connections: 0 });
            if config.owners.units {
                families.units.add(&unit(class, owner), values, now);
                if let Some(receiver) = receiver {
                    families.unit_receivers.add(&unit(OwnerClass::User, Some(receiver)), values, now);
                }
            }
            if config.owners.processes {
                families.processes.add(&process(class, owner), values, now);
            }
            if config.owners.users {
                families.users.add(&user(class, owner), values, now);
            }
            if config.owners.containers {
                families.containers.add(&container(class, owner), values, now);
            }
        }
        if entry.transport() == Transport::Tcp {
            for result in AttemptResult::ALL {
                for _ in 0..results[result.index()] {
                    self.attempt_of(entry, result, config.owners, now);
                }
            }
        }
    }

    /// Counts one attempt by unit.
    pub(in crate::engine) fn attempt_of(
        &mut self,
        entry: &Entry,
        result: AttemptResult,
        config: OwnerConfig,
        now: u64,
    ) {
        if config.units {
            let (class, owner, _) = entry.owners.of(entry.parties.client, entry.parties);
            let failed = u64::from(result != AttemptResult::Established);
            self.families.unit_attempts.add(&unit(class, owner), [1 - failed, failed], now);
        }
    }
}

/// Counts by owner and domain what has its name now; `sent` is by side.
pub(super) fn by_domain(
    families: &mut Families,
    owners: &Owners,
    parties: Parties,
    sent: &[[u64; 4]; 2],
    domain: Option<&Text>,
    config: OwnerConfig,
    now: u64,
) {
    if !config.unit_domains && !config.container_domains {
        return;
    }
    for side in [Side::Lower, Side::Upper] {
        let values = sent[side.index()];
        if values == [0; 4] {
            continue;
        }
        let (class, owner, _) = owners.of(side, parties);
        let domain = domain.cloned().unwrap_or_else(|| Text::from(""));
        if config.unit_domains {
            let key = OwnerDomainKey { owner: unit(class, owner), domain: domain.clone() };
            families.unit_domains.add(&key, values, now);
        }
        if config.container_domains {
            let key = OwnerDomainKey { owner: container(class, owner).owner, domain };
            families.container_domains.add(&key, values, now);
        }
    }
}

fn key(class: OwnerClass, name: Option<&Text>) -> OwnerKey {
    OwnerKey { class, name: name.cloned().unwrap_or_else(|| Text::from("")) }
}

fn unit(class: OwnerClass, owner: Option<&Owner>) -> OwnerKey {
    key(class, owner.and_then(|owner| owner.unit.as_ref()))
}

fn process(class: OwnerClass, owner: Option<&Owner>) -> OwnerKey {
    key(class, owner.and_then(|owner| owner.process.as_ref()))
}

fn user(class: OwnerClass, owner: Option<&Owner>) -> OwnerKey {
    key(class, owner.and_then(|owner| owner.user.as_ref()))
}

fn container(class: OwnerClass, owner: Option<&Owner>) -> ContainerKey {
    let text = |of: fn(&Owner) -> &Option<Text>| {
        owner.and_then(|owner| of(owner).as_ref()).cloned().unwrap_or_else(|| Text::from(""))
    };
    let name = owner.and_then(Owner::container_name);
    ContainerKey {
        owner: key(class, name),
        namespace: text(|owner| &owner.namespace),
        pod: text(|owner| &owner.pod),
        container: text(|owner| &owner.pod_container),
        image: text(|owner| &owner.image),
    }
}
