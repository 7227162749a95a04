//! Weir itself: is it exact, is it full, what does it cost.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{increase, quantile, rate, top_rate, total};

pub(crate) fn board() -> Board {
    Board {
        name: "weir",
        title: "Weir itself",
        description: "Whether every packet is counted, what is lost or full, and what Weir costs.",
        filters: &[Filter::Interface, Filter::Top],
        rows: vec![exact(), full(), cost(), memory(), outputs()],
    }
}

fn exact() -> Row {
    Row {
        title: "Is it exact?",
        panels: vec![
            Panel::number(
                Unit::Count,
                "Conservation broken",
                "Drains in the time shown that found packets which no outcome accounts for. Anything but 0 is a defect.",
            )
            .query("violations", "sum(increase(weir_conservation_violations_total{$host}[$__range]))")
            .limits(0.5, 1.0)
            .width(6),
            Panel::number(
                Unit::Count,
                "Overflow",
                "Packets in the time shown that found no room in the flow table. Raise `max-flows`.",
            )
            .query("overflow", "sum(increase(weir_overflow_packets_total{$link}[$__range]))")
            .limits(1.0, 1000.0)
            .width(6),
            Panel::number(
                Unit::Count,
                "Samples lost",
                "Payload samples in the time shown that were lost: names and protocols may be missing, bytes are not.",
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
                "What became of the packets?",
                "Every packet that the hook saw, by outcome; the line of the hook is their sum.",
            )
            .query("{{outcome}}", rate("outcome", "weir_accounted_packets_total", "$link"))
            .query("seen by the hook", total("weir_hook_packets_total", "$link")),
            Panel::lines(
                Unit::Count,
                "Does the device agree?",
                "Packets that the hook saw less those that the device counted, where that differs most.",
            )
            .query(
                "{{instance}} {{interface}} {{direction}}",
                "topk($top, abs(weir_interface_difference_packets{$link}))",
            )
            .limits(100.0, 10_000.0),
            Panel::lines(
                Unit::PerSecond,
                "Why are samples lost?",
                "`ring_full`: user space was too slow; `over_budget`: more than `samples.per-second`.",
            )
            .query("{{reason}}", rate("reason", "weir_lost_samples_total", "$host"))
            .limits(1.0, 100.0),
            Panel::lines(Unit::PacketsPerSecond, "Where does the table overflow?", "Packets without room in the flow table, by host and interface.")
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
        title: "Is it full?",
        panels: vec![
            Panel::lines(
                Unit::Share,
                "How full are the kernel's maps?",
                "Entries in use, of those that there is room for; the fullest host of each map.",
            )
            .query("{{map}}", "max by (map) (weir_bpf_map_entries{$host} / weir_bpf_map_max_entries{$host})")
            .limits(0.8, 0.95),
            Panel::lines(
                Unit::Count,
                "How many series do keys of traffic hold?",
                "The host with most, by family; the budget is `series.max`.",
            )
            .query("{{family}}", "max by (family) (sum by (instance, family) (weir_series{$host}))"),
            Panel::lines(
                Unit::PerSecond,
                "Which families are over their budget?",
                "Additions that counted under `other` for want of a series.",
            )
            .query("{{family}}", rate("family", "weir_series_overflow_total", "$host"))
            .limits(1.0, 100.0),
            Panel::lines(
                Unit::PerSecond,
                "What is forgotten for want of room?",
                "Hellos given up, names and watched sources evicted, streams cut short.",
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
        title: "What does it cost?",
        panels: vec![
            Panel::lines(
                Unit::Seconds,
                "What does a packet cost?",
                "Mean time of a kernel program's run. Only where `sysctl kernel.bpf_stats_enabled=1`.",
            )
            .query(
                "{{program}}",
                format!("{} / ({} > 0)", rate("program", seconds, "$host"), rate("program", runs, "$host")),
            )
            .limits(1e-6, 5e-6),
            Panel::lines(
                Unit::Share,
                "How much CPU does it take?",
                "Of one CPU: the process in user space, the programs in the kernel; the host with most.",
            )
            .query(
                "user space",
                "max(rate(process_cpu_seconds_total{$host}[$rate]) and on (job, instance) weir_build_info{$host})",
            )
            .query("kernel", format!("max(sum by (instance) (rate({seconds}{{$host}}[$rate])))"))
            .limits(0.1, 0.5),
            Panel::lines(Unit::Seconds, "How long does a drain take?", "Time to read the flow table once.")
                .query("half", quantile("0.5", "", "weir_drain_seconds", "$host"))
                .query("99 %", quantile("0.99", "", "weir_drain_seconds", "$host"))
                .limits(0.25, 1.0),
            Panel::lines(Unit::Seconds, "How long does a scrape take?", "Time to write the page of metrics, before compression.")
                .query("half", quantile("0.5", "", "weir_scrape_seconds", "$host"))
                .query("99 %", quantile("0.99", "", "weir_scrape_seconds", "$host"))
                .limits(0.1, 0.25),
        ],
    }
}

fn memory() -> Row {
    Row {
        title: "What does it hold?",
        panels: vec![
            Panel::lines(Unit::Bytes, "How much memory?", "Resident memory of the process, the host with most and half.")
                .query(
                    "most",
                    "max(process_resident_memory_bytes{$host} and on (job, instance) weir_build_info{$host})",
                )
                .query(
                    "half",
                    "quantile(0.5, process_resident_memory_bytes{$host} and on (job, instance) weir_build_info{$host})",
                )
                .limits(500e6, 2e9),
            Panel::lines(
                Unit::Bytes,
                "How many bytes wait to be understood?",
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
        title: "What does it say?",
        panels: vec![
            Panel::lines(
                Unit::PerSecond,
                "Are records written?",
                "Records in files by format, those that were lost and writes that failed; only where `--json`, `--csv` \
                 or `--parquet` were asked for.",
            )
            .query("{{output}} written", rate("output", "weir_output_records_total", "$host"))
            .query("{{output}} lost", rate("output", "weir_output_records_lost_total", "$host"))
            .query("{{output}} failed", rate("output", "weir_output_errors_total", "$host")),
            Panel::bars(Unit::Count, "What happened?", "Events in Weir's own log in the time shown.")
                .query("{{event}}", format!("{} > 0", increase("event", "weir_events_total", "$host"))),
            Panel::lines(
                Unit::PerSecond,
                "What could not be read?",
                "Messages that are malformed or were given up, by protocol.",
            )
            .query("{{protocol}}", rate("protocol", "weir_parse_failures_total", "$host"))
            .query("holes in streams", total("weir_stream_gaps_total", "$host"))
            .limits(10.0, 1000.0),
            Panel::lines(
                Unit::Count,
                "Where is it attached?",
                "Hooks with a program, by kind; a step down is an interface that went, or somebody who took the hook.",
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
