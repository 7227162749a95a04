//! What panels must show of the demo's traffic, told by others: netfilter and the kernel's own counters, and the
//! clients that count what they did.

use super::{demo::Demo, panels::Question};
use crate::netns::{DEADLINE, poll};

/// A number of a panel.
pub(super) struct Expected {
    /// Board, panel and legend.
    name: [&'static str; 3],
    /// The host that is chosen on the board.
    instance: &'static str,
    /// Of the series of the answer; their sum is compared.
    labels: &'static [(&'static str, &'static str)],
    /// The same number of somebody else.
    truth: &'static str,
    /// How far apart they may be, of the truth.
    tolerance: f64,
}

/// Both sides are scraped once a second but not at the same moment: of the 15 or 20 seconds of a query, one may be
/// another, and pages come in bursts. What passed is the same to the byte; other tests of Weir show that.
const BYTES: f64 = 0.15;

/// One event a second gives 15 in the time of a query, and either side may have one more.
const EVENTS: f64 = 0.2;

/// Loss: the kernel counts what it sends again, Weir what it sees again; a probe of a closed window is in one alone.
const LOSS: f64 = 0.25;

/// Counts of hosts and sources are exact.
const EXACT: f64 = 0.0;

const fn expected(
    name: [&'static str; 3],
    instance: &'static str,
    labels: &'static [(&'static str, &'static str)],
    truth: &'static str,
    tolerance: f64,
) -> Expected {
    Expected { name, instance, labels, truth, tolerance }
}

pub(super) const EXPECTED: &[Expected] = &[
    expected(["weir-overview", "Hosts", "hosts"], ".*", &[], "vector(4)", EXACT),
    expected(
        ["weir-overview", "In", "in"],
        "desk",
        &[],
        "rate(truth_device_bytes_total{host='desk', device='eth0', direction='receive'}[15s])",
        BYTES,
    ),
    expected(
        ["weir-overview", "Out", "out"],
        "desk",
        &[],
        "rate(truth_device_bytes_total{host='desk', device='eth0', direction='transmit'}[15s])",
        BYTES,
    ),
    expected(
        ["weir-overview", "Throughput", "{{direction}}"],
        "laptop",
        &[("direction", "receive")],
        "rate(truth_device_bytes_total{host='laptop', device='eth0', direction='receive'}[15s])",
        BYTES,
    ),
    expected(
        ["weir-overview", "Packets per second", "{{direction}}"],
        "web",
        &[("direction", "transmit")],
        "rate(truth_device_packets_total{host='web', device='eth0', direction='transmit'}[15s])",
        BYTES,
    ),
    expected(
        ["weir-overview", "Top domains", "{{domain}}"],
        "desk",
        &[("domain", "video.example")],
        "sum(rate(truth_address_bytes_total{address='203.0.113.10'}[15s]))",
        BYTES,
    ),
    expected(
        ["weir-overview", "Failed connections", "failed"],
        "desk",
        &[],
        "sum(rate(demo_refused_total{instance='clients-desk'}[15s])) / (sum(rate(demo_refused_total{instance='clients-desk'}[15s])) \
         + sum(rate(demo_connections_total{instance='clients-desk'}[15s])))",
        EVENTS,
    ),
    expected(
        ["weir-overview", "Retransmission rate", "retransmitted"],
        "web",
        &[],
        "sum(rate(truth_tcp_total{host='web', what='RetransSegs'}[15s])) \
         / sum(rate(truth_tcp_total{host='web', what=~'RetransSegs|InSegs|OutSegs'}[15s]))",
        LOSS,
    ),
    expected(
        ["weir-overview", "DNS errors", "errors"],
        "desk",
        &[],
        "sum(rate(demo_dns_total{outcome='SERVFAIL'}[15s])) / sum(rate(demo_dns_total{outcome!~'unanswered|mdns|garbled'}[15s]))",
        EVENTS,
    ),
    expected(["weir-overview", "Scanners", "sources"], "laptop", &[], "vector(1)", EXACT),
    expected(
        ["weir-domains", "Share by domain", "{{domain}}"],
        "desk",
        &[("domain", "shop.example")],
        "sum(increase(truth_address_bytes_total{address='203.0.113.11'}[20s])) \
         / sum(increase(truth_device_bytes_total{host='desk', device='eth0'}[20s]))",
        BYTES,
    ),
    expected(
        ["weir-domains", "Domains", "Bytes"],
        "desk",
        &[("domain", "video.example")],
        "sum(increase(truth_address_bytes_total{address='203.0.113.10'}[20s]))",
        BYTES,
    ),
    expected(
        ["weir-domains", "Domains", "Out"],
        "desk",
        &[("domain", "video.example")],
        "sum(increase(truth_address_bytes_total{address='203.0.113.10', direction='transmit'}[20s]))",
        BYTES,
    ),
    expected(
        ["weir-domains", "Names by source", "{{source}}"],
        "desk",
        &[("source", "quic")],
        "sum(rate(truth_address_bytes_total{address='203.0.113.15'}[15s]))",
        BYTES,
    ),
    expected(
        ["weir-domains", "Names by source", "{{source}}"],
        "desk",
        &[("source", "dns")],
        "sum(rate(truth_address_bytes_total{address='203.0.113.14'}[15s]))",
        BYTES,
    ),
    // The server thinks for 300 ms, and takes some more on a machine that does much else.
    expected(
        ["weir-domains", "Server response time by domain", "{{domain}}"],
        "desk",
        &[("domain", "slow.example")],
        "vector(0.35)",
        0.25,
    ),
    expected(
        ["weir-flows", "Throughput by interface", "{{interface}}"],
        "router",
        &[("interface", "radio0")],
        "sum(rate(truth_device_bytes_total{host='laptop', device='eth0', direction='transmit'}[15s])) \
         + sum(rate(truth_tcp_total{host='web', what='RetransSegs'}[15s])) * 1514 \
         + sum(rate(truth_device_bytes_total{host='laptop', device='eth0', direction='receive'}[15s]))",
        LOSS,
    ),
    expected(
        ["weir-flows", "Top peers", "{{peer}}"],
        "desk",
        &[("peer", "203.0.113.10")],
        "sum(rate(truth_address_bytes_total{address='203.0.113.10'}[15s]))",
        BYTES,
    ),
    expected(
        ["weir-flows", "Services", "Bytes"],
        "desk",
        &[("server_port", "9000")],
        "sum(increase(truth_address_bytes_total{address='203.0.113.14'}[20s]))",
        BYTES,
    ),
    expected(
        ["weir-flows", "Requests by method", "{{method}}"],
        "desk",
        &[("method", "POST")],
        "sum(rate(demo_http_total{instance='clients-desk', method='POST'}[15s]))",
        EVENTS,
    ),
    expected(
        ["weir-flows", "Responses by status class", "{{status_class}}"],
        "desk",
        &[("status_class", "5xx")],
        "sum(rate(demo_http_total{instance='clients-desk', status='5xx'}[15s]))",
        EVENTS,
    ),
    expected(["weir-flows", "Scan sources", "{{kind}}"], "web", &[("kind", "ports")], "vector(1)", EXACT),
    expected(
        ["weir-tcp", "Retransmissions", "{{direction}}"],
        "web",
        &[("direction", "transmit")],
        "rate(truth_tcp_total{host='web', what='RetransSegs'}[15s])",
        LOSS,
    ),
    expected(
        ["weir-tcp", "Connection attempts by result", "{{result}}"],
        "desk",
        &[("result", "refused")],
        "sum(rate(demo_refused_total{instance='clients-desk'}[15s]))",
        EVENTS,
    ),
    expected(
        ["weir-tcp", "Connection attempts by result", "{{result}}"],
        "desk",
        &[("result", "established")],
        "sum(rate(demo_connections_total{instance='clients-desk'}[15s]))",
        EVENTS,
    ),
    expected(["weir-dns", "Queries", "queries"], "desk", &[], "sum(rate(demo_dns_total[15s]))", EVENTS),
    expected(
        ["weir-dns", "Responses by code", "{{rcode}}"],
        "desk",
        &[("rcode", "NXDOMAIN")],
        "sum(rate(demo_dns_total{outcome='NXDOMAIN'}[15s]))",
        EVENTS,
    ),
    expected(
        ["weir-dns", "Queries by protocol", "{{kind}}"],
        "desk",
        &[("kind", "mdns")],
        "sum(rate(demo_dns_total{outcome='mdns'}[15s]))",
        EVENTS,
    ),
    expected(
        ["weir-dns", "Unanswered queries", "unanswered"],
        "desk",
        &[],
        "sum(rate(demo_dns_total{outcome='unanswered'}[15s]))",
        EVENTS,
    ),
    expected(
        ["weir-tls", "TLS versions", "{{version}}"],
        "desk",
        &[("version", "TLSv1.0")],
        "sum(rate(demo_tls_total{version='TLSv1'}[15s]))",
        EVENTS,
    ),
    expected(
        ["weir-tls", "QUIC versions", "{{version}}"],
        "desk",
        &[("version", "v1")],
        "sum(rate(demo_quic_total{version='v1'}[15s]))",
        EVENTS,
    ),
    expected(
        ["weir-tls", "Handshakes by result", "{{result}}"],
        "desk",
        &[("result", "alert")],
        "sum(rate(demo_tls_alerts_total[15s]))",
        EVENTS,
    ),
    expected(
        ["weir-hosts", "Top receivers", "{{instance}}"],
        ".*",
        &[("instance", "laptop")],
        "rate(truth_device_bytes_total{host='laptop', device='eth0', direction='receive'}[15s])",
        BYTES,
    ),
    expected(
        ["weir-weir", "Packets by outcome", "seen by the hook"],
        "desk",
        &[],
        "sum(rate(truth_device_packets_total{host='desk', device='eth0'}[15s]))",
        BYTES,
    ),
    expected(["weir-weir", "Bad configuration", "hosts"], ".*", &[], "vector(1)", EXACT),
];

/// Queries that no traffic of a minute moves from 0, and why.
pub(super) const ALWAYS_ZERO: &[([&str; 3], &str)] = &[
    (["weir-weir", "Conservation violations", "violations"], "only a defect of Weir breaks it"),
    (["weir-weir", "Evictions", "hellos"], "that takes 65,536 unfinished hellos at once"),
    (["weir-weir", "Evictions", "names"], "that takes 65,536 names"),
    (["weir-weir", "Evictions", "streams"], "that takes 64 MiB that wait"),
];

/// Alerts that the traffic fires, and where. The others: `WeirNotDraining` and `WeirDown` come with the end of the
/// test; only a defect breaks conservation; room is made before a table is nearly full; round trips and egress are
/// compared with yesterday, which no test has. The last four are in `dashboards/rules/tests`.
pub(super) const ALERTS: [(&str, &str); 11] = [
    ("WeirOverflow", "router"),
    ("WeirFlowTablePressure", "router"),
    ("WeirSamplesLost", "router"),
    ("WeirSeriesOverflow", "router"),
    ("WeirRetransmissionsHigh", "web"),
    ("WeirRetransmissionsHigh", "laptop"),
    ("WeirConnectionFailures", "laptop"),
    ("WeirDnsErrors", "desk"),
    ("WeirDnsSlow", "desk"),
    ("WeirScanSuspected", "web"),
    ("WeirRecordsLost", "laptop"),
];

impl Expected {
    /// Waits until panel and truth are as close as they must be, and says how far apart they are if they never are.
    pub(super) fn wait_for(&self, demo: &Demo, questions: &[Question]) {
        let found = questions.iter().find(|question| question.name() == self.name);
        let question = found.unwrap_or_else(|| panic!("no query {:?}", self.name));
        let mut seen = (None, None);
        let outcome = poll(DEADLINE, || {
            let truth = demo.ask(self.truth);
            let answer = question.ask(demo, self.instance);
            let of: Vec<f64> =
                answer.iter().filter(|series| series.has(self.labels)).map(|series| series.value).collect();
            seen = ((!of.is_empty()).then(|| of.iter().sum()), truth.first().map(|series| series.value));
            let (shown, truth): (f64, f64) = (seen.0?, seen.1?);
            (truth > 0.0 && (shown - truth).abs() <= self.tolerance * truth).then_some(())
        });
        assert!(outcome.is_some(), "{:?} {:?}: shown and true: {seen:?}", self.name, self.labels);
    }
}
