//! From whom to where: clients on the left, domains on the right, bands as wide as their bytes.

use std::{collections::HashMap, net::IpAddr};

use maud::{Markup, html};
use monitor_core::{record::Text, report::Traffic};

use super::charts::{at, color, domain_name, short};
use crate::view::units;

const WIDTH: f64 = 1040.0;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 800.0;
/// Width of a node.
const NODE: f64 = 12.0;
/// Height of all bands together, and between nodes.
const BANDS: f64 = 340.0;
const GAP: f64 = 10.0;
const CLIENTS: usize = 8;
const DOMAINS: usize = 10;

/// An end of bands.
#[derive(Debug, PartialEq)]
struct Node {
    name: String,
    color: String,
    bytes: u64,
    y: f64,
}

/// A band between two nodes.
#[derive(Debug, PartialEq)]
struct Band {
    from: usize,
    to: usize,
    bytes: u64,
    /// Where it begins on the left and ends on the right, and how high it is.
    left: f64,
    right: f64,
    height: f64,
}

pub(super) fn chart(traffic: &Traffic) -> Markup {
    let paths = traffic.paths.iter().map(|((client, domain), bytes)| (*client, domain.as_ref(), *bytes));
    let (clients, domains, bands) = layout(paths.collect());
    let scale = scale(&clients);
    let height = |nodes: &[Node]| GAP + nodes.iter().map(|node| slot(node, scale)).sum::<f64>();
    let height = height(&clients).max(height(&domains));
    html! {
        svg viewBox={ "0 0 " (at(WIDTH)) " " (at(height)) } role="img" aria-label="Bytes from client to domain" {
            @for band in &bands {
                @if let (Some(client), Some(domain)) = (clients.get(band.from), domains.get(band.to)) {
                    path class={ "ribbon " (domain.color) } d=(ribbon(band)) {
                        title { (client.name) " – " (domain.name) ": " (units::bytes(band.bytes as f64)) }
                    }
                }
            }
            @for (nodes, x, anchor, text) in
                [(&clients, LEFT - NODE, "end", LEFT - NODE - 8.0), (&domains, RIGHT, "start", RIGHT + NODE + 8.0)]
            {
                @for node in nodes {
                    @let tall = node.bytes as f64 * scale;
                    rect class=(node.color) x=(at(x)) y=(at(node.y)) width=(at(NODE)) height=(at(tall.max(1.0))) {}
                    text x=(at(text)) y=(at(node.y + tall / 2.0 + 4.0)) text-anchor=(anchor) {
                        (short(&node.name, 24))
                    }
                }
            }
        }
    }
}

/// Height of a byte.
fn scale(clients: &[Node]) -> f64 {
    let sum: u64 = clients.iter().map(|node| node.bytes).sum();
    BANDS / sum.max(1) as f64
}

/// Height that a node takes with the gap below; never so little that names would overlap.
fn slot(node: &Node, scale: f64) -> f64 {
    (node.bytes as f64 * scale + GAP).max(16.0)
}

/// A band as a path: two curves and the edges of the nodes.
fn ribbon(band: &Band) -> String {
    let middle = f64::midpoint(LEFT, RIGHT);
    let (l, r, h) = (band.left, band.right, band.height);
    format!(
        "M{x0},{} C{m},{} {m},{} {x1},{} L{x1},{} C{m},{} {m},{} {x0},{} Z",
        at(l),
        at(l),
        at(r),
        at(r),
        at(r + h),
        at(r + h),
        at(l + h),
        at(l + h),
        x0 = at(LEFT),
        x1 = at(RIGHT),
        m = at(middle),
    )
}

type Path<'a> = (IpAddr, Option<&'a Text>, u64);

