//! Interfaces, their hooks' counters, and the conservation of packets.
//!
//! Readings of a hook are cumulative since it was attached; the totals of an interface are the sums
//! of their increments under its name. What joins the two is an attachment: one index of the kernel
//! for as long as it means one interface.

use std::collections::HashMap;

use monitor_common::abi::{Direction, HookCounters, TRAFFIC_CLASSES};

use super::{
    DrainReport, HookReading, Violation,
    carry::{Carried, CarriedAttachment, Traffic},
};
use crate::{
    host::Interface,
    label::Outcome,
    totals::{InterfaceTotals, Io},
};

/// How many interfaces that are gone keep totals of their own; of more, the numbers of those that
/// went first move to [`OTHER`]. Container hosts make new names without end.
const GONE_MAX: usize = 256;

/// Name under which interfaces are counted that went long ago.
const OTHER: &str = "other";

/// One hook of an attachment, cumulative since it was attached.
#[derive(Clone, Copy, Debug, Default)]
struct Hook {
    /// H0 of this drain.
    before: Option<u64>,
    /// The last readings: `others` between the slots and their end, the rest at the drain's end.
    last: HookCounters,
    /// Packets of flows that came through this hook.
    flows: u64,
    /// What of the outcomes is in the totals, by [`Outcome`].
    told: [u64; Outcome::COUNT],
}

impl Hook {
    /// Packets by [`Outcome`], cumulative.
    const fn outcomes(&self) -> [u64; Outcome::COUNT] {
        [self.flows, self.last.overflow, self.last.not_ip, self.last.undecodable]
    }
}

/// One index of the kernel, for as long as it means one interface.
#[derive(Clone, Debug)]
struct Attachment {
    ifindex: u32,
    /// Index in [`Interfaces::totals`].
    interface: usize,
    hooks: [Hook; 2],
    /// Entries of the flow table that point here.
    flows: u32,
    /// The interface is no longer watched: its flows end.
    removed: bool,
    /// Its index may mean another interface: readings under it are not for this one.
    forgotten: bool,
}

impl Attachment {
    const fn is_spent(&self) -> bool {
        self.forgotten && self.flows == 0
    }
}

/// Interfaces, their hooks, and whether the packets of each add up.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// Sorted by name; removed ones stay.
    totals: Vec<InterfaceTotals>,
    violations: u64,
    attachments: Vec<Attachment>,
    by_index: HashMap<u32, u32>,
    /// Names of interfaces that are gone, those that went first in front.
    gone: Vec<String>,
}

impl Interfaces {
    /// All counters by interface, sorted by name; those of interfaces that are gone stay. They move together, at
    /// the end of a drain.
    pub fn totals(&self) -> &[InterfaceTotals] {
        &self.totals
    }

    /// Readings of hooks for which H0 ≤ accounted ≤ H1 did not hold. Anything but 0 is a defect.
    pub const fn conservation_violations(&self) -> u64 {
        self.violations
    }

    /// Packets that found no slot, on all interfaces.
    pub fn overflow_packets(&self) -> u64 {
        let hooks = self.totals.iter().flat_map(|interface| &interface.hooks);
        hooks.fold(0, |sum, hook| sum.wrapping_add(hook.accounted[Outcome::Overflow.index()]))
    }

    /// The attachment of an index; a new one, named after its number, where the index is not known.
    pub(super) fn attachment(&mut self, ifindex: u32) -> u32 {
        match self.by_index.get(&ifindex) {
            Some(attachment) => *attachment,
            None => self.attach(ifindex, &format!("if{ifindex}")),
        }
    }

    fn attach(&mut self, ifindex: u32, name: &str) -> u32 {
        self.publish();
        let interface = self.interface(name, ifindex);
        let attachment = Attachment {
            ifindex,
            interface,
            hooks: [Hook::default(); 2],
            flows: 0,
            removed: false,
            forgotten: false,
        };
        let spent = self.attachments.iter().position(Attachment::is_spent);
        let at = spent.unwrap_or(self.attachments.len());
        match self.attachments.get_mut(at) {
            Some(place) => *place = attachment,
            None => self.attachments.push(attachment),
        }
        self.by_index.insert(ifindex, at as u32);
        at as u32
    }

