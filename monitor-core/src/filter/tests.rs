use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::random::Random;
use crate::record::tests::{full, small};
use crate::record::{FlowRecord, Text};

fn filter(source: &str) -> Filter {
    source.parse().unwrap_or_else(|error: FilterError| panic!("{source}\n{}\n{error}", error.pointer()))
}

fn error(source: &str) -> FilterError {
    source.parse::<Filter>().expect_err(source)
}

/// TCP, `::1` port 50000 to `2001:db8::7` port 443 on eth0; 9 packets and 9000 bytes each way, half closed.
fn tcp() -> FlowRecord {
    full()
}

/// UDP, 192.0.2.1 port 40000 to 198.51.100.7 port 53; one packet of 80 bytes, nothing else known.
fn udp() -> FlowRecord {
    small()
}

fn assert_only_tcp(source: &str) {
    assert!(filter(source).matches(&tcp()), "{source} must hold");
    assert!(!filter(source).matches(&udp()), "{source} must not hold");
}

fn assert_only_udp(source: &str) {
    assert!(!filter(source).matches(&tcp()), "{source} must not hold");
    assert!(filter(source).matches(&udp()), "{source} must hold");
}

#[test]
fn ports_are_of_either_side_or_of_one() {
    for source in
        ["port 443", "server port 443", "client port 50000", "port 400-500", "port >= 50000", "port = 443"]
    {
        assert_only_tcp(source);
    }
    for source in
        ["port 53", "server port 53", "server port < 100", "client port <= 40000", "client port 40000-40001"]
    {
        assert_only_udp(source);
    }
    assert!(!filter("client port 443").matches(&tcp()));
    assert!(filter("port > 49999").matches(&tcp()) && !filter("port > 50000").matches(&tcp()));
}

#[test]
fn addresses_are_of_either_side_or_of_one() {
    for source in
        ["host ::1", "client ::1", "client host ::1", "net 2001:db8::/32", "server 2001:db8::/32", "ipv6"]
    {
        assert_only_tcp(source);
    }
    for source in
        ["host 192.0.2.1", "client net 192.0.2.0/24", "server 198.51.100.7", "net 0.0.0.0/0", "ipv4"]
    {
        assert_only_udp(source);
    }
    assert!(!filter("server 192.0.2.1").matches(&udp()));
}

#[test]
fn transports_have_names_and_numbers() {
    for source in ["tcp", "transport tcp", "transport 6", "transport = TCP", "TCP"] {
        assert_only_tcp(source);
    }
    assert_only_udp("udp");
    assert_eq!(filter("transport 47").to_string(), "transport 47");
    assert_eq!(filter("transport 132"), filter("sctp"));
}

#[test]
fn counters_are_of_both_directions_or_of_one() {
    for source in [
        "bytes > 17K",
        "bytes = 18000",
        "sent bytes = 9000",
        "received packets >= 9",
        "packets == 18",
        "syn",
        "retransmissions",
        "sent retransmissions >= 2",
        "retransmissions != 0",
    ] {
        assert_only_tcp(source);
    }
    for source in ["bytes < 1Ki", "packets <= 1", "received packets = 0", "payload_bytes = 38"] {
        assert_only_udp(source);
    }
    assert!(!filter("rst").matches(&tcp()), "none seen");
}

#[test]
fn spans_compare_in_their_units() {
    for source in ["rtt > 10ms", "rtt = 11ms", "rtt < 0.1s", "handshake = 12500us", "response >= 100ms"] {
        assert_only_tcp(source);
    }
    assert!(filter("duration = 1.5s and duration < 1m").matches(&udp()));
}