/// The heaviest of each side and one node for the others, in order of weight from the top; bands leave and
/// reach a node in the order of their other ends, so that they cross as little as may be.
fn layout(mut paths: Vec<Path<'_>>) -> (Vec<Node>, Vec<Node>, Vec<Band>) {
    paths.retain(|path| path.2 > 0);
    let clients = side(paths.iter().map(|path| (path.0, path.2)), CLIENTS);
    let domains = side(paths.iter().map(|path| (path.1, path.2)), DOMAINS);
    let mut sums: HashMap<(usize, usize), u64> = HashMap::new();
    for (client, domain, bytes) in &paths {
        *sums.entry((place(&clients, client), place(&domains, domain))).or_default() += bytes;
    }
    let mut bands: Vec<_> = sums.into_iter().collect();
    bands.sort_unstable();
    let mut client_nodes = nodes(clients, |client| client.to_string(), |_, _| "rest".to_owned());
    let named = domains.iter().filter_map(|(domain, _)| domain.flatten()).count();
    let mut domain_nodes = nodes(
        domains,
        |domain| domain_name(domain, 255),
        |index, domain| {
            if domain.flatten().is_some() && named > 0 { color(index) } else { "rest".to_owned() }
        },
    );
    let scale = scale(&client_nodes);
    for nodes in [&mut client_nodes, &mut domain_nodes] {
        let mut y = GAP / 2.0;
        for node in nodes.iter_mut() {
            node.y = y;
            y += slot(node, scale);
        }
    }
    let mut left: Vec<f64> = client_nodes.iter().map(|node| node.y).collect();
    let mut right: Vec<f64> = domain_nodes.iter().map(|node| node.y).collect();
    let take = |ends: &mut Vec<f64>, at: usize, height: f64| {
        ends.get_mut(at).map_or(0.0, |end| {
            *end += height;
            *end - height
        })
    };
    let bands = bands.into_iter().map(|((from, to), bytes)| {
        let height = bytes as f64 * scale;
        let (left, right) = (take(&mut left, from, height), take(&mut right, to, height));
        Band { from, to, bytes, left, right, height }
    });
    let bands = bands.collect();
    (client_nodes, domain_nodes, bands)
}

/// The heaviest keys and their sums, and last, without a key, that of all others.
fn side<K: Copy + Eq + Ord + std::hash::Hash>(
    values: impl Iterator<Item = (K, u64)>,
    most: usize,
) -> Vec<(Option<K>, u64)> {
    let mut sums: HashMap<K, u64> = HashMap::new();
    for (key, bytes) in values {
        *sums.entry(key).or_default() += bytes;
    }
    let mut sorted: Vec<(Option<K>, u64)> = sums.into_iter().map(|(key, bytes)| (Some(key), bytes)).collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let others: u64 = sorted.split_off(most.min(sorted.len())).iter().map(|(_, bytes)| bytes).sum();
    if others > 0 {
        sorted.push((None, others));
    }
    sorted
}

fn place<K: PartialEq>(side: &[(Option<K>, u64)], key: &K) -> usize {
    side.iter().position(|(known, _)| known.as_ref() == Some(key)).unwrap_or(side.len().saturating_sub(1))
}

fn nodes<K: Copy>(
    side: Vec<(Option<K>, u64)>,
    name: impl Fn(K) -> String,
    color: impl Fn(usize, Option<K>) -> String,
) -> Vec<Node> {
    let node = |(index, (key, bytes)): (usize, (Option<K>, u64))| Node {
        name: key.map_or_else(|| "others".to_owned(), &name),
        color: color(index, key),
        bytes,
        y: 0.0,
    };
    side.into_iter().enumerate().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_leave_and_reach_nodes_without_gap_or_overlap() {
        let names: Vec<Text> = (0..15).map(|i| Text::from(format!("d{i}.example").as_str())).collect();
        let ip = |i: u8| IpAddr::from([10, 0, 0, i]);
        let paths = (0..12u8).flat_map(|c| {
            names
                .iter()
                .enumerate()
                .map(move |(d, name)| (ip(c), Some(name), (u64::from(c) + 1) * (d as u64 + 3)))
        });
        let paths: Vec<_> = paths.chain([(ip(1), None, 999)]).collect();
        let total: u64 = paths.iter().map(|path| path.2).sum();
        let (clients, domains, bands) = layout(paths);
        assert_eq!((clients.len(), domains.len()), (CLIENTS + 1, DOMAINS + 1));
        assert_eq!(bands.iter().map(|band| band.bytes).sum::<u64>(), total);
        let scale = scale(&clients);
        for (i, client) in clients.iter().enumerate() {
            let mut y = client.y;
            for band in bands.iter().filter(|band| band.from == i) {
                assert!((band.left - y).abs() < 1e-6);
                y += band.height;
            }
            assert!((y - client.y - client.bytes as f64 * scale).abs() < 1e-6);
        }
    }

    #[test]
    fn nothing_does_no_harm() {
        assert_eq!(layout(Vec::new()), (Vec::new(), Vec::new(), Vec::new()));
        assert!(layout(vec![(IpAddr::from([0; 4]), None, 0)]).2.is_empty());
    }
}
