//! Charts as SVG within the page. Lengths are in units of the view box; the stylesheet scales and colours.

use maud::{Markup, html};
use monitor_core::{
    record::{Text, Time},
    report::{Report, Timeline, Weighed},
};

use super::{flowmap, safe, treemap};
use crate::view::{
    report::sections::{NO_NAME, peak, size_labels},
    units,
};

/// Colours that differ enough to tell apart.
pub(super) const COLORS: usize = 8;
/// Steps of the chart over time.
const STEPS: usize = 240;

/// All charts that have something to show.
pub(super) fn all(report: &Report) -> Markup {
    html! {
        @if !report.traffic.domains.is_empty() {
            figure.wide { (caption("Domains", "share of all bytes")) (treemap::chart(&report.traffic)) }
        }
        @if report.capture.timeline.steps().len() > 1 {
            figure.wide { (caption("Traffic over time", "bits per second")) (over_time(&report.capture.timeline)) }
        }
        @if !report.traffic.endpoints.is_empty() {
            figure { (caption("Top talkers", "bytes sent and received")) (talkers(report)) }
        }
        @if report.capture.packets > 0 {
            figure { (caption("Packet sizes", "share of packets by bytes")) (sizes(report)) }
        }
        @if !report.traffic.paths.is_empty() {
            figure.wide { (caption("Flow map", "bytes from client to domain")) (flowmap::chart(&report.traffic)) }
        }
    }
}

fn caption(title: &str, about: &str) -> Markup {
    html! { figcaption { (title) " " small { (about) } } }
}

/// Class of the `index`th colour; those beyond are grey.
pub(super) fn color(index: usize) -> String {
    if index < COLORS { format!("c{index}") } else { "rest".to_owned() }
}

/// A number as a length: a tenth is finer than any screen.
pub(super) fn at(length: f64) -> String {
    format!("{length:.1}")
}

/// What a domain is called, of at most `most` characters.
pub(super) fn domain_name(domain: Option<&Text>, most: usize) -> String {
    short(&safe(domain.map_or(NO_NAME, Text::as_str)), most)
}

/// The beginning of a text where it is longer than `most` characters.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn over_time(timeline: &Timeline) -> Markup {
    const WIDTH: f64 = 1040.0;
    const HEIGHT: f64 = 200.0;
    const LEFT: f64 = 80.0;
    let rates = timeline.rates(STEPS);
    let most = rates.iter().copied().fold(0.0, f64::max).max(1e-9);
    let x = |i: usize| LEFT + (WIDTH - LEFT) * i as f64 / (rates.len() - 1).max(1) as f64;
    let y = |rate: f64| 10.0 + (HEIGHT - 10.0) * (1.0 - rate / most);
    let points: Vec<String> =
        rates.iter().enumerate().map(|(i, rate)| format!("{},{}", at(x(i)), at(y(*rate)))).collect();
    let line = points.join(" L");
    let area = format!("M{},{} L{line} L{},{} Z", at(LEFT), at(HEIGHT), at(WIDTH), at(HEIGHT));
    let (first, last) = timeline.span();
    let moment = |ns: u64| Time(ns).format();
    let clock = |ns: u64| String::from_utf8_lossy(moment(ns).get(11..19).unwrap_or_default()).into_owned();
    let label = peak(timeline).map_or_else(String::new, |peak| format!("peak {peak}"));
    html! {
        svg viewBox="0 0 1040 226" role="img" aria-label={ "Traffic over time, " (label) } {
            @for part in [0.0, 0.5, 1.0] {
                line.grid x1=(at(LEFT)) x2=(at(WIDTH)) y1=(at(y(most * part))) y2=(at(y(most * part))) {}
                text.soft x=(at(LEFT - 8.0)) y=(at(y(most * part) + 4.0)) text-anchor="end" {
                    (units::bit_rate(most * part))
                }
            }
            path.area d=(area) {}
            path.edge d={ "M" (line) } {}
            text.soft x=(at(LEFT)) y="220" { (clock(first)) }
            text.soft x=(at(f64::midpoint(LEFT, WIDTH))) y="220" text-anchor="middle" { (clock(first / 2 + last / 2)) }
            text.soft x=(at(WIDTH)) y="220" text-anchor="end" { (clock(last)) }
        }
    }
}

fn talkers(report: &Report) -> Markup {
    const MOST: usize = 8;
    const ROW: f64 = 28.0;
    const LEFT: f64 = 170.0;
    const ROOM: f64 = 230.0;
    let hosts = report.traffic.endpoints.sorted();
    let hosts: Vec<_> = hosts.into_iter().take(MOST).collect();
    let most = hosts.first().map_or(1, |(_, host)| host.weight()).max(1) as f64;
    let height = hosts.len() as f64 * ROW + 26.0;
    html! {
        svg viewBox={ "0 0 500 " (at(height)) } role="img" aria-label="Addresses with the most bytes" {
            rect.c0 x=(at(LEFT)) y="2" width="10" height="10" {}
            text.soft x=(at(LEFT + 15.0)) y="12" { "sent" }
            rect.c1 x=(at(LEFT + 60.0)) y="2" width="10" height="10" {}
            text.soft x=(at(LEFT + 75.0)) y="12" { "received" }
            @for (i, (ip, host)) in hosts.iter().enumerate() {
                @let y = i as f64 * ROW + 24.0;
                @let sent = host.sent as f64 / most * ROOM;
                @let received = host.received as f64 / most * ROOM;
                text x=(at(LEFT - 8.0)) y=(at(y + 14.0)) text-anchor="end" { (short(&ip.to_string(), 24)) }
                rect.c0 x=(at(LEFT)) y=(at(y)) width=(at(sent)) height="18" {}
                rect.c1 x=(at(LEFT + sent)) y=(at(y)) width=(at(received)) height="18" {}
                text.soft x=(at(LEFT + sent + received + 6.0)) y=(at(y + 14.0)) {
                    (units::bytes(host.weight() as f64))
                }
            }
        }
    }
}

fn sizes(report: &Report) -> Markup {
    const ROW: f64 = 28.0;
    const LEFT: f64 = 100.0;
    const ROOM: f64 = 320.0;
    let counts = report.capture.sizes;
    let shares = units::shares(&counts);
    let most = f64::from(shares.iter().copied().max().unwrap_or(1).max(1));
    html! {
        svg viewBox="0 0 500 250" role="img" aria-label="Packets by length" {
            @for (i, (label, share)) in size_labels().iter().zip(&shares).enumerate() {
                @let y = i as f64 * ROW + 24.0;
                @let width = f64::from(*share) / most * ROOM;
                text x=(at(LEFT - 8.0)) y=(at(y + 14.0)) text-anchor="end" { (label) }
                rect.c5 x=(at(LEFT)) y=(at(y)) width=(at(width)) height="18" {}
                text.soft x=(at(LEFT + width + 6.0)) y=(at(y + 14.0)) { (units::tenths(*share)) }
            }
        }
    }
}
