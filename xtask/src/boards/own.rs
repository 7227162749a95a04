//! Weir itself: is it exact, is it full, what does it cost.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{increase, quantile, rate, top_rate, total};

pub(crate) fn board() -> Board {
    Board {
        name: "weir",
        title: "Weir itself",
        description: "Accuracy, capacity and overhead of Weir.",
        filters: &[Filter::Interface, Filter::Top],
        rows: vec![exact(), full(), cost(), memory(), outputs()],
    }
}

fn exact() -> Row {
    Row {
        title: "Accuracy",
        panels: vec![
            Panel::number(
                Unit::Count,
                "Conservation violations",
                "Drains in the time range that found packets which no outcome accounts for. Anything but 0 is a defect.",
            )
            .query("violations", "sum(increase(weir_conservation_violations_total{$host}[$__range]))")
            .limits(0.5, 1.0)
            .width(6),
            Panel::number(
                Unit::Count,
                "Overflow",
                "Packets in the time range that overflowed the flow table. Raise `max-flows`.",
            )
            .query("overflow", "sum(increase(weir_overflow_packets_total{$link}[$__range]))")
            .limits(1.0, 1000.0)
            .width(6),
            Panel::number(
                Unit::Count,
                "Samples lost",
                "Payload samples in the time range that were lost: names and protocols may be missing, bytes are not.",
            )
            .query("lost", "sum(increase(weir_lost_samples_total{$host}[$__range]))")
            .limits(1.0, 1000.0)
            .width(6),
            Panel::number(Unit::Seconds, "Last drain", "Time since the flow table was last read, of the worst host.")
                .query("ago", "max(time() - weir_last_drain_timestamp_seconds{$host})")
                .limits(60.0, 300.0)
                .width(6),
            Panel::lines(
                Unit::PacketsPerSecond,
                "Packets by outcome",
                "Every packet that the hook saw, by outcome; the line of the hook is their sum.",
            )
            .query("{{outcome}}", rate("outcome", "weir_accounted_packets_total", "$link"))
            .query("seen by the hook", total("weir_hook_packets_total", "$link")),
            Panel::lines(
                Unit::Count,
                "Difference to device counters",
                "Packets that the hook saw less those that the device counted, where that differs most.",
            )
            .query(
                "{{instance}} {{interface}} {{direction}}",
                "topk($top, abs(weir_interface_difference_packets{$link}))",
            )
            .limits(100.0, 10_000.0),
            Panel::lines(
                Unit::PerSecond,
                "Lost samples",
                "`ring_full`: user space was too slow; `over_budget`: more than `samples.per-second`.",
            )
            .query("{{reason}}", rate("reason", "weir_lost_samples_total", "$host"))
            .limits(1.0, 100.0),
            Panel::lines(Unit::PacketsPerSecond, "Flow table overflow", "Packets that overflowed the flow table, by host and interface.")
                .query(
                    "{{instance}} {{interface}}",
                    top_rate("instance, interface", "weir_overflow_packets_total", "$link"),
                )
                .limits(1.0, 1000.0),
        ],
    }
}

fn full() -> Row {
    Row {
        title: "Capacity",
        panels: vec![
            Panel::lines(
                Unit::Share,
                "BPF map usage",
                "Entries in use, of those that there is room for; the fullest host of each map.",
            )
            .query("{{map}}", "max by (map) (weir_bpf_map_entries{$host} / weir_bpf_map_max_entries{$host})")
            .limits(0.8, 0.95),
            Panel::lines(
                Unit::Count,
                "Series by family",
                "The host with most, by family; the budget is `series.max`.",
            )
            .query("{{family}}", "max by (family) (sum by (instance, family) (weir_series{$host}))"),
            Panel::lines(
                Unit::PerSecond,
                "Series overflow",
                "Additions that counted under `other` for want of a series.",
            )
            .query("{{family}}", rate("family", "weir_series_overflow_total", "$host"))
            .limits(1.0, 100.0),
            Panel::lines(
                Unit::PerSecond,
                "Evictions",
                "Evicted handshakes, names, watched sources and streams.",
            )
            .query("hellos", total("weir_payload_evicted_flows_total", "$host"))
            .query("names", total("weir_name_cache_evicted_total", "$host"))
            .query("watched sources", total("weir_fanout_evicted_sources_total", "$host"))
            .query("streams", total("weir_stream_budget_hits_total", "$host"))
            .limits(1.0, 100.0),
        ],
    }
}

