//! What Weir measures of itself, written by the same writer as the rest.

use prometheus::proto::{LabelPair, MetricFamily, MetricType};

use super::page::{Family, Kind, Label, Page};
use crate::clock;
use crate::telemetry::Own;

/// Writes the instruments.
pub(super) fn write(page: &mut Page, own: &Own) {
    for family in &own.gather() {
        write_family(page, family);
    }
}

fn labels(pairs: &[LabelPair]) -> Vec<(&str, Label<'_>)> {
    pairs.iter().map(|l| (l.name(), Label::Text(l.value()))).collect()
}

fn write_family(page: &mut Page, family: &MetricFamily) {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::HISTOGRAM => Kind::Histogram,
        _ => Kind::Gauge,
    };
    let name = if kind == Kind::Counter {
        family.name().strip_suffix("_total").unwrap_or(family.name())
    } else {
        family.name()
    };
    page.family(&Family { name, kind, help: family.help() });
    for metric in family.get_metric() {
        let labels = labels(metric.get_label());
        match kind {
            // The library rounds it to whole seconds.
            Kind::Counter if name == "process_cpu_seconds" => {
                page.sample(&labels, clock::cpu_time().as_secs_f64());
            }
            Kind::Counter => page.sample(&labels, metric.get_counter().get_value()),
            Kind::Gauge | Kind::Summary => page.sample(&labels, metric.get_gauge().get_value()),
            Kind::Histogram => {
                let h = metric.get_histogram();
                let count = h.get_sample_count();
                let buckets = h
                    .get_bucket()
                    .iter()
                    .map(|b| (b.upper_bound(), b.cumulative_count()))
                    .filter(|(bound, _)| bound.is_finite())
                    .chain([(f64::INFINITY, count)]);
                page.histogram(&labels, buckets, h.get_sample_sum(), count);
            }
        }
    }
}
