//! The rows of the flow map: the heaviest, and the rest in rows of fewer parts.

use std::collections::{BTreeMap, HashSet};

use monitor_core::engine::Engine;
use monitor_core::live::{Client, EdgeKey, ServicePort, Sums};
use monitor_core::record::Text;
use monitor_core::totals::OTHER;

use super::{MapRow, read::service_name};

/// Most rows.
const ROWS: usize = 100;
/// Of these, rows with all parts told apart.
const WHOLE: usize = 70;

/// One part of a row: told apart, or among others.
type Part<T> = Option<T>;
/// Domain and service of those rows whose clients are not told apart.
type Rest = (Part<Option<Text>>, Part<Option<ServicePort>>);

/// At most 100 rows, most bytes first; their sum is that of all.
pub(super) fn rows(engine: &Engine, sums: &Sums, host: &str) -> Vec<MapRow> {
    let edges = &sums.by_name.edges;
    let sorted: Vec<(&EdgeKey, u64)> = edges.sorted().into_iter().map(|(key, bytes)| (key, *bytes)).collect();
    let (rest, others) = fold(&sorted, *edges.rest());
    let service = |service: Option<ServicePort>| {
        service.map_or_else(|| OTHER.to_owned(), |service| service_name(engine, service))
    };
    let text = |domain: &Option<Text>| domain.as_ref().map_or("", Text::as_str).to_owned();
    let name = |name: &Option<Text>| name.as_ref().map(|name| name.as_str().to_owned());
    let whole = sorted.iter().take(WHOLE).map(|(edge, bytes)| MapRow {
        client: match edge.client {
            Client::Host => host.to_owned(),
            Client::Address(ip) => ip.to_string(),
        },
        owner: edge.owner.map(|class| class.as_str().to_owned()),
        unit: name(&edge.unit),
        process: name(&edge.process),
        domain: text(&edge.domain),
        service: service(edge.service),
        bytes: *bytes,
    });
    let owned = sorted.iter().any(|(edge, _)| edge.owner.is_some());
    let other = |domain: String, service: String, bytes: u64| MapRow {
        client: OTHER.to_owned(),
        owner: owned.then(|| OTHER.to_owned()),
        domain,
        service,
        bytes,
        ..MapRow::default()
    };
    let folded = rest.into_iter().map(|((domain, port), bytes)| {
        let domain = domain.as_ref().map_or_else(|| OTHER.to_owned(), text);
        other(domain, port.map_or_else(|| OTHER.to_owned(), service), bytes)
    });
    let mut rows: Vec<MapRow> = whole.chain(folded).collect();
    if others > 0 {
        let [domain, service] = [OTHER; 2].map(str::to_owned);
        rows.push(other(domain, service, others));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    rows
}

/// What is beyond the whole rows: rows without a client, whose domain and service are told apart where one of
/// the whole rows has them, and what is left of all.
fn fold(sorted: &[(&EdgeKey, u64)], mut left: u64) -> (Vec<(Rest, u64)>, u64) {
    let (whole, rest) = sorted.split_at(sorted.len().min(WHOLE));
    let domains: HashSet<&Option<Text>> = whole.iter().map(|(edge, _)| &edge.domain).collect();
    let services: HashSet<&Option<ServicePort>> = whole.iter().map(|(edge, _)| &edge.service).collect();
    let mut sums: BTreeMap<Rest, u64> = BTreeMap::new();
    for (EdgeKey { domain, service, .. }, bytes) in rest {
        let key: Rest = (
            domains.contains(domain).then(|| domain.clone()),
            services.contains(service).then_some(*service),
        );
        if key == (None, None) {
            left += bytes;
        } else {
            *sums.entry(key).or_default() += bytes;
        }
    }
    let mut folded: Vec<(Rest, u64)> = sums.into_iter().collect();
    folded.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    // One row is for what is left.
    let room = ROWS - WHOLE - 1;
    left += folded.iter().skip(room).map(|(_, bytes)| bytes).sum::<u64>();
    folded.truncate(room);
    (folded, left)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use monitor_common::abi::Transport;

    use super::*;

    #[test]
    fn folded_rows_keep_the_sum_and_what_is_known() {
        let service = |port| Some(ServicePort { transport: Transport::Tcp, port });
        let keys: Vec<EdgeKey> = (0..500u32)
            .map(|n| {
                let client = Client::Address(IpAddr::V4((0x0a00_0000 + n).into()));
                let domain = (n % 40 != 39).then(|| Text::from(format!("d{}.example", n % 40).as_str()));
                let service = service((n % 7) as u16);
                EdgeKey { client, owner: None, unit: None, process: None, domain, service }
            })
            .collect();
        let sorted: Vec<(&EdgeKey, u64)> = (0..).zip(&keys).map(|(n, key)| (key, 1000 - n)).collect();
        let (rest, others) = fold(&sorted, 7);
        assert!(rest.len() < ROWS - WHOLE);
        let whole: u64 = sorted.iter().take(WHOLE).map(|(_, bytes)| bytes).sum();
        let folded: u64 = rest.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(whole + folded + others, 7 + sorted.iter().map(|(_, bytes)| bytes).sum::<u64>());
        assert!(rest.iter().all(|((domain, service), _)| domain.is_some() && service.is_some()));
        let few = &sorted[..20];
        assert_eq!(fold(few, 0), (Vec::new(), 0));
    }
}