    /// Index of the totals under a name.
    fn interface(&mut self, name: &str, ifindex: u32) -> usize {
        self.gone.retain(|gone| gone != name);
        match self.totals.binary_search_by(|i| i.name.as_str().cmp(name)) {
            Ok(at) => {
                self.totals[at].ifindex = Some(ifindex);
                at
            }
            Err(at) => {
                self.totals.insert(at, InterfaceTotals::new(name.to_owned(), Some(ifindex)));
                for attachment in &mut self.attachments {
                    attachment.interface += usize::from(attachment.interface >= at);
                }
                at
            }
        }
    }

    /// Follows what interfaces there are.
    pub(super) fn set_interfaces(&mut self, interfaces: &[Interface]) {
        self.publish();
        for at in 0..self.attachments.len() {
            let a = &self.attachments[at];
            if !a.forgotten && !a.removed && !interfaces.iter().any(|i| i.ifindex == a.ifindex) {
                self.remove(at);
            }
        }
        for new in interfaces {
            let Some(&at) = self.by_index.get(&new.ifindex) else {
                self.attach(new.ifindex, &new.name);
                continue;
            };
            let old = self.attachments[at as usize].interface;
            if self.totals[old].name != new.name {
                self.leave(old, new.ifindex);
                let interface = self.interface(&new.name, new.ifindex);
                self.attachments[at as usize].interface = interface;
            }
            self.totals[self.attachments[at as usize].interface].ifindex = Some(new.ifindex);
            self.attachments[at as usize].removed = false;
        }
        self.fold();
    }

    fn remove(&mut self, at: usize) {
        let a = &mut self.attachments[at];
        a.removed = true;
        let (interface, ifindex) = (a.interface, a.ifindex);
        self.leave(interface, ifindex);
    }

    /// A name no longer belongs to an index.
    fn leave(&mut self, interface: usize, ifindex: u32) {
        let i = &mut self.totals[interface];
        if i.ifindex == Some(ifindex) {
            i.ifindex = None;
            if i.name != OTHER {
                self.gone.push(i.name.clone());
            }
        }
    }

    /// Readings under this index belong to another interface from now on.
    pub(super) fn forget(&mut self, ifindex: u32) {
        if let Some(at) = self.by_index.remove(&ifindex) {
            self.remove(at as usize);
            self.attachments[at as usize].forgotten = true;
        }
    }

    /// Moves the numbers of interfaces that went long ago to [`OTHER`].
    fn fold(&mut self) {
        let mut kept = 0;
        while self.gone.len() > GONE_MAX && kept < self.gone.len() {
            let name = &self.gone[kept];
            let Ok(at) = self.totals.binary_search_by(|i| i.name.cmp(name)) else {
                self.gone.remove(kept);
                continue;
            };
            if self.attachments.iter().any(|a| a.interface == at && !a.is_spent()) {
                kept += 1;
                continue;
            }
            self.gone.remove(kept);
            let old = self.totals.remove(at);
            for a in &mut self.attachments {
                a.interface -= usize::from(a.interface > at);
            }
            let into = self.interface(OTHER, 0);
            self.totals[into].ifindex = None;
            self.totals[into].absorb(&old);
        }
    }

    /// Whether flows of the attachment must end because their interface is gone.
    pub(super) fn is_removed(&self, attachment: u32) -> bool {
        self.attachments.get(attachment as usize).is_some_and(|a| a.removed)
    }

    /// Whether there is such an attachment with flows.
    pub(super) fn any_removed(&self) -> bool {
        self.attachments.iter().any(|a| a.removed && a.flows != 0)
    }

    /// A flow points to the attachment, or no longer does.
    pub(super) fn hold(&mut self, attachment: u32, holds: bool) {
        if let Some(a) = self.attachments.get_mut(attachment as usize) {
            a.flows = if holds { a.flows + 1 } else { a.flows.saturating_sub(1) };
        }
    }

    /// Name of the interface of an attachment.
    pub(super) fn name(&self, attachment: u32) -> &str {
        let attachment = self.attachments.get(attachment as usize);
        attachment.and_then(|a| self.totals.get(a.interface)).map_or("", |i| i.name.as_str())
    }

