//! What protocols did, what could not be read, and who reaches how many.

use monitor_core::label::{DetectionKind, FanoutKind, FindingKind, Scope};
use monitor_core::protocol::{Counts, Seconds};

use super::families::{
    DETECTION_DROPPED, DETECTION_ENTRIES, DETECTION_EVICTED, DETECTIONS, DETECTIONS_ACTIVE, DNS_LATENCY,
    DNS_QUERIES, DNS_RESPONSES, DNS_UNANSWERED, DNS_UNASKED, FANOUT_DETECTED, FANOUT_EVICTED, FANOUT_SOURCES,
    FANOUT_WATCHED, FINDINGS, HTTP_REQUESTS, HTTP_RESPONSE, HTTP_RESPONSES, NAME_CACHE, NAME_CACHE_EVICTED,
    PARSE_FAILURES, PAYLOAD_BYTES, PAYLOAD_EVICTED, PAYLOAD_FLOWS, QUIC_CONNECTIONS, STREAM_BUDGET,
    STREAM_GAPS, STREAM_WAITING, TLS_HANDSHAKE, TLS_HANDSHAKES, TLS_HELLO_RETRIES,
};
use super::numbers::Numbers;
use super::page::{Family, Label, Page};

/// Writes all of them.
pub(super) fn write(page: &mut Page, numbers: &Numbers) {
    let totals = &numbers.protocols;
    let labels = ["carrier", "version", "alpn", "sni", "ech", "result"];
    counts(page, &TLS_HANDSHAKES, labels, &totals.tls_handshakes);
    counts(page, &TLS_HELLO_RETRIES, ["carrier"], &totals.tls_hello_retries);
    seconds(page, &TLS_HANDSHAKE, &totals.tls_handshake_seconds);
    counts(page, &QUIC_CONNECTIONS, ["version"], &totals.quic_connections);
    counts(page, &DNS_QUERIES, ["kind", "qtype"], &totals.dns_queries);
    counts(page, &DNS_RESPONSES, ["kind", "qtype", "rcode"], &totals.dns_responses);
    seconds(page, &DNS_LATENCY, &totals.dns_latency_seconds);
    counts(page, &HTTP_REQUESTS, ["method"], &totals.http_requests);
    counts(page, &HTTP_RESPONSES, ["status_class"], &totals.http_responses);
    seconds(page, &HTTP_RESPONSE, &totals.http_response_seconds);
    page.family(&FINDINGS);
    for kind in FindingKind::ALL {
        page.sample(&[("kind", kind.as_str().into())], totals.findings[kind.index()]);
    }
    limits(page, numbers);
    fanout(page, numbers);
    detections(page, numbers);
}

/// What could not be read, and what bounds turned away.
fn limits(page: &mut Page, numbers: &Numbers) {
    counts(page, &PARSE_FAILURES, ["protocol", "reason"], &numbers.protocols.failures);
    let totals = &numbers.payloads;
    let one = |page: &mut Page, family: &Family<'_>, number: u64| {
        page.family(family);
        page.sample(&[], number);
    };
    one(page, &DNS_UNANSWERED, totals.dns_unanswered);
    one(page, &DNS_UNASKED, totals.dns_unsolicited);
    one(page, &STREAM_GAPS, totals.gaps);
    one(page, &STREAM_WAITING, totals.waiting);
    one(page, &STREAM_BUDGET, totals.budget_hits);
    one(page, &NAME_CACHE, totals.names);
    one(page, &NAME_CACHE_EVICTED, totals.names_evicted);
    one(page, &PAYLOAD_FLOWS, totals.flows);
    one(page, &PAYLOAD_BYTES, totals.bytes);
    page.family(&PAYLOAD_EVICTED);
    for (reason, count) in [("flows", totals.evicted_flows), ("bytes", totals.evicted_bytes)] {
        page.sample(&[("reason", reason.into())], count);
    }
}

fn detections(page: &mut Page, numbers: &Numbers) {
    let totals = numbers.detection;
    for (family, numbers) in [(&DETECTIONS, totals.detected), (&DETECTIONS_ACTIVE, totals.active)] {
        page.family(family);
        for kind in DetectionKind::ALL {
            page.sample(&[("kind", kind.as_str().into())], numbers[kind.index()]);
        }
    }
    for (family, number) in [
        (&DETECTION_ENTRIES, totals.tracked),
        (&DETECTION_EVICTED, totals.evicted),
        (&DETECTION_DROPPED, totals.dropped),
    ] {
        page.family(family);
        page.sample(&[], number);
    }
}

fn fanout(page: &mut Page, numbers: &Numbers) {
    let totals = numbers.fanout;
    page.family(&FANOUT_SOURCES);
    for kind in FanoutKind::ALL {
        let (all, inside) = (totals.sources[kind.index()], totals.inside[kind.index()]);
        for (scope, count) in [(Scope::Local, inside), (Scope::Remote, all - inside)] {
            page.sample(&[("kind", kind.as_str().into()), ("scope", scope.as_str().into())], count);
        }
    }
    page.family(&FANOUT_DETECTED);
    for kind in FanoutKind::ALL {
        page.sample(&[("kind", kind.as_str().into())], totals.detected[kind.index()]);
    }
    page.family(&FANOUT_WATCHED);
    page.sample(&[], totals.watched);
    page.family(&FANOUT_EVICTED);
    page.sample(&[], totals.evicted);
}

fn counts<const N: usize>(page: &mut Page, family: &Family<'_>, names: [&str; N], counts: &Counts<N>) {
    page.family(family);
    for (words, count) in counts.iter() {
        let labels: [(&str, Label<'_>); N] = std::array::from_fn(|i| (names[i], words[i].into()));
        page.sample(&labels, count);
    }
}

fn seconds(page: &mut Page, family: &Family<'_>, histogram: &Seconds) {
    page.family(family);
    page.histogram(&[], histogram.buckets(), histogram.sum(), histogram.count());
}
