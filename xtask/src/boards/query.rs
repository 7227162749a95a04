//! Forms of `PromQL` that several boards use.

/// Of one direction alone.
pub(crate) fn directed(matchers: &str, direction: &str) -> String {
    format!("{matchers}, direction=\"{direction}\"")
}

/// The rate of a counter by labels, of those alone that had most in the time that is shown: the same
/// lines from its beginning to its end, however many there are.
pub(crate) fn top_rate(by: &str, metric: &str, matchers: &str) -> String {
    format!(
        "sum by ({by}) (rate({metric}{{{matchers}}}[$rate])) and topk($top, {})",
        increase_at_end(by, metric, matchers)
    )
}

/// What a counter gained in the time that is shown, of those that gained most.
pub(crate) fn top_increase(by: &str, metric: &str, matchers: &str) -> String {
    format!("topk($top, {})", increase(by, metric, matchers))
}

/// What a counter gained in the time that is shown.
pub(crate) fn increase(by: &str, metric: &str, matchers: &str) -> String {
    format!("sum by ({by}) (increase({metric}{{{matchers}}}[$__range]))")
}

fn increase_at_end(by: &str, metric: &str, matchers: &str) -> String {
    format!("sum by ({by}) (increase({metric}{{{matchers}}}[$__range] @ end()))")
}

/// The rate of a counter by labels.
pub(crate) fn rate(by: &str, metric: &str, matchers: &str) -> String {
    format!("sum by ({by}) (rate({metric}{{{matchers}}}[$rate]))")
}

/// The rate of a counter in all.
pub(crate) fn total(metric: &str, matchers: &str) -> String {
    format!("sum(rate({metric}{{{matchers}}}[$rate]))")
}

/// A quantile of a histogram; `by` is empty or begins with a comma.
pub(crate) fn quantile(q: &str, by: &str, metric: &str, matchers: &str) -> String {
    format!("histogram_quantile({q}, sum by (le{by}) (rate({metric}_bucket{{{matchers}}}[$rate])))")
}

/// The buckets of a histogram for a heatmap.
pub(crate) fn buckets(metric: &str, matchers: &str) -> String {
    format!("sum by (le) (increase({metric}_bucket{{{matchers}}}[$rate]))")
}

/// The mean of what a histogram or a summary observed, by labels.
pub(crate) fn mean(by: &str, metric: &str, matchers: &str, range: &str) -> String {
    format!(
        "sum by ({by}) (rate({metric}_sum{{{matchers}}}[{range}])) \
         / (sum by ({by}) (rate({metric}_count{{{matchers}}}[{range}])) > 0)"
    )
}

/// Segments sent again, of all TCP segments; by labels.
pub(crate) fn retransmitted(by: &str, range: &str) -> String {
    format!(
        "sum by ({by}) (rate(weir_tcp_retransmitted_packets_total{{$host}}[{range}])) \
         / (sum by ({by}) (rate(weir_tcp_packets_total{{$host}}[{range}])) > 0)"
    )
}

/// Attempts of TCP connections that came to nothing, of all; by labels.
pub(crate) fn failed_attempts(by: &str, range: &str) -> String {
    format!(
        "sum by ({by}) (rate(weir_tcp_connection_attempts_total{{$host, result!=\"established\"}}[{range}])) \
         / (sum by ({by}) (rate(weir_tcp_connection_attempts_total{{$host}}[{range}])) > 0)"
    )
}

/// DNS responses that say that the server could not or would not answer, of all; by labels.
pub(crate) fn dns_errors(by: &str, range: &str) -> String {
    format!(
        "(sum by ({by}) (rate(weir_dns_responses_total{{$host, rcode=~\"SERVFAIL|REFUSED|FORMERR|NOTIMP\"}}[{range}])) \
         or 0 * sum by ({by}) (rate(weir_dns_responses_total{{$host}}[{range}]))) \
         / (sum by ({by}) (rate(weir_dns_responses_total{{$host}}[{range}])) > 0)"
    )
}
