//! A real Prometheus reads the page.

use std::{collections::BTreeMap, io::Write as _, process::Stdio};

use serde_json::Value;

use crate::{
    agent::{Agent, HERE, HERE6, Running, THERE, THERE6, cable, file, get},
    capture::{self, Capture, Table},
    exposition::Page,
    netns::{Namespace, wait_for},
    traffic,
};

/// One series of an answer.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Series {
    /// Whether it has all of these labels.
    pub(crate) fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(label, value)| self.labels.get(*label).is_some_and(|is| is == value))
    }
}

/// What the Prometheus at an address answers to an instant query. `None`: it does not.
pub(crate) fn ask(address: &str, expression: &str) -> Option<Vec<Series>> {
    let answer = api(address, &format!("query?query={}", escaped(expression)))?;
    let series = answer["result"].as_array().unwrap_or_else(|| panic!("{expression}: {answer}"));
    let read = |series: &Value| {
        let labels = serde_json::from_value(series["metric"].clone()).ok()?;
        Some(Series { labels, value: series["value"][1].as_str()?.parse().ok()? })
    };
    series.iter().map(read).collect()
}

/// The data of an answer of Prometheus' API.
pub(crate) fn api(address: &str, path: &str) -> Option<Value> {
    let answer = get(address, &format!("/api/v1/{path}"), "")?;
    let chunked = answer.head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { whole(&answer.body)? } else { answer.body };
    let mut answer: Value = serde_json::from_str(&body).ok()?;
    assert_eq!(answer["status"], "success", "{path}: {answer}");
    Some(answer["data"].take())
}

/// For a URL.
pub(crate) fn escaped(text: &str) -> String {
    let one = |b: u8| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(one).collect()
}

/// A body that came in chunks.
pub(crate) fn whole(mut chunks: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..size)?);
        chunks = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

/// A Prometheus that scrapes the agent of its namespace.
pub(crate) struct Prometheus<'n> {
    ns: &'n Namespace,
    _process: Running,
    _directory: tempfile::TempDir,
}

impl<'n> Prometheus<'n> {
    const ADDRESS: &'static str = "127.0.0.1:9090";

    fn start(ns: &'n Namespace) -> Self {
        let config = "scrape_configs:\n  - job_name: weir\n    scrape_interval: 1s\n    \
            scrape_timeout: 1s\n    static_configs:\n      - targets: [\"127.0.0.1:10058\"]\n";
        Self::scraping(ns, config)
    }

    /// One with a configuration of its own.
    pub(crate) fn scraping(ns: &'n Namespace, config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let config = file(&directory, "prometheus.yml", config);
        let data = directory.path().join("data");
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address={}", Self::ADDRESS),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let process = Running::start(ns.command("prometheus", &arguments));
        Self { ns, _process: process, _directory: directory }
    }

    /// The one number of an instant query; `None` while there is none.
    fn query(&self, expression: &str) -> Option<f64> {
        let series = self.ns.enter(|| ask(Self::ADDRESS, expression))?;
        assert!(series.len() <= 1, "{expression} has more than one answer: {series:?}");
        Some(series.first()?.value)
    }

    pub(crate) fn wait_for(&self, expression: &str, value: f64) {
        let mut seen = None;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(expression, || {
                seen = self.query(expression);
                (seen == Some(value)).then_some(())
            });
        }));
        assert!(outcome.is_ok(), "{expression} is {seen:?}, not {value}");
    }
}

/// Bytes that one end sent, by protocol and IP version, as the capture has them.
fn bytes(table: &Table, protocol: u8, from: &str) -> f64 {
    let from: std::net::IpAddr = from.parse().expect("an address");
    let sent = table.iter().filter(|(key, _)| key.0 == protocol && key.1 == from);
    sent.map(|(_, sent)| sent.bytes).sum::<u64>() as f64
}

/// Ethernet, IPv4 and UDP around four bytes: the capture's mark, which its table leaves out.
const MARK: f64 = 14.0 + 20.0 + 8.0 + 4.0;

#[test]
fn prometheus_answers_a_query_with_the_bytes_that_were_sent() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--series.created=true"]);
    let prometheus = Prometheus::start(&here);
    prometheus.wait_for("up{job=\"weir\"}", 1.0);
    let capture = Capture::start(&here, "eth0");
    traffic::mixture(&here, &there, THERE, THERE6);
    traffic::mixture(&there, &here, HERE, HERE6);
    let table = capture.finish(|| capture::mark(&here, THERE));
    for (transport, protocol) in [("tcp", 6), ("udp", 17)] {
        for (version, ours, theirs) in [("4", HERE, THERE), ("6", HERE6, THERE6)] {
            for (direction, from) in [("transmit", ours), ("receive", theirs)] {
                let marked = (transport, version, direction) == ("udp", "4", "transmit");
                let sent = bytes(&table, protocol, from) + if marked { MARK } else { 0.0 };
                assert!(sent > 1000.0, "{transport} {version} {direction}: {sent}");
                prometheus.wait_for(
                    &format!(
                        "weir_network_io_bytes_total{{interface=\"eth0\",direction=\"{direction}\",\
                         transport=\"{transport}\",ip_version=\"{version}\"}}"
                    ),
                    sent,
                );
            }
        }
    }
    prometheus.wait_for("sum(weir_hook_packets_total) - sum(weir_accounted_packets_total)", 0.0);
    // Only OpenMetrics tells when a series began: that is what Prometheus asked for and got.
    let created = prometheus.query("count(weir_service_io_bytes_created)");
    assert!(created.is_some_and(|n| n >= 2.0), "{created:?}");
    prometheus.wait_for("up{job=\"weir\"}", 1.0);
    drop(agent);
}

#[test]
fn both_formats_are_well_formed_and_say_the_same() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--peers=true", "--series.created=true"]);
    traffic::mixture(&here, &there, THERE, THERE6);
    agent.wait_for_drains();
    let text = agent.get("/metrics", "Accept: text/plain\r\n");
    assert!(text.head.contains("text/plain; version=0.0.4"), "{}", text.head);
    // As Prometheus 2.5 to 2.49 ask.
    let accept = "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
        version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
    let open = agent.get("/metrics", accept);
    assert!(open.head.contains("application/openmetrics-text; version=1.0.0"), "{}", open.head);
    let (text, open) = (Page::text(&text.body), Page::open_metrics(&open.body));
    for (name, labels) in [
        ("weir_network_io_bytes_total", &[("transport", "tcp"), ("direction", "receive")][..]),
        ("weir_network_io_packets_total", &[("transport", "icmpv6")]),
        ("weir_service_io_bytes_total", &[]),
        ("weir_peer_io_bytes_total", &[("peer", THERE)]),
        ("weir_tcp_rtt_seconds_count", &[]),
    ] {
        assert!(text.sum(name, labels) > 0.0, "{name} {labels:?}");
        assert_eq!(text.sum(name, labels), open.sum(name, labels), "{name} {labels:?}");
    }
    assert!(open.count("weir_service_io_bytes_created", &[]) > 0);
    assert_eq!(text.count("weir_service_io_bytes_created", &[]), 0);
}

#[test]
fn promtool_has_nothing_to_say_against_the_page() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--peers=true"]);
    traffic::mixture(&here, &there, THERE, THERE6);
    let page = agent.wait_for_drains();
    assert!(page.sum("weir_tcp_handshake_seconds_count", &[]) > 0.0);
    let page = agent.get("/metrics", "").body;
    let mut promtool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    promtool.stdin.take().expect("piped").write_all(page.as_bytes()).expect("the page is read");
    let output = promtool.wait_with_output().expect("promtool");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