#[test]
fn words_for_what_no_flow_has_are_refused_in_a_line() {
    for word in ["pid", "command", "image"] {
        let said = error(&format!("{word} x")).to_string();
        assert!(said.contains(&format!("found `{word}`")) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn texts_match_by_pattern() {
    for source in [
        "interface eth0",
        "interface eth*",
        "name www.EXAMPLE.com*",
        "name = *.example.com*",
        "domain example.com",
        "application \"http\"",
        "state half_closed",
        "state != established",
    ] {
        assert_only_tcp(source);
    }
    assert!(!filter("domain other.com").matches(&tcp()));
    let mut short = tcp();
    (short.name, short.domain) = (Some(Text::from("router")), None);
    assert!(filter("domain router and domain *").matches(&short), "a name without a domain is its own");
    let mut spaced = tcp();
    spaced.name = Some(Text::from("Web \"Content\""));
    assert!(filter(r#"name "web \"content\"""#).matches(&spaced));
}

#[test]
fn what_is_not_known_fails_every_test() {
    for source in [
        "name *",
        "name != x",
        "service *",
        "rtt >= 0",
        "retransmissions >= 0",
        "state closed",
        "role != client",
    ] {
        assert!(!filter(source).matches(&udp()), "{source}");
        assert!(filter(&format!("not {source}")).matches(&udp()), "not {source}");
    }
}

#[test]
fn times_are_compared_with_first_and_last_packet() {
    // From 1 s to 2.5 s after the epoch.
    for (source, holds) in [
        ("since 1970-01-01T00:00:02.5Z", true),
        ("since 1970-01-01T00:00:02.500000001Z", false),
        ("before 1970-01-01T00:00:01.000000001Z", true),
        ("before 1970-01-01T00:00:01Z", false),
        ("since 1970-01-01 and before \"1970-01-02 00:00:00+01:00\"", true),
    ] {
        assert_eq!(filter(source).matches(&udp()), holds, "{source}");
    }
}

#[test]
fn and_binds_closer_than_or_and_not_closer_than_both() {
    let (t, f) = ("bytes", "port 1");
    for (source, holds) in [
        (format!("{t} or {f} and {f}"), true),
        (format!("({t} or {f}) and {f}"), false),
        (format!("not {f} and {t}"), true),
        (format!("not ({f} and {t})"), true),
        (format!("not {t} or {t}"), true),
        (format!("!{f}&&{t}||{f}"), true),
        (format!("! ! {t}"), true),
        (format!("NOT {f} AND ({t} OR {f})"), true),
        (format!("{f} or {f} or {t}"), true),
        (format!("{t} and {t} and {f}"), false),
    ] {
        assert_eq!(filter(&source).matches(&udp()), holds, "{source}");
    }
    assert!(filter("bytes>70&&bytes<90").matches(&udp()));
}

#[test]
fn errors_point_at_the_column_and_say_what_is_expected() {
    for (source, column, width, text) in [
        ("", 1, 1, "expected a test such as `port 443` or `bytes > 1M`, found the end"),
        ("port", 5, 1, "a port from 0 to 65535"),
        ("port 70000", 6, 5, "found `70000`"),
        ("port 9-8", 6, 3, "found `9-8`"),
        ("port != 80", 6, 2, "did you mean `not port`?"),
        ("port < 0", 8, 1, "a port"),
        ("port > 8000-8100", 8, 9, "a port"),
        ("port 443 and", 13, 1, "found the end"),
        ("port 443 bytes > 1", 10, 5, "`and`, `or` or the end, found `bytes`"),
        ("port 443 adn tcp", 10, 3, "did you mean `and`?"),
        ("(port 443", 10, 1, "`and`, `or` or `)`"),
        ("port 443)", 9, 1, "the end"),
        ("byts > 1M", 1, 4, "did you mean `bytes`?"),
        ("bytes > 1X", 9, 2, "a number such as"),
        ("bytes > ", 9, 1, "a number such as"),
        ("rtt", 4, 1, "a comparison"),
        ("rtt > 100", 7, 3, "a length of time"),
        ("src 10.0.0.1", 1, 3, "did you mean `client`?"),
        ("dst port 80", 1, 3, "did you mean `server`?"),
        ("10.0.0.1", 1, 8, "did you mean `host`?"),
        ("443", 1, 3, "did you mean `port`?"),
        ("host example.com", 6, 11, "an address such as"),
        ("client 443", 8, 3, "host, net, port or an address"),
        ("state establishd", 7, 10, "did you mean `established`?"),
        ("transport tpc", 11, 3, "tcp, udp"),
        ("sent port 3", 6, 4, "a counter"),
        ("name and tcp", 6, 3, "a text, found `and`"),
        ("name \"x", 6, 2, "never closed"),
        ("tcp & udp", 5, 1, "did you mean `&&`?"),
        ("since yesterday", 7, 9, "a time such as"),
        ("nicht tcp", 1, 5, "a test"),
        ("name é and bäd > 1", 12, 3, "a test"),
        ("port \u{202e}", 6, 1, "found `\\u{202e}`"),
    ] {
        let error = error(source);
        assert_eq!((error.column, error.width), (column, width), "{source}: {error}");
        assert!(error.to_string().contains(text), "{source}: {error}");
        assert_eq!(error.pointer().trim_start().len(), width);
    }
}

#[test]
fn an_unknown_state_is_answered_with_all_there_are() {
    let message = error("state open").to_string();
    for state in TcpState::ALL {
        assert!(message.contains(state.as_str()), "{state} in {message}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |depth: usize| format!("{}tcp{}", "(".repeat(depth), ")".repeat(depth));
    filter(&nested(DEPTH_MAX));
    assert_eq!(error(&nested(DEPTH_MAX + 1)).kind, ErrorKind::TooDeep);
    assert_eq!(error(&("not ".repeat(DEPTH_MAX + 1) + "tcp")).kind, ErrorKind::TooDeep);
    assert_eq!(error(&"(".repeat(LENGTH_MAX)).kind, ErrorKind::TooDeep);
    assert_eq!(error(&"é".repeat(LENGTH_MAX)).kind, ErrorKind::TooLong);
    // Breadth is no depth.
    assert!(filter(&vec!["(not udp)"; 200].join(" and ")).matches(&tcp()));
    let wide = vec!["tcp"; 500].join(" or ");
    assert!(filter(&wide).matches(&tcp()));
}

/// What an expression is made of.
impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.below(below as u64) as usize
    }

    fn address(&mut self) -> IpAddr {
        match self.next(3) {
            0 => IpAddr::V4(Ipv4Addr::from(self.0 as u32)),
            1 => IpAddr::V6(u128::from(self.0).into()),
            _ => IpAddr::V6((0xffff_0000_0000 | u128::from(self.0 as u32)).into()),
        }
    }

    fn test(&mut self) -> Test {
        let negated = self.next(2) == 0;
        let side = self.of(&[None, Some(Peer::Client), Some(Peer::Server)]);
        let magnitude = self.next(64);
        let value = (self.0 >> magnitude).wrapping_mul(self.of(&[1, 1000, 60_000_000_000]));
        let comparison = self.of(&[
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::GreaterOrEqual,
            Comparison::Greater,
        ]);
        match self.next(11) {
            0 => {
                let address = self.address();
                let prefix = self.next(if address.is_ipv4() { 33 } else { 129 }) as u8;
                Test::Address { side, network: Network::new(address, prefix).unwrap() }
            }
            1 => {
                let (a, b) = (self.next(65536) as u16, self.next(65536) as u16);
                Test::Port { side, low: a.min(b), high: a.max(b) }
            }
            2 => Test::Transport(Protocol(self.next(256) as u8)),
            3 => Test::Ipv6(negated),
            4 => Test::Counter {
                way: self.of(&[None, Some(Way::Sent), Some(Way::Received)]),
                counter: self.of(&Counter::ALL),
                comparison,
                value,
            },
            5 => Test::Span { span: self.of(&Span::ALL), comparison, value },
            6 => {
                let length = self.next(12);
                let letters = ['a', 'Z', '*', '?', '"', '\\', ' ', '(', '!', 'é', '\n', '-', '/', 'o', 'r'];
                let pattern: String = (0..length).map(|_| self.of(&letters)).collect();
                let pattern = if self.next(10) == 0 { "or".to_owned() } else { pattern };
                Test::Text { field: self.of(&TextField::ALL), negated, pattern: Pattern::new(pattern) }
            }
            7 => Test::State { negated, state: self.of(&TcpState::ALL) },
            8 => Test::Role { negated, role: self.of(&Role::ALL) },
            9 => Test::Scope { negated, scope: self.of(&Scope::ALL) },
            _ if negated => Test::Since(Time(value)),
            _ => Test::Before(Time(value)),
        }
    }

    fn expression(&mut self, depth: usize) -> Expression {
        let kind = if depth == 0 { 3 } else { self.next(5) };
        match kind {
            0 | 1 => {
                let parts = (0..2 + self.next(2)).map(|_| self.expression(depth - 1)).collect();
                if kind == 0 { Expression::All(parts) } else { Expression::Any(parts) }
            }
            2 => Expression::Not(Box::new(self.expression(depth - 1))),
            _ => Expression::Test(self.test()),
        }
    }
}

#[test]
fn what_is_shown_parses_back_to_the_same() {
    let mut random = Random(42);
    let mut parsed = 0;
    for _ in 0..20_000 {
        let depth = random.next(5);
        let expression = random.expression(depth);
        let shown = expression.to_string();
        if shown.len() <= LENGTH_MAX {
            assert_eq!(filter(&shown).expression(), &expression, "{shown}");
            parsed += 1;
        }
    }
    assert!(parsed > 19_000, "{parsed}");
}

#[test]
fn no_text_makes_it_panic_and_every_error_lies_in_the_text() {
    let pieces = [
        "port",
        "443",
        " ",
        "and",
        "or",
        "not",
        "(",
        ")",
        "!",
        "!=",
        ">",
        "=",
        "\"",
        "\\",
        "bytes",
        "1M",
        "10.0.0.0/8",
        "::",
        "/",
        "-",
        "client",
        "server",
        "rtt",
        "100ms",
        "name",
        "*",
        "é",
        "\u{202e}",
        "\0",
        "&&",
        "|",
        "µs",
        "since",
        "2026-11-21",
        "T",
        ".",
        "99999999999999999999999",
        "state",
        "\t",
        "sent",
        "transport",
        "host",
    ];
    let mut random = Random(5);
    let (mut good, subject) = (0, tcp());
    for _ in 0..30_000 {
        let source: String = (0..random.next(14))
            .map(|_| {
                let space = if random.next(3) > 0 { " " } else { "" };
                random.of(&pieces).to_owned() + space
            })
            .collect();
        match source.parse::<Filter>() {
            Ok(filter) => {
                good += 1;
                filter.matches(&subject);
                assert_eq!(filter.to_string().parse::<Filter>().as_ref(), Ok(&filter), "{source}");
            }
            Err(error) => {
                let end = error.column + error.width - 1;
                assert!(error.column >= 1 && end <= source.chars().count() + 1, "{source:?}: {error}");
                assert!(!error.to_string().chars().any(char::is_control));
            }
        }
    }
    assert!(good > 100, "{good}");
}

#[test]
fn ports_may_be_named_and_sizes_have_bytes() {
    for (named, meant) in [
        ("port http", "port 80"),
        ("server port HTTPS", "server port 443"),
        ("port != ssh", ""),
        ("not port nfs", "not port 2049"),
        ("bytes > 1MB", "bytes > 1000000"),
        ("port nonesuch", ""),
    ] {
        let shown = named.parse::<Filter>().map_or(String::new(), |filter| filter.to_string());
        assert_eq!(shown, meant, "{named}");
    }
}

#[test]
fn a_text_alone_is_looked_for_in_names_and_addresses() {
    use crate::record::{FlowRecord, tests::small};
    let flow =
        FlowRecord { name: Some("www.Example.org".into()), application: Some("tls".into()), ..small() };
    let server = flow.identity.server_ip.to_string();
    for text in ["example", "EXAMPLE.org", "www.*.org", "tls", &*server] {
        let filter: Filter = format!("\"{text}\"").parse().unwrap();
        assert!(filter.matches(&flow), "{text}");
        assert_eq!(filter.to_string().parse(), Ok(filter), "{text}");
    }
    let none: Filter = "\"nonesuch\"".parse().unwrap();
    assert!(!none.matches(&flow) && !none.is_about_packets());
}
