//! `weir flows`: the flows of a running instance.

use std::fmt::Write;
use std::path::PathBuf;

use monitor_core::filter::Filter;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::CommandError;
use crate::client::{self, Instance};
use crate::view::flows::{Answer, Flow};
use crate::view::order::Order;
use crate::view::text::{endpoint, safe};
use crate::view::units;

/// How filters are written, for those who ask for help.
pub(super) const FILTERS: &str = "\
Filters:
  Tests, joined by and, or, not and parentheses:

  host 10.0.0.1, net 10.0.0.0/8               an address of either side
  client 10.0.0.1, server net 2001:db8::/32   of one side
  port 443, port http, server port 8000-8100  a port of either or of one side
  tcp, udp, icmp, icmpv6, sctp, transport 47  the transport, by name or IP protocol number
  ipv4, ipv6                                  the IP version
  bytes > 1MB, sent packets >= 10, rst        a counter; alone it means more than 0
  rtt > 50ms, duration < 1h                   a time: rtt, handshake, response, duration
  name *.example.org, domain example.org      a text, with the wildcards * and ?: name and domain of
  application tls, service https              the server, application, service of the port,
  interface eth*                              interface
  process nginx, unit ssh.service, user www*  owner at either end: also container, pod, namespace
  \"example\"                                   within any name, address or other text
  state established, role client,             state, role of this host, scope of the peer
  scope remote
  since 2026-11-21T02:49:27Z                  a packet at that time or later; before: started earlier

  sent is from client to server, received from server to client, neither: both together. Counters are packets,
  bytes, ip_bytes, payload_bytes, rate (bytes per second), fragments, and of TCP syn, syn_ack, fin, rst, psh,
  urg, ece, cwr, retransmissions, out_of_order, duplicate_acks, zero_windows, keep_alives, lost_segments and
  syn_retransmissions.";

/// For those who ask for help.
const EXAMPLES: &str = "\
Examples:
  weir flows 'port 443 and bytes > 1M'
  weir flows 'not net 10.0.0.0/8 and (retransmissions > 100 or rtt > 200ms)' --sort bytes
  weir flows 'state refused'                    # those that ended a short while ago, too
  weir flows --json 'state syn_sent' | jq -r .server_ip";

/// What is asked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{FILTERS}\n\n{EXAMPLES}"))]
pub struct Arguments {
    /// Which flows, such as `port 443 and bytes > 1M`; see below.
    filter: Vec<String>,
    /// The instance.
    #[arg(
        long,
        value_name = "URL",
        default_value_t = client::default_url(),
        env = "WEIR_URL",
        hide_env_values = true
    )]
    url: String,
    /// CA bundle in PEM form, to verify the instance's certificate [default: the system's].
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Sort by.
    #[arg(long, value_enum, default_value_t)]
    sort: Order,
    /// Reverse the order; unknown values still come last.
    #[arg(long)]
    reverse: bool,
    /// Maximum number of flows.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Also flows that ended a short while ago: the last 512 that failed and 512 others. Without it they are shown
    /// where the filter asks for a state that is an end: `refused`, `timed_out`, `closed` or `reset`.
    #[arg(long)]
    ended: bool,
    /// Only flows that pass this interface; directions are as it sees them.
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// One row per interface that sees a flow; only the first has the numbers of the whole flow.
    #[arg(long)]
    copies: bool,
    /// Print JSON lines: one object per flow.
    #[arg(long)]
    json: bool,
}

/// The answer of the instance, in which a flow stays as it came.
#[derive(Deserialize)]
struct Raw {
    flows: Vec<Box<RawValue>>,
}

/// Asks and prints.
pub fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let filter = arguments.filter.join(" ");
    let Arguments { limit, reverse, .. } = arguments;
    let mut path = format!("/api/v1/flows?limit={limit}&sort={}&reverse={reverse}", arguments.sort.as_str());
    if arguments.ended {
        path.push_str("&ended=true");
    }
    if arguments.copies {
        path.push_str("&copies=true");
    }
    if let Some(interface) = &arguments.interface {
        path.push_str("&interface=");
        path.push_str(&client::escape(interface));
    }
    if !filter.is_empty() {
        // What is wrong with it is better said before anybody is asked.
        filter.parse::<Filter>().map_err(CommandError::Filter)?;
        path.push_str("&filter=");
        path.push_str(&client::escape(&filter));
    }
    let instance = Instance::new(&arguments.url, arguments.ca_file.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = runtime.block_on(instance.get(&path))?;
    if arguments.json {
        let answer: Raw = serde_json::from_slice(&body).map_err(CommandError::Answer)?;
        let lines = answer.flows.iter().fold(String::new(), |mut out, flow| {
            out.push_str(flow.get());
            out.push('\n');
            out
        });
        return super::print(&lines);
    }
    let answer: Answer<'_> = serde_json::from_slice(&body).map_err(CommandError::Answer)?;
    super::print(&table(&answer.flows, answer.matched))
}

