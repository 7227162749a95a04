//! The numbers of a page: copied while the engine is held, written while it is not.

use monitor_core::detection::DetectionTotals;
use monitor_core::engine::{Engine, OwnerConfig};
use monitor_core::fanout::FanoutTotals;
use monitor_core::payload::PayloadTotals;
use monitor_core::protocol::ProtocolTotals;
use monitor_core::services::ServiceTable;
use monitor_core::totals::{Families, InterfaceTotals, Totals, Translations};

use super::families::{BUILD_INFO, CONFIG_RELOAD, EVENTS, LOG_LEFT_OUT, UNDIRECTED};
use super::page::{Format, Page};
use super::{Context, kernel, owners, protocols, series, totals};

/// Everything of the engine that a page shows, as it was at one moment: of one drain, so that families that must
/// add up do.
#[derive(Debug)]
pub struct Numbers {
    pub(super) totals: Totals,
    pub(super) translations: Translations,
    pub(super) interfaces: Vec<InterfaceTotals>,
    pub(super) conservation_violations: u64,
    pub(super) families: Families,
    pub(super) protocols: ProtocolTotals,
    pub(super) payloads: PayloadTotals,
    pub(super) fanout: FanoutTotals,
    pub(super) detection: DetectionTotals,
    pub(super) services: ServiceTable,
    pub(super) wall_offset: i64,
    /// Whether peers are counted.
    pub(super) peers: bool,
    /// What is counted by owner.
    pub(super) owners: OwnerConfig,
}

impl Numbers {
    /// Copies them, at `now` on the flow clock.
    pub fn of(engine: &Engine, now: u64) -> Self {
        let (config, payloads) = (engine.config(), engine.payloads());
        let (ledger, interfaces) = (engine.ledger(), engine.interfaces());
        Self {
            totals: ledger.totals().clone(),
            translations: engine.translations(),
            interfaces: interfaces.totals().to_vec(),
            conservation_violations: interfaces.conservation_violations(),
            families: ledger.families().copied(now),
            protocols: payloads.protocols().clone(),
            payloads: payloads.totals(),
            fanout: ledger.fanout().totals(),
            detection: engine.detection().totals(),
            services: config.services.clone(),
            wall_offset: config.wall_offset,
            peers: config.peers,
            owners: config.owners,
        }
    }

    /// Writes the page. `buffer` gives its memory.
    pub fn write(&self, context: &Context<'_>, format: Format, buffer: Vec<u8>) -> Vec<u8> {
        let mut page = Page::new(format, buffer);
        page.set_created(context.created);
        totals::write(&mut page, self);
        series::write(&mut page, self);
        owners::write(&mut page, self);
        protocols::write(&mut page, self);
        if let Some(packets) = context.undirected {
            page.family(&UNDIRECTED);
            page.sample(&[], packets);
        }
        kernel(&mut page, context.kernel);
        page.family(&BUILD_INFO);
        page.sample(&[("version", env!("CARGO_PKG_VERSION").into())], 1);
        page.family(&CONFIG_RELOAD);
        page.sample(&[], u64::from(context.config_ok));
        page.family(&EVENTS);
        for (event, count) in context.events.counts() {
            page.sample(&[("event", event.into())], count);
        }
        page.family(&LOG_LEFT_OUT);
        for (event, count) in context.events.left_out().filter(|(_, count)| *count > 0) {
            page.sample(&[("event", event.into())], count);
        }
        super::own::write(&mut page, context.own);
        page.finish()
    }
}
