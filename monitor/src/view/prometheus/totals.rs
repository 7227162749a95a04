//! The engine's fixed counters.
//!
//! They are copied while the engine is held and written afterwards, so that all numbers of a page are of one
//! drain: families that must add up do.

use monitor_common::abi::{Direction, IpVersion, Transport};
use monitor_core::histogram::Histogram;
use monitor_core::label::{AttemptResult, EndReason, LetGo, Outcome, Role, Scope, TcpCounter, TcpState};
use monitor_core::totals::{ByRoleAndScope, HookTotals, InterfaceTotals, TcpTotals, Totals};

use super::families::{
    ACCOUNTED_PACKETS, CONSERVATION_VIOLATIONS, DUPLICATE_FLOWS, FLOW_TABLE_PRESSURE, FLOWS_ACTIVE,
    FLOWS_ENDED, FLOWS_FORGOTTEN, FLOWS_LET_GO, FLOWS_REMEMBERED, FLOWS_RESUMED, FLOWS_STARTED, FRAGMENTS,
    HOOK_PACKETS, LAST_DRAIN, LOST_TRANSLATIONS, NETWORK_BYTES, NETWORK_PACKETS, OVERFLOW_PACKETS, SKBS,
    TCP_ATTEMPTS, TCP_CONNECTIONS, TCP_COUNTERS, TCP_FIRST_RESPONSE, TCP_FLAGS, TCP_HANDSHAKE, TCP_PACKETS,
    TCP_RTT, TCP_UNMEASURED, TRANSLATIONS, TRANSLATIONS_REREAD,
};
use super::numbers::Numbers;
use super::page::{Family, Page};

/// Writes all of them.
pub(super) fn write(page: &mut Page, numbers: &Numbers) {
    let totals = &numbers.totals;
    interfaces(page, &numbers.interfaces);
    flows(page, totals);
    for (family, value) in [
        (&TRANSLATIONS, numbers.translations.known),
        (&LOST_TRANSLATIONS, numbers.translations.lost),
        (&TRANSLATIONS_REREAD, numbers.translations.anew),
    ] {
        page.family(family);
        page.sample(&[], value);
    }
    tcp(page, &totals.tcp);
    latency(page, &TCP_RTT, &totals.latency.round_trip);
    latency(page, &TCP_HANDSHAKE, &totals.latency.handshake);
    latency(page, &TCP_FIRST_RESPONSE, &totals.latency.first_response);
    page.family(&TCP_UNMEASURED);
    page.sample(&[], totals.latency.unmeasured);
    page.family(&CONSERVATION_VIOLATIONS);
    page.sample(&[], numbers.conservation_violations);
    page.family(&LAST_DRAIN);
    page.sample(&[], totals.last_drain as f64 / 1e9);
}

fn interfaces(page: &mut Page, interfaces: &[InterfaceTotals]) {
    network(page, &NETWORK_BYTES, interfaces, |io| io.bytes);
    network(page, &NETWORK_PACKETS, interfaces, |io| io.packets);
    hooks(page, &HOOK_PACKETS, interfaces, |hook| hook.packets);
    page.family(&ACCOUNTED_PACKETS);
    for interface in interfaces {
        for direction in Direction::ALL {
            for outcome in Outcome::ALL {
                let labels = [
                    ("interface", interface.name.as_str().into()),
                    ("direction", direction.as_str().into()),
                    ("outcome", outcome.as_str().into()),
                ];
                page.sample(&labels, interface.hooks[direction.index()].accounted[outcome.index()]);
            }
        }
    }
    hooks(page, &SKBS, interfaces, |hook| hook.skbs);
    hooks(page, &FRAGMENTS, interfaces, |hook| hook.fragments);
    hooks(page, &OVERFLOW_PACKETS, interfaces, |hook| hook.accounted[Outcome::Overflow.index()]);
}

/// Traffic by interface. A host with hundreds of interfaces has most of the 24 combinations on few of them, so that
/// one is shown once it has counted; the first is always there, for sums over an interface that is silent.
pub(super) fn network(
    page: &mut Page,
    family: &Family<'_>,
    interfaces: &[InterfaceTotals],
    number: fn(monitor_core::totals::Io) -> u64,
) {
    page.family(family);
    for interface in interfaces {
        for direction in Direction::ALL {
            for transport in Transport::ALL {
                for (version, text) in [(IpVersion::V4, "4"), (IpVersion::V6, "6")] {
                    let io = interface.io(direction, transport, version);
                    let first = (transport, version) == (Transport::Tcp, IpVersion::V4);
                    if io.packets == 0 && !first {
                        continue;
                    }
                    let labels = [
                        ("interface", interface.name.as_str().into()),
                        ("direction", direction.as_str().into()),
                        ("transport", transport.as_str().into()),
                        ("ip_version", text.into()),
                    ];
                    page.sample(&labels, number(io));
                }
            }
        }
    }
}