    /// The name of the interface that has this index now.
    pub(super) fn name_of(&self, ifindex: u32) -> Option<&str> {
        self.by_index.get(&ifindex).map(|attachment| self.name(*attachment))
    }

    /// Counts what a flow gained through a hook.
    pub(super) fn count_flow(&mut self, attachment: u32, direction: Direction, class: usize, io: Io) {
        let Some(a) = self.attachments.get_mut(attachment as usize) else { return };
        let hook = &mut a.hooks[direction.index()];
        hook.flows = hook.flows.wrapping_add(io.packets);
        self.totals[a.interface].io[direction.index()][class].add(io);
    }

    /// H0.
    pub(super) fn before(&mut self, readings: &[HookReading]) {
        for a in &mut self.attachments {
            for hook in &mut a.hooks {
                hook.before = None;
            }
        }
        for reading in readings {
            let at = self.attachment(reading.ifindex);
            self.attachments[at as usize].hooks[reading.direction.index()].before =
                Some(reading.counters.packets);
        }
        // Nobody reads the hooks of a removed interface any more and its flows have ended.
        for a in &mut self.attachments {
            if a.removed && !a.forgotten && a.flows == 0 && a.hooks.iter().all(|h| h.before.is_none()) {
                a.forgotten = true;
                self.by_index.remove(&a.ifindex);
            }
        }
    }

    /// What went elsewhere than to flows, read after the slots.
    pub(super) fn others(&mut self, readings: &[HookReading]) {
        for reading in readings {
            let at = self.attachment(reading.ifindex);
            let a = &mut self.attachments[at as usize];
            let hook = &mut a.hooks[reading.direction.index()];
            let (now, last) = (&reading.counters, &mut hook.last);
            for (outcome, now, last) in [
                (Outcome::Overflow, now.overflow, &mut last.overflow),
                (Outcome::NotIp, now.not_ip, &mut last.not_ip),
                (Outcome::Undecodable, now.undecodable, &mut last.undecodable),
            ] {
                if now < *last {
                    hook.told[outcome.index()] = 0;
                }
                *last = now;
            }
            let interface = &mut self.totals[a.interface];
            let io = &mut interface.io[reading.direction.index()];
            for (class, io) in io.iter_mut().enumerate().take(TRAFFIC_CLASSES) {
                io.add(Io {
                    packets: gained(now.overflow_packets[class], &mut last.overflow_packets[class]),
                    bytes: gained(now.overflow_bytes[class], &mut last.overflow_bytes[class]),
                });
            }
        }
    }

    /// H1: counts what the hooks saw and checks that it is accounted for.
    pub(super) fn after(&mut self, readings: &[HookReading], report: &mut DrainReport) {
        for reading in readings {
            let at = self.attachment(reading.ifindex);
            let shared = self.shares_index(at);
            let a = &mut self.attachments[at as usize];
            let hook = &mut a.hooks[reading.direction.index()];
            let interface = &mut self.totals[a.interface];
            let sums = &mut interface.hooks[reading.direction.index()];
            let now = &reading.counters;
            for (sum, now, last) in [
                (&mut sums.packets, now.packets, &mut hook.last.packets),
                (&mut sums.skbs, now.skbs, &mut hook.last.skbs),
                (&mut sums.fragments, now.fragments, &mut hook.last.fragments),
            ] {
                *sum = sum.wrapping_add(gained(now, last));
            }
            let Some(before) = hook.before else { continue };
            if shared {
                continue;
            }
            let accounted = hook.outcomes().into_iter().fold(0, u64::wrapping_add);
            report.checked_hooks += 1;
            report.quiet_hooks += u32::from(before == now.packets);
            if !(before..=now.packets).contains(&accounted) {
                report.violations.push(Violation {
                    interface: interface.name.clone(),
                    direction: reading.direction,
                    before,
                    accounted,
                    after: now.packets,
                });
            }
        }
        self.publish();
        self.violations = self.violations.wrapping_add(report.violations.len() as u64);
    }

    /// How many attachments there were, spent ones included.
    pub(super) const fn attachments(&self) -> usize {
        self.attachments.len()
    }