fn cost() -> Row {
    let runs = "weir_bpf_program_runs_total";
    let seconds = "weir_bpf_program_run_seconds_total";
    Row {
        title: "Overhead",
        panels: vec![
            Panel::lines(
                Unit::Seconds,
                "BPF program run time",
                "Mean time of a kernel program's run. Only where `sysctl kernel.bpf_stats_enabled=1`.",
            )
            .query(
                "{{program}}",
                format!("{} / ({} > 0)", rate("program", seconds, "$host"), rate("program", runs, "$host")),
            )
            .limits(1e-6, 5e-6),
            Panel::lines(
                Unit::Share,
                "CPU",
                "Of one CPU: the process in user space, the programs in the kernel; the host with most.",
            )
            .query(
                "user space",
                "max(rate(process_cpu_seconds_total{$host}[$rate]) and on (job, instance) weir_build_info{$host})",
            )
            .query("kernel", format!("max(sum by (instance) (rate({seconds}{{$host}}[$rate])))"))
            .limits(0.1, 0.5),
            Panel::lines(Unit::Seconds, "Drain time", "Time to read the flow table once.")
                .query("median", quantile("0.5", "", "weir_drain_seconds", "$host"))
                .query("p99", quantile("0.99", "", "weir_drain_seconds", "$host"))
                .limits(0.25, 1.0),
            Panel::lines(Unit::Seconds, "Scrape time", "Time to write the metrics, before compression.")
                .query("median", quantile("0.5", "", "weir_scrape_seconds", "$host"))
                .query("p99", quantile("0.99", "", "weir_scrape_seconds", "$host"))
                .limits(0.1, 0.25),
        ],
    }
}

fn memory() -> Row {
    Row {
        title: "Memory",
        panels: vec![
            Panel::lines(Unit::Bytes, "Resident memory", "Resident memory of the process, the host with most and half.")
                .query(
                    "max",
                    "max(process_resident_memory_bytes{$host} and on (job, instance) weir_build_info{$host})",
                )
                .query(
                    "median",
                    "quantile(0.5, process_resident_memory_bytes{$host} and on (job, instance) weir_build_info{$host})",
                )
                .limits(500e6, 2e9),
            Panel::lines(
                Unit::Bytes,
                "Buffered payload",
                "Of streams with DNS and HTTP, and of hellos in pieces: at most 64 MiB each.",
            )
            .query("streams", "max(weir_stream_waiting_bytes{$host})")
            .query("hellos", "max(weir_payload_waiting_bytes{$host})")
            .limits(32e6, 60e6),
        ],
    }
}

fn outputs() -> Row {
    Row {
        title: "Events and outputs",
        panels: vec![
            Panel::lines(
                Unit::PerSecond,
                "Records written",
                "Records in files by format, lost records and failed writes; only where `--json`, `--csv` \
                 or `--parquet` were asked for.",
            )
            .query("{{output}} written", rate("output", "weir_output_records_total", "$host"))
            .query("{{output}} lost", rate("output", "weir_output_records_lost_total", "$host"))
            .query("{{output}} failed", rate("output", "weir_output_errors_total", "$host")),
            Panel::bars(Unit::Count, "Events", "Events in Weir's own log in the time range.")
                .query("{{event}}", format!("{} > 0", increase("event", "weir_events_total", "$host"))),
            Panel::lines(
                Unit::PerSecond,
                "Parse failures",
                "Messages that were malformed or incomplete, by protocol.",
            )
            .query("{{protocol}}", rate("protocol", "weir_parse_failures_total", "$host"))
            .query("holes in streams", total("weir_stream_gaps_total", "$host"))
            .limits(10.0, 1000.0),
            Panel::lines(
                Unit::Count,
                "Attached hooks",
                "Hooks with a program, by kind; a step down is an interface that disappeared or a hook that was replaced.",
            )
            .query("{{hook}}", "sum by (hook) (weir_interface_attached{$link})"),
            Panel::number(
                Unit::Count,
                "Bad configuration",
                "Hosts whose configuration could not be read when it was last asked for.",
            )
            .query("hosts", "count(weir_config_last_reload_successful{$host} == 0) or vector(0)")
            .limits(0.5, 1.0)
            .width(6),
        ],
    }
}
