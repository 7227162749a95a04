//! What was read: how many packets, when, how long.

use monitor_core::{
    record::Time,
    report::{SIZE_BOUNDS, Timeline},
};

use super::{Block, Cell, Context, Said, shared};
use crate::view::{report::document::Tone, units};

/// `2026-11-21 02:49:27` of a time.
pub(in super::super) fn moment(time: Time) -> String {
    String::from_utf8_lossy(&time.format()).replace('T', " ").chars().take(19).collect()
}

/// When: both ends, the date of the second only where it is another.
pub(in super::super) fn span((first, last): (Time, Time)) -> String {
    let (first, last) = (moment(first), moment(last));
    let same_day = first.get(..10) == last.get(..10);
    format!("{first} – {} UTC", if same_day { last.get(11..).unwrap_or_default() } else { &last })
}

/// The peak: the busiest second, or hundredth of one where the capture is shorter than ten seconds.
pub(in super::super) fn peak(timeline: &Timeline) -> Option<String> {
    let (first, last) = timeline.span();
    let width = if last.saturating_sub(first) >= 10_000_000_000 { 1_000_000_000 } else { 10_000_000 };
    let (width, bytes) = timeline.busiest(width);
    let width = width as f64 / 1e9;
    (bytes > 0).then(|| format!("{} over {}", units::bit_rate(bytes as f64 / width), units::seconds(width)))
}

pub(super) fn throughput(context: &Context<'_>) -> Said {
    let capture = &context.report.capture;
    let about = "Bits per second on the wire, both directions.";
    if capture.packets == 0 {
        return (about, Vec::new());
    }
    let seconds = capture.seconds();
    let mut facts = Vec::new();
    if seconds > 0.0 {
        facts.push((
            "Mean",
            Cell::text(format!(
                "{}, {} packets/s",
                units::bit_rate(capture.bytes as f64 / seconds),
                units::count((capture.packets as f64 / seconds).round() as u64)
            )),
        ));
    }
    if let Some(peak) = peak(&capture.timeline) {
        facts.push(("Peak", Cell::text(peak)));
    }
    (about, vec![Block::Timeline, Block::Facts(facts)])
}

pub(super) fn sizes(context: &Context<'_>) -> Said {
    let sizes = &context.report.capture.sizes;
    let about = if sizes.last().is_some_and(|large| *large > 0) {
        "Packets by length; those of 9,019 bytes and more are super-packets (GSO, GRO) that the card splits or has merged."
    } else {
        "Packets by length on the wire; many small ones are ACKs, voice or a scan."
    };
    let rows = size_labels().into_iter().zip(context.report.capture.sizes);
    let rows: Vec<_> = rows.filter(|(_, n)| *n > 0).map(|(label, n)| (Cell::text(label), n)).collect();
    (about, shared("", "BYTES", rows, Cell::count).into_iter().collect())
}

/// What each bucket of lengths is called.
pub(in super::super) fn size_labels() -> Vec<String> {
    let mut from = 0;
    let mut labels: Vec<String> = SIZE_BOUNDS
        .iter()
        .map(|&to| {
            let label = if from == 0 { format!("≤ {to}") } else { format!("{from} – {to}") };
            from = to + 1;
            label
        })
        .collect();
    labels.push(format!("≥ {from}"));
    labels
}

pub(super) fn capture(context: &Context<'_>) -> Said {
    let capture = &context.report.capture;
    let about = "What was read, and packets that are in no flow.";
    let links: Vec<String> = capture
        .links
        .iter()
        .map(|(link, packets)| match link_name(*link) {
            Some(name) if capture.links.len() == 1 => name.to_owned(),
            Some(name) => format!("{name} ({})", units::count(*packets)),
            None => format!("number {link} ({})", units::count(*packets)),
        })
        .collect();
    let mut facts = vec![("Read", Cell::text(context.source))];
    if let Some(when) = capture.span() {
        facts.push(("Time", Cell::text(format!("{}, {}", span(when), units::seconds(capture.seconds())))));
    }
    facts.push(("Packets", Cell::count(capture.packets)));
    facts.push(("Bytes", Cell::bytes(capture.bytes)));
    facts.push(("Flows", Cell::count(context.report.traffic.flows)));
    if !links.is_empty() {
        facts.push(("Link layer", Cell::text(links.join(", "))));
    }
    for (label, packets, tone) in [
        ("Non-IP", capture.not_ip, Tone::Plain),
        ("Duplicate packets", capture.duplicates, Tone::Warn),
        ("Undecodable", capture.undecodable, Tone::Warn),
        ("Flow table overflow", capture.overflow, Tone::Bad),
        ("Truncated (snaplen)", capture.cut, Tone::Plain),
    ] {
        if packets > 0 {
            let share = units::percent(packets, capture.packets);
            facts.push((label, Cell::text(format!("{} packets, {share}", units::count(packets))).tone(tone)));
        }
    }
    for (link, packets) in &capture.skipped {
        let text = format!("{} packets of unknown link type {link}", units::count(*packets));
        facts.push(("Skipped", Cell::text(text).tone(Tone::Warn)));
    }
    (about, vec![Block::Facts(facts)])
}

/// Names of `LINKTYPE_` numbers that captures usually have.
const fn link_name(number: u32) -> Option<&'static str> {
    Some(match number {
        0 | 108 => "loopback (BSD)",
        1 => "Ethernet",
        9 | 50 => "PPP",
        104 => "Cisco HDLC",
        105 => "802.11",
        127 => "802.11 with radiotap",
        107 => "Frame Relay",
        12 | 14 | 101 | 228 | 229 => "IP without a link layer",
        113 => "Linux cooked (SLL)",
        276 => "Linux cooked (SLL2)",
        239 => "NFLOG",
        258 => "PKTAP",
        _ => return None,
    })
}