    /// What is known of interfaces and hooks, less the `live` flows of each attachment.
    pub(super) fn carry(&self, live: &[Traffic]) -> Carried {
        let mut interfaces = self.totals.clone();
        let mut attachments = Vec::new();
        for (a, live) in self.attachments.iter().zip(live) {
            let Some(interface) = interfaces.get_mut(a.interface) else { continue };
            let mut carried =
                CarriedAttachment { ifindex: a.ifindex, name: interface.name.clone(), ..Default::default() };
            let sums = interface.hooks.iter_mut().zip(&mut interface.io);
            for (((hook, live), (sums, io)), carried) in
                a.hooks.iter().zip(live).zip(sums).zip(&mut carried.hooks)
            {
                let mut packets = 0_u64;
                for (io, live) in io.iter_mut().zip(live) {
                    io.packets = io.packets.wrapping_sub(live.packets);
                    io.bytes = io.bytes.wrapping_sub(live.bytes);
                    packets = packets.wrapping_add(live.packets);
                }
                let flows = Outcome::Flow.index();
                sums.accounted[flows] = sums.accounted[flows].wrapping_sub(packets);
                carried.last = words(&hook.last);
                carried.flows = hook.flows.wrapping_sub(packets);
                carried.told = hook.told;
                carried.told[flows] = carried.told[flows].wrapping_sub(packets);
            }
            if !a.forgotten {
                attachments.push(carried);
            }
        }
        Carried { interfaces, attachments }
    }

    /// Goes on from there.
    pub(super) fn take_over(&mut self, carried: Carried) {
        let Carried { mut interfaces, attachments } = carried;
        interfaces.sort_by(|a, b| a.name.cmp(&b.name));
        let gone = interfaces.iter().filter(|i| i.ifindex.is_none() && i.name != OTHER);
        self.gone = gone.map(|i| i.name.clone()).collect();
        self.totals = interfaces;
        self.attachments.clear();
        self.by_index.clear();
        for CarriedAttachment { ifindex, name, hooks } in attachments {
            let at = self.attach(ifindex, &name);
            let Some(a) = self.attachments.get_mut(at as usize) else { continue };
            for (hook, carried) in a.hooks.iter_mut().zip(hooks) {
                *hook = Hook {
                    before: None,
                    last: counters(&carried.last),
                    flows: carried.flows,
                    told: carried.told,
                };
            }
        }
    }

    /// Brings the outcomes into the totals. They wait for that until the hooks' packets are there too,
    /// so that whoever looks in the middle of a drain does not find more accounted for than was seen.
    pub(super) fn publish(&mut self) {
        for a in &mut self.attachments {
            let sums = &mut self.totals[a.interface].hooks;
            for (hook, sums) in a.hooks.iter_mut().zip(sums) {
                for ((now, told), sum) in
                    hook.outcomes().into_iter().zip(&mut hook.told).zip(&mut sums.accounted)
                {
                    *sum = sum.wrapping_add(now.wrapping_sub(*told));
                    *told = now;
                }
            }
        }
    }

    /// Whether flows of an interface that had the same index before are still in the table: what they
    /// gained cannot be told from what belongs to the new one.
    fn shares_index(&self, at: u32) -> bool {
        let Some(ifindex) = self.attachments.get(at as usize).map(|a| a.ifindex) else { return false };
        self.attachments.iter().any(|a| a.ifindex == ifindex && a.forgotten && a.flows != 0)
    }
}

/// The counters of a hook, for another engine.
fn words(counters: &HookCounters) -> Vec<u64> {
    let c = counters;
    let single = [c.packets, c.skbs, c.not_ip, c.undecodable, c.overflow, c.fragments];
    single.into_iter().chain(c.overflow_packets).chain(c.overflow_bytes).collect()
}

/// From [`words`].
fn counters(words: &[u64]) -> HookCounters {
    let mut words = words.iter().copied();
    let mut next = || words.next().unwrap_or(0);
    HookCounters {
        packets: next(),
        skbs: next(),
        not_ip: next(),
        undecodable: next(),
        overflow: next(),
        fragments: next(),
        overflow_packets: std::array::from_fn(|_| next()),
        overflow_bytes: std::array::from_fn(|_| next()),
        ..HookCounters::default()
    }
}

/// The increment of a cumulative counter. One that went back began anew at 0.
fn gained(now: u64, last: &mut u64) -> u64 {
    let before = std::mem::replace(last, now);
    if now >= before { now - before } else { now }
}
