//! What each section says.

mod capture;
mod health;
mod messages;
mod summary;
mod traffic;

use std::{borrow::Cow, net::IpAddr};

use monitor_core::{
    report::{NameStat, Report, Top, Weighed},
    services::ServiceTable,
};

pub(super) use capture::{peak, size_labels};
pub(super) use traffic::NO_NAME;

use super::{
    document::{Block, Cell, Column, Row, Section, SectionId, Table, Tone},
    owners::Owners,
};
use crate::view::units;

/// What sections are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) report: &'a Report,
    /// Rows of a table at most, those for what is left not among them.
    pub(super) top: usize,
    pub(super) owners: Option<&'a Owners>,
    /// What was read, for the heading.
    pub(super) source: &'a str,
    /// Names of ports.
    pub(super) services: &'a ServiceTable,
}

/// A section.
pub(super) fn section(id: SectionId, context: &Context<'_>) -> Section {
    let (about, blocks) = match id {
        SectionId::Summary => summary::summary(context),
        SectionId::Findings => summary::findings(context),
        SectionId::Domains => traffic::domains(context),
        SectionId::Hosts => traffic::hosts(context),
        SectionId::Conversations => traffic::conversations(context),
        SectionId::Services => traffic::services(context),
        SectionId::Owners => traffic::owners(context),
        SectionId::Fragments => traffic::fragments(context),
        SectionId::Sources => health::sources(context),
        SectionId::Tcp => health::tcp(context),
        SectionId::Dns => messages::dns(context),
        SectionId::Tls => messages::tls(context),
        SectionId::Http => messages::http(context),
        SectionId::Throughput => capture::throughput(context),
        SectionId::Sizes => capture::sizes(context),
        SectionId::Capture => capture::capture(context),
    };
    Section { id, about, blocks }
}

type Said = (&'static str, Vec<Block>);

impl Context<'_> {
    /// An address and who owns it.
    fn owned(&self, address: IpAddr) -> String {
        self.owner(address).map_or_else(|| address.to_string(), |owner| format!("{address} ({owner})"))
    }

    fn owner(&self, address: IpAddr) -> Option<String> {
        self.owners.and_then(|owners| owners.owner(address))
    }
}

/// The heaviest `n` values, and the sum of all others with their number.
fn heaviest<K, V>(top: &Top<K, V>, n: usize) -> (Vec<(&K, &V)>, u64, u64)
where
    K: Eq + std::hash::Hash + Ord + Clone,
    V: Weighed,
{
    let mut sorted = top.sorted();
    let others = sorted.split_off(n.min(sorted.len()));
    let weight = others.iter().map(|(_, value)| value.weight()).sum::<u64>() + top.rest().weight();
    (sorted, weight, others.len() as u64 + top.folded())
}

/// What a table says of keys that it does not show.
fn more(number: u64, what: &str, folded: bool) -> Option<String> {
    let about = if folded { "about " } else { "" };
    let what = if number == 1 { singular(what) } else { what.into() };
    (number > 0).then(|| format!("and {about}{} more {what}", units::count(number)))
}

/// One of some things: `resolver` of `resolvers`, `address` of `addresses`.
fn singular(plural: &str) -> Cow<'_, str> {
    match plural.strip_suffix("sses") {
        Some(stem) => format!("{stem}ss").into(),
        None => plural.strip_suffix('s').unwrap_or(plural).into(),
    }
}

/// `1 other`, `12 others`.
fn others(number: u64) -> Cell {
    Cell::text(units::counted(number, "other")).tone(Tone::Dim)
}

/// A table of how often something was: value, number, share of all and a bar.
fn tally<K>(
    title: &'static str,
    what: &'static str,
    top: &Top<K, u64>,
    n: usize,
    text: impl Fn(&K) -> Cell,
) -> Option<Block>
where
    K: Eq + std::hash::Hash + Ord + Clone,
{
    let (rows, rest, others) = heaviest(top, n);
    let rows = rows.into_iter().map(|(key, count)| (text(key), *count));
    let rest = (rest > 0).then(|| (self::others(others), rest));
    let rows: Vec<(Cell, u64)> = rows.chain(rest).collect();
    shared(title, what, rows, Cell::count)
}

/// A table of values with a share each.
fn shared(
    title: &'static str,
    what: &'static str,
    rows: Vec<(Cell, u64)>,
    show: impl Fn(u64) -> Cell,
) -> Option<Block> {
    let values: Vec<u64> = rows.iter().map(|(_, value)| *value).collect();
    if values.iter().all(|value| *value == 0) {
        return None;
    }
    let rows = rows.into_iter().zip(units::shares(&values)).map(|((cell, value), share)| {
        Row::new(vec![cell, show(value), Cell::tenths(share), Cell::bar(f64::from(share) / 1000.0)])
    });
    let rows = rows.collect();
    let columns =
        vec![Column::text(what), Column::number("COUNT"), Column::number("SHARE"), Column::text("").drop(1)];
    Some(Block::Table(Table { title, columns, rows, note: None }))
}

/// Where names are known from.
fn known_by(stat: &NameStat) -> Cell {
    Cell::text(stat.sources.iter().map(|source| source.as_str()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_not_many() {
        assert_eq!((others(1).text, others(12).text), ("1 other".into(), "12 others".into()));
        let more = |n, what| more(n, what, false).unwrap();
        assert_eq!(more(1, "addresses"), "and 1 more address");
        assert_eq!(more(2, "addresses"), "and 2 more addresses");
        assert_eq!(more(1, "resolvers"), "and 1 more resolver");
    }
}