const COLUMNS: [&str; 12] = [
    "CLIENT",
    "SERVER",
    "NAME",
    "TRANSPORT",
    "APPLICATION",
    "STATE",
    "SENT",
    "RECEIVED",
    "RATE",
    "INTERFACE",
    "PROCESS",
    "UNIT",
];

/// The columns from which on numbers stand, which end at the right.
const NUMBERS: std::ops::Range<usize> = 6..9;

fn table(flows: &[Flow<'_>], matched: usize) -> String {
    let rows: Vec<[String; COLUMNS.len()]> = flows.iter().map(row).collect();
    let mut widths = COLUMNS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: [&str; COLUMNS.len()]| {
        let mut text = String::new();
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = if NUMBERS.contains(&i) {
                write!(text, "{cell:>width$}  ")
            } else {
                write!(text, "{cell:<width$}  ")
            };
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(COLUMNS);
    for row in &rows {
        line(row.each_ref().map(String::as_str));
    }
    if matched == 0 {
        out.push_str("0 flows match\n");
    } else if matched > rows.len() {
        let _ = writeln!(out, "{} of {matched} flows; --limit shows more", rows.len());
    }
    out
}

fn row(flow: &Flow<'_>) -> [String; COLUMNS.len()] {
    // An instance elsewhere is not to be trusted with this terminal.
    let text = |text: Option<&str>| safe(text.unwrap_or_default()).into_owned();
    let rate = flow.sent.bytes_per_second + flow.received.bytes_per_second;
    [
        endpoint(flow.client_ip, flow.client_port),
        endpoint(flow.server_ip, flow.server_port),
        text(flow.name.as_deref()),
        text(Some(&flow.transport)),
        text(flow.application.as_deref()),
        text(flow.state.as_deref()),
        units::bytes(flow.sent.bytes as f64),
        units::bytes(flow.received.bytes as f64),
        units::bytes(rate) + "/s",
        text(Some(&*flow.seen_on())),
        text(flow.owner("process").or_else(|| flow.process()).as_deref()),
        text(flow.owner("unit").as_deref()),
    ]
}

#[cfg(test)]
mod tests {
    use monitor_core::filter::{Counter, Span};

    use super::*;

    #[test]
    fn help_names_every_counter_and_time_of_a_filter() {
        let words: Vec<&str> = FILTERS.split([' ', ',', '.', '\n']).collect();
        let counters = Counter::ALL.map(Counter::as_str);
        let spans = Span::ALL.map(Span::as_str);
        for name in counters.iter().chain(&spans) {
            assert!(words.contains(name), "{name}");
        }
    }

    #[test]
    fn the_filters_of_the_help_are_filters() {
        let quoted: Vec<&str> = EXAMPLES.split('\'').skip(1).step_by(2).collect();
        let tests = FILTERS.lines().filter(|l| l.starts_with("  ") && l.trim_start().contains("  "));
        let tests = tests.filter_map(|l| l.trim_start().split("  ").next()).flat_map(|l| l.split(','));
        let mut read = 0;
        for filter in tests.map(str::trim).filter(|t| !t.is_empty()).chain(quoted) {
            assert!(filter.parse::<Filter>().is_ok(), "{filter}");
            read += 1;
        }
        assert!(read > 20, "{read}");
    }

    fn flow(more: &serde_json::Value) -> Flow<'static> {
        let side = serde_json::json!({ "direction": "transmit", "packets": 1, "bytes": 1_500, "payload_bytes": 1,
            "retransmissions": 0, "out_of_order": 0, "duplicate_acks": 0, "zero_windows": 0,
            "bytes_per_second": 1.0, "packets_per_second": 1.0 });
        let mut flow = serde_json::json!({ "id": "1-1", "interface": "eth0", "transport": "icmpv6",
            "client_ip": "fe80::1", "client_port": 0, "server_ip": "ff02::2", "server_port": 0, "client_rule": "first",
            "role": "client", "scope": "local", "duplicate": false, "start": "2026-11-21T02:49:27Z",
            "last": "2026-11-21T02:49:28Z", "sent": side, "received": side, "rtt_seconds": {} });
        for (key, value) in more.as_object().unwrap() {
            flow[key] = value.clone();
        }
        serde_json::from_value(flow).unwrap()
    }

    #[test]
    fn what_has_no_ports_shows_none() {
        let row = row(&flow(&serde_json::json!({})));
        assert_eq!((&row[..2], &*row[6]), (&["fe80::1".to_owned(), "ff02::2".to_owned()][..], "1.5 kB"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let hostile = serde_json::json!({ "name": "a\u{1b}[2J", "client_ip": "::1", "client_port": 5 });
        let table = table(&[flow(&hostile)], 1);
        assert!(!table.contains('\u{1b}') && table.contains("[::1]:5"), "{table}");
    }
}