fn hooks(
    page: &mut Page,
    family: &Family<'_>,
    interfaces: &[InterfaceTotals],
    number: impl Fn(&HookTotals) -> u64,
) {
    page.family(family);
    for interface in interfaces {
        for direction in Direction::ALL {
            let labels =
                [("interface", interface.name.as_str().into()), ("direction", direction.as_str().into())];
            page.sample(&labels, number(&interface.hooks[direction.index()]));
        }
    }
}

fn flows(page: &mut Page, totals: &Totals) {
    let flows = &totals.flows;
    page.family(&FLOWS_ACTIVE);
    for transport in Transport::ALL {
        page.sample(&[("transport", transport.as_str().into())], flows.active[transport.index()]);
    }
    page.family(&FLOWS_STARTED);
    for transport in Transport::ALL {
        page.sample(&[("transport", transport.as_str().into())], flows.started[transport.index()]);
    }
    for (family, number) in [
        (&FLOWS_RESUMED, flows.resumed),
        (&FLOWS_REMEMBERED, flows.remembered),
        (&FLOWS_FORGOTTEN, flows.forgotten),
    ] {
        page.family(family);
        page.sample(&[], number);
    }
    page.family(&FLOWS_ENDED);
    for transport in Transport::ALL {
        // A flow that goes on has records, but it has not ended.
        for reason in EndReason::ALL.into_iter().filter(|r| *r != EndReason::Active) {
            let labels = [("transport", transport.as_str().into()), ("reason", reason.as_str().into())];
            page.sample(&labels, flows.ended[transport.index()][reason.index()]);
        }
    }
    page.family(&FLOWS_LET_GO);
    for kind in LetGo::ALL {
        page.sample(&[("kind", kind.as_str().into())], flows.let_go[kind.index()]);
    }
    page.family(&FLOW_TABLE_PRESSURE);
    page.sample(&[], u64::from(flows.pressure));
    page.family(&DUPLICATE_FLOWS);
    page.sample(&[], flows.duplicates);
}

fn tcp(page: &mut Page, tcp: &TcpTotals) {
    page.family(&TCP_FLAGS);
    for flag in TcpCounter::ALL.into_iter().filter(|counter| counter.is_flag()) {
        for direction in Direction::ALL {
            let labels = [("flag", flag.as_str().into()), ("direction", direction.as_str().into())];
            page.sample(&labels, tcp.get(flag)[direction.index()]);
        }
    }
    page.family(&TCP_CONNECTIONS);
    for state in TcpState::ALL {
        page.sample(&[("state", state.as_str().into())], tcp.connections[state.index()]);
    }
    page.family(&TCP_ATTEMPTS);
    for role in Role::ALL {
        for result in AttemptResult::ALL {
            let labels = [("role", role.as_str().into()), ("result", result.as_str().into())];
            page.sample(&labels, tcp.attempts[role.index()][result.index()]);
        }
    }
    directions(page, &TCP_PACKETS, tcp.segments);
    for (counter, family) in TcpCounter::ALL.into_iter().zip(&TCP_COUNTERS) {
        if let Some(family) = family {
            directions(page, family, tcp.get(counter));
        }
    }
}

fn directions(page: &mut Page, family: &Family<'_>, numbers: [u64; 2]) {
    page.family(family);
    for direction in Direction::ALL {
        page.sample(&[("direction", direction.as_str().into())], numbers[direction.index()]);
    }
}

fn latency<const N: usize>(page: &mut Page, family: &Family<'_>, histograms: &ByRoleAndScope<Histogram<N>>) {
    page.family(family);
    for role in Role::ALL {
        for scope in Scope::ALL {
            let labels = [("role", role.as_str().into()), ("scope", scope.as_str().into())];
            let histogram = &histograms[role.index()][scope.index()];
            page.histogram(&labels, histogram.buckets(), histogram.sum(), histogram.count());
        }
    }
}
