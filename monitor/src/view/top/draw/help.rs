//! What keys and columns mean.

use std::borrow::Cow;

use super::Block;
use crate::view::top::{
    grid::{Cell, Value},
    paint::Paint,
};

const KEYS: [(&str, &str); 15] = [
    ("1-8, Tab", "tabs"),
    ("↑ ↓ PgUp PgDn", "select a row, scroll; also j k g G"),
    ("Enter", "details of a flow,"),
    ("", "flows of a domain, host, owner …"),
    ("Esc", "back; clear selection, clear filter"),
    ("← →", "sort by the next column; also < >"),
    ("r", "reverse order"),
    ("/", "filter flows"),
    ("b", "rates in bit/s or byte/s"),
    ("space", "pause or resume"),
    ("w", "time range: 1 min, 5 min, 1 h"),
    ("mouse", "click tabs and titles; a click"),
    ("", "selects a row, a second opens it"),
    ("?", "this help"),
    ("q", "quit"),
];

const FILTERS: [(&str, &str); 9] = [
    ("port https", "either side; server port 8000-8100"),
    ("net 10.0.0.0/8", "host, client, server, net"),
    ("bytes > 1MB", "sent, received; packets, rate, rst …"),
    ("rtt > 50ms", "handshake, response, duration"),
    ("domain *.org", "name, application, service"),
    ("state established", "role client, scope remote"),
    ("process curl", "unit, user, container, pod, owner"),
    ("tcp and not ipv6", "and, or, not, parentheses"),
    ("\"text\"", "anywhere; more: weir flows --help"),
];

const COLUMNS: [(&str, &str); 7] = [
    ("SENT", "bytes, client to server"),
    ("RECEIVED", "bytes, server to client"),
    ("RATE", "both directions, last 2 s"),
    ("RTT", "mean RTT, longer side"),
    ("RETRANS", "TCP retransmissions"),
    ("DURATION", "since the first packet"),
    ("IN, OUT", "received, transmitted by this host"),
];

/// All of it.
pub(super) fn blocks(capture: bool) -> Vec<Block<'static>> {
    let block = |title, lines: &[(&'static str, &'static str)]| Block::Facts {
        title,
        facts: lines
            .iter()
            .filter(|(key, _)| !(capture && matches!(*key, "space" | "w" | "RATE")))
            .map(|(key, what)| (*key, Cell::new(Value::Text(Cow::Borrowed(*what))).paint(Paint::Plain)))
            .collect(),
    };
    vec![block("Keys", &KEYS), block("Filters", &FILTERS), block("Columns", &COLUMNS)]
}
