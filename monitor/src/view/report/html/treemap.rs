//! Domains as areas: squarified (Bruls, Huizing, van Wijk, 2000), so that they stay close to squares.

use maud::{Markup, html};
use monitor_core::report::{Traffic, Weighed};

use super::charts::{at, color, domain_name, short};
use crate::view::units;

const WIDTH: f64 = 1040.0;
const HEIGHT: f64 = 300.0;
/// Domains with an area of their own.
const MOST: usize = 14;

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

pub(super) fn chart(traffic: &Traffic) -> Markup {
    let sorted = traffic.domains.sorted();
    let rest: u64 = sorted.iter().skip(MOST).map(|(_, stat)| stat.weight()).sum::<u64>()
        + traffic.domains.rest().weight();
    let mut colors = 0..;
    let mut parts: Vec<(String, String, u64)> = sorted
        .iter()
        .take(MOST)
        .map(|(domain, stat)| {
            let color =
                if domain.is_some() { color(colors.next().unwrap_or_default()) } else { "rest".into() };
            (domain_name(domain.as_ref(), 255), color, stat.weight())
        })
        .collect();
    if rest > 0 {
        parts.push(("others".into(), "rest".into(), rest));
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.2));
    let values: Vec<u64> = parts.iter().map(|part| part.2).collect();
    let areas = squarify(&values, Area { x: 0.0, y: 0.0, width: WIDTH, height: HEIGHT });
    let shares = units::shares(&values);
    html! {
        svg viewBox="0 0 1040 300" role="img" aria-label="Share of all bytes by domain" {
            @for (((name, color, bytes), area), share) in parts.iter().zip(&areas).zip(shares) {
                @let fits = (area.width / 7.5) as usize;
                g {
                    title { (name) ": " (units::tenths(share)) ", " (units::bytes(*bytes as f64)) }
                    rect class=(color) x=(at(area.x + 1.0)) y=(at(area.y + 1.0))
                        width=(at((area.width - 2.0).max(0.0))) height=(at((area.height - 2.0).max(0.0))) rx="3" {}
                    @if area.height > 22.0 && fits > 5 {
                        text.on x=(at(area.x + 9.0)) y=(at(area.y + 19.0)) { (short(name, fits - 2)) }
                    }
                    @if area.height > 40.0 && fits > 5 {
                        text.on.thin x=(at(area.x + 9.0)) y=(at(area.y + 36.0)) { (units::tenths(share)) }
                    }
                }
            }
        }
    }
}

/// Areas for values, which descend, within `room`.
fn squarify(values: &[u64], mut room: Area) -> Vec<Area> {
    let sum: f64 = values.iter().map(|&value| value as f64).sum();
    let scale = if sum > 0.0 { room.width * room.height / sum } else { 0.0 };
    let sizes: Vec<f64> = values.iter().map(|&value| value as f64 * scale).collect();
    let mut areas = Vec::with_capacity(sizes.len());
    let mut left = sizes.as_slice();
    while !left.is_empty() {
        let side = room.width.min(room.height);
        // The row grows while that makes its worst area more like a square.
        let mut row = 1;
        while row < left.len()
            && worst(left.get(..=row).unwrap_or_default(), side)
                <= worst(left.get(..row).unwrap_or_default(), side)
        {
            row += 1;
        }
        let (row, after) = left.split_at(row);
        let sum: f64 = row.iter().sum();
        let depth = if side > 0.0 { sum / side } else { 0.0 };
        let mut along = 0.0;
        for size in row {
            let length = if depth > 0.0 { size / depth } else { 0.0 };
            areas.push(if room.width >= room.height {
                Area { x: room.x, y: room.y + along, width: depth, height: length }
            } else {
                Area { x: room.x + along, y: room.y, width: length, height: depth }
            });
            along += length;
        }
        if room.width >= room.height {
            room = Area { x: room.x + depth, width: (room.width - depth).max(0.0), ..room };
        } else {
            room = Area { y: room.y + depth, height: (room.height - depth).max(0.0), ..room };
        }
        left = after;
    }
    areas
}

/// The worst relation of the sides of areas that together lie along `side`.
fn worst(sizes: &[f64], side: f64) -> f64 {
    let sum: f64 = sizes.iter().sum();
    let (most, least) = sizes
        .iter()
        .fold((0.0, f64::INFINITY), |(most, least): (f64, f64), &size| (most.max(size), least.min(size)));
    if sum <= 0.0 || least <= 0.0 {
        return f64::INFINITY;
    }
    (side * side * most / (sum * sum)).max(sum * sum / (side * side * least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_fill_the_room_by_weight_without_overlap() {
        let room = Area { x: 0.0, y: 0.0, width: 600.0, height: 400.0 };
        let values = [600, 600, 400, 300, 200, 200, 100];
        let areas = squarify(&values, room);
        for (area, value) in areas.iter().zip(values) {
            assert!((area.width * area.height - value as f64 * 100.0).abs() < 1e-6);
            assert!(area.x + area.width <= 600.0 + 1e-6 && area.y + area.height <= 400.0 + 1e-6);
        }
        for (i, a) in areas.iter().enumerate() {
            for b in areas.iter().skip(i + 1) {
                let x = (a.x + a.width).min(b.x + b.width) - a.x.max(b.x);
                let y = (a.y + a.height).min(b.y + b.height) - a.y.max(b.y);
                assert!(x < 1e-6 || y < 1e-6, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn nothing_and_zeros_do_no_harm() {
        let room = Area { x: 0.0, y: 0.0, width: 10.0, height: 10.0 };
        assert!(squarify(&[], room).is_empty());
        for values in [&[0, 0, 0][..], &[5, 0, 0], &[u64::MAX, 1]] {
            let areas = squarify(values, room);
            assert!(
                areas.len() == values.len()
                    && areas.iter().all(|a| a.width.is_finite() && a.height.is_finite())
            );
        }
    }
}
