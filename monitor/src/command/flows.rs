//! `weir flows`: the flows of a running instance.

use std::fmt::Write;
use std::path::PathBuf;

use monitor_core::filter::Filter;
use monitor_core::record::escape;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::CommandError;
use crate::client::{self, Instance};
use crate::view::{flows::Order, units};

/// How filters are written, for those who ask for help.
pub(super) const FILTERS: &str = "\
Filters:
  Tests, joined by and, or, not and parentheses:

  host 10.0.0.1, net 10.0.0.0/8               an address of either side
  client 10.0.0.1, server net 2001:db8::/32   of one side
  port 443, server port 8000-8100             a port of either or of one side
  tcp, udp, icmp, icmpv6, sctp, transport 47  the transport, by name or IP protocol number
  ipv4, ipv6                                  the IP version
  bytes > 1M, sent packets >= 10, rst         a counter; alone it means more than 0
  rtt > 50ms, duration < 1h                   a time: rtt, handshake, response, duration
  name *.example.org, domain example.org      a text; * and ? stand for others: name and domain of
  application tls, service https              the server, what is spoken, the name of the port,
  interface eth*                              the interface
  state established, role client,             what this host knows of it
  scope remote
  since 2026-11-21T02:49:27Z                  a packet at that time or later; before: begun earlier

  sent is from client to server, received the way back, neither: both together. Counters are packets,
  bytes, ip_bytes, payload_bytes, rate (bytes a second), fragments, and of TCP syn, syn_ack, fin, rst, psh,
  urg, ece, cwr, retransmissions, out_of_order, duplicate_acks, zero_windows, keep_alives, lost_segments and
  syn_retransmissions.";

/// For those who ask for help.
const EXAMPLES: &str = "\
Examples:
  weir flows 'port 443 and bytes > 1M'
  weir flows 'not net 10.0.0.0/8 and (retransmissions > 100 or rtt > 200ms)' --sort bytes
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
        default_value = "http://127.0.0.1:10058",
        env = "WEIR_URL",
        hide_env_values = true
    )]
    url: String,
    /// Certificates that may vouch for the instance [default: the system's].
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// What comes first.
    #[arg(long, value_enum, default_value_t)]
    sort: Order,
    /// Most flows that are shown.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
}

/// The answer of the instance; a flow stays as it came.
#[derive(Deserialize)]
struct Answer {
    matched: usize,
    flows: Vec<Box<RawValue>>,
}

/// Asks and prints.
pub fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let filter = arguments.filter.join(" ");
    let mut path = format!("/api/v1/flows?limit={}&sort={}", arguments.limit, arguments.sort.as_str());
    if !filter.is_empty() {
        // What is wrong with it is better said before anybody is asked.
        filter.parse::<Filter>().map_err(CommandError::Filter)?;
        path.push_str("&filter=");
        path.push_str(&client::escape(&filter));
    }
    let instance = Instance::new(&arguments.url, arguments.ca_file.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = runtime.block_on(instance.get(&path))?;
    let answer: Answer = serde_json::from_slice(&body).map_err(CommandError::Answer)?;
    if arguments.json {
        let lines = answer.flows.iter().fold(String::new(), |mut out, flow| {
            out.push_str(flow.get());
            out.push('\n');
            out
        });
        return super::print(&lines);
    }
    let flows: Result<Vec<Value>, _> = answer.flows.iter().map(|f| serde_json::from_str(f.get())).collect();
    super::print(&table(&flows.map_err(CommandError::Answer)?, answer.matched))
}

const COLUMNS: [&str; 10] = [
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
];

/// The columns from which on numbers stand, which end at the right.
const NUMBERS: std::ops::Range<usize> = 6..9;

fn table(flows: &[Value], matched: usize) -> String {
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
    if matched > rows.len() {
        let _ = writeln!(out, "{} of {matched} flows; --limit shows more", rows.len());
    }
    out
}

fn row(flow: &Value) -> [String; COLUMNS.len()] {
    let text = |key: &str| {
        let mut out = String::new();
        // An instance elsewhere is not to be trusted with this terminal.
        escape(flow[key].as_str().unwrap_or_default().as_bytes(), &mut out);
        out
    };
    let endpoint = |ip: &str, port: &str| {
        let address = text(ip);
        // What has no ports says 0.
        let port = flow[port].as_u64().unwrap_or_default();
        if port == 0 {
            return address;
        }
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    };
    let bytes = |side: &str| units::bytes(flow[side]["bytes"].as_f64().unwrap_or_default());
    let rate = |side: &str| flow[side]["bytes_per_second"].as_f64().unwrap_or_default();
    [
        endpoint("client_ip", "client_port"),
        endpoint("server_ip", "server_port"),
        text("name"),
        text("transport"),
        text("application"),
        text("state"),
        bytes("sent"),
        bytes("received"),
        units::bytes(rate("sent") + rate("received")) + "/s",
        text("interface"),
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

    #[test]
    fn what_has_no_ports_shows_none() {
        let flow = serde_json::json!({ "client_ip": "fe80::1", "client_port": 0, "server_ip": "ff02::2",
            "server_port": 0, "transport": "icmpv6" });
        assert_eq!(row(&flow)[..2], ["fe80::1", "ff02::2"]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let flow = serde_json::json!({ "name": "a\u{1b}[2J", "client_ip": "::1", "client_port": 5 });
        let table = table(&[flow], 1);
        assert!(!table.contains('\u{1b}') && table.contains("[::1]:5"), "{table}");
    }
}
