//! What Weir measures of itself.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// The instruments.
#[derive(Debug)]
pub struct Own {
    registry: Registry,
    /// Time that a drain took.
    pub drain_seconds: Histogram,
    /// Time that a drain waited for who read the flows before it.
    pub drain_wait_seconds: Histogram,
    /// Drains before their time, because free slots ran out.
    pub early_drains: IntCounter,
    /// Time that a page took to write.
    pub page_seconds: Histogram,
    /// Records written, by output and kind.
    pub output_records: IntCounterVec,
    /// Writes that failed, by output and kind.
    pub output_errors: IntCounterVec,
    /// Records that an output lost, by output, kind and reason.
    pub output_lost: IntCounterVec,
    /// Records that wait for an output, by output and kind.
    pub output_queue: IntGaugeVec,
    /// Records that a peer has acknowledged, by output and kind.
    pub output_acknowledged: IntCounterVec,
    /// Records that were sent again, by output and kind.
    pub output_retried: IntCounterVec,
    /// Bytes that were sent, by output and kind.
    pub output_sent_bytes: IntCounterVec,
    /// Faults of peers, by output, kind and what went wrong.
    pub output_faults: IntCounterVec,
    /// Bytes that wait on disk, by output and kind.
    pub output_spool_bytes: IntGaugeVec,
    /// Records that wait on disk, by output and kind.
    pub output_spool_records: IntGaugeVec,
    /// Age of the oldest record that waits, by output and kind.
    pub output_lag: GaugeVec,
    /// What threads have given up, by thread and means.
    pub confined: IntGaugeVec,
    /// Memory of answers, by what they answer.
    pub web_answer_bytes: IntGaugeVec,
    /// Requests that wait, by what for.
    pub web_waiting: IntGaugeVec,
    /// Changes of interfaces that came too fast.
    pub interface_overruns: IntCounter,
}

impl Own {
    /// What was written, by output: `12 json, 300 packets`.
    pub fn written(&self) -> String {
        let mut all = Vec::new();
        for family in self.output_records.collect() {
            for metric in family.get_metric() {
                let output = metric.get_label().iter().find(|label| label.name() == "output");
                let output = output.map_or("", |label| label.value());
                all.push(format!("{} {output}", metric.get_counter().get_value()));
            }
        }
        if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
    }

    /// All at 0.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let drain_seconds = Histogram::with_opts(
            HistogramOpts::new("weir_drain_seconds", "Time to read the flow table once.")
                .buckets(vec![0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
        )?;
        let drain_wait_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "weir_drain_wait_seconds",
                "Time that a drain waited for readers of the flow table.",
            )
            .buckets(vec![0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0]),
        )?;
        let early_drains = IntCounter::new(
            "weir_early_drains_total",
            "Readings of the flow table before their time, because free slots ran out.",
        )?;
        let page_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "weir_scrape_seconds",
                "Time to write the page of metrics, before compression.",
            )
            .buckets(vec![0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0]),
        )?;
        let of_output = ["output", "kind"];
        let by_output = |name, help| IntCounterVec::new(Opts::new(name, help), &of_output);
        let output_records = by_output("weir_output_records_total", "Records written to an output.")?;
        let output_errors = by_output("weir_output_errors_total", "Writes to an output that failed.")?;
        let output_lost = IntCounterVec::new(
            Opts::new(
                "weir_output_records_lost_total",
                "Records that an output lost: its queue was full, a write failed, or a file was removed.",
            ),
            &["output", "kind", "reason"],
        )?;
        let output_queue = IntGaugeVec::new(
            Opts::new("weir_output_queue_records", "Records that wait in the queue of an output."),
            &of_output,
        )?;
        let output_acknowledged = by_output(
            "weir_output_acknowledged_records_total",
            "Records that the peer of an output acknowledged.",
        )?;
        let output_retried = by_output(
            "weir_output_retried_records_total",
            "Records that were to be sent again after a fault.",
        )?;
        let output_sent_bytes =
            by_output("weir_output_sent_bytes_total", "Bytes sent for records that a peer acknowledged.")?;
        let output_faults = IntCounterVec::new(
            Opts::new("weir_output_faults_total", "Faults between an output and its peer."),
            &["output", "kind", "fault"],
        )?;
        let output_spool_bytes = IntGaugeVec::new(
            Opts::new("weir_output_spool_bytes", "Bytes of an output's spool on disk."),
            &of_output,
        )?;
        let output_spool_records = IntGaugeVec::new(
            Opts::new("weir_output_spool_records", "Records that no peer has acknowledged yet."),
            &of_output,
        )?;
        let output_lag = GaugeVec::new(
            Opts::new(
                "weir_output_lag_seconds",
                "Time since records that wait for a peer began to be written.",
            ),
            &of_output,
        )?;
        let confined = IntGaugeVec::new(
            Opts::new(
                "weir_confined",
                "1: threads of this kind have given up what they do not need, by this means.",
            ),
            &["thread", "by"],
        )?;
        let web_answer_bytes = IntGaugeVec::new(
            Opts::new("weir_web_answer_bytes", "Memory of answers that are made or sent."),
            &["kind"],
        )?;
        let web_waiting = IntGaugeVec::new(
            Opts::new(
                "weir_web_waiting",
                "Requests that wait for memory, a thread or the check of a password.",
            ),
            &["queue"],
        )?;
        let interface_overruns = IntCounter::new(
            "weir_interface_event_overruns_total",
            "Times that changes of interfaces, addresses and routes were lost because they came too fast; all are read anew then.",
        )?;
        for collector in [
            Box::new(drain_seconds.clone()) as Box<dyn Collector>,
            Box::new(drain_wait_seconds.clone()),
            Box::new(early_drains.clone()),
            Box::new(page_seconds.clone()),
            Box::new(output_records.clone()),
            Box::new(output_errors.clone()),
            Box::new(output_lost.clone()),
            Box::new(output_queue.clone()),
            Box::new(output_acknowledged.clone()),
            Box::new(output_retried.clone()),
            Box::new(output_sent_bytes.clone()),
            Box::new(output_faults.clone()),
            Box::new(output_spool_bytes.clone()),
            Box::new(output_spool_records.clone()),
            Box::new(output_lag.clone()),
            Box::new(confined.clone()),
            Box::new(web_answer_bytes.clone()),
            Box::new(web_waiting.clone()),
            Box::new(interface_overruns.clone()),
            Box::new(ProcessCollector::for_self()),
        ] {
            registry.register(collector)?;
        }
        Ok(Self {
            registry,
            drain_seconds,
            drain_wait_seconds,
            early_drains,
            page_seconds,
            output_records,
            output_errors,
            output_lost,
            output_queue,
            output_acknowledged,
            output_retried,
            output_sent_bytes,
            output_faults,
            output_spool_bytes,
            output_spool_records,
            output_lag,
            confined,
            web_answer_bytes,
            web_waiting,
            interface_overruns,
        })
    }

    /// Records that are in no file, of all outputs.
    pub fn lost_records(&self) -> u64 {
        let families = self.output_lost.collect();
        families.iter().flat_map(MetricFamily::get_metric).map(|m| m.get_counter().get_value() as u64).sum()
    }

    /// What they say now.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}
