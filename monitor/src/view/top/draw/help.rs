//! What keys and columns mean.

use std::borrow::Cow;

use super::Block;
use crate::view::top::{
    grid::{Cell, Value},
    paint::Paint,
};

const KEYS: [(&str, &str); 15] = [
    ("1-6, Tab", "tabs"),
    ("↑ ↓ PgUp PgDn", "choose a row, scroll; also j k g G"),
    ("Enter", "of a flow all that is known,"),
    ("", "of a domain, service, name its flows"),
    ("Esc", "back; then no choice, then no filter"),
    ("← →", "sort by the next column; also < >"),
    ("r", "the other way round"),
    ("/", "filter flows"),
    ("b", "rates in bits or bytes a second"),
    ("space", "the picture stands still, or goes on"),
    ("w", "sums over a minute, 5 minutes, an hour"),
    ("mouse", "tabs and titles are buttons, a click"),
    ("", "chooses a row, a second one opens it"),
    ("?", "this"),
    ("q", "quit"),
];

const FILTERS: [(&str, &str); 8] = [
    ("port 443", "of either side; server port 8000-8100"),
    ("net 10.0.0.0/8", "host, client, server, net"),
    ("bytes > 1M", "sent, received; packets, rate, rst …"),
    ("rtt > 50ms", "handshake, response, duration"),
    ("domain *.org", "name, application, service"),
    ("state established", "role client, scope remote"),
    ("tcp and not ipv6", "and, or, not, parentheses"),
    ("", "all of it: weir flows --help"),
];

const COLUMNS: [(&str, &str); 7] = [
    ("SENT", "bytes from client to server"),
    ("RECEIVED", "bytes back"),
    ("RATE", "both ways, last 2 s"),
    ("RTT", "mean round trip, longer side"),
    ("RETRANS", "TCP segments sent again"),
    ("LASTED", "since the first packet"),
    ("IN, OUT", "of this host, in the window"),
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
