//! Text to expression.

use std::fmt;

use monitor_common::abi::Transport;

use super::value::{Pattern, count, duration};
use super::{Comparison, Counter, DEPTH_MAX, Expression, LENGTH_MAX, Span, Test, TextField, Way};
use crate::label::{Role, Scope, TcpState};
use crate::network::Network;
use crate::record::{Peer, Protocol, Text, Time};
use crate::services;

/// Why an expression is none, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Column of the first character that is wrong, from 1.
    pub column: usize,
    /// How many characters are wrong, at least 1.
    pub width: usize,
    /// What is wrong with them.
    pub kind: ErrorKind,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is longer than [`LENGTH_MAX`] bytes.
    TooLong,
    /// It is nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// A quoted text has no end.
    Unterminated,
    /// Something else belongs here.
    Expected {
        /// What belongs here.
        wanted: &'static str,
        /// What is here; empty at the end.
        found: Text,
        /// A word that may be meant.
        nearest: Option<&'static str>,
    },
}

impl FilterError {
    /// A line that points at the column, to stand under the expression.
    pub fn pointer(&self) -> String {
        " ".repeat(self.column.saturating_sub(1)) + &"^".repeat(self.width)
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter, column {}: ", self.column)?;
        match &self.kind {
            ErrorKind::TooLong => write!(f, "longer than {LENGTH_MAX} bytes"),
            ErrorKind::TooDeep => write!(f, "nested deeper than {DEPTH_MAX}"),
            ErrorKind::Unterminated => f.write_str("this quote is never closed"),
            ErrorKind::Expected { wanted, found, nearest } => {
                write!(f, "expected {wanted}, found ")?;
                match found.as_str() {
                    "" => f.write_str("the end")?,
                    found => write!(f, "`{found}`")?,
                }
                nearest.map_or(Ok(()), |nearest| write!(f, "; did you mean `{nearest}`?"))
            }
        }
    }
}

impl std::error::Error for FilterError {}

/// Whether a character can stand in a word that is not quoted.
pub(super) fn is_word(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '(' | ')' | '!' | '&' | '|' | '<' | '>' | '=' | '"')
}

/// Whether a word joins tests and so is no text unless it is quoted.
pub(super) fn is_operator(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|operator| operator.eq_ignore_ascii_case(word))
}

#[derive(Clone, Debug, PartialEq)]
enum Kind<'a> {
    Word(&'a str),
    Quoted(String),
    Open,
    Close,
    And,
    Or,
    Not,
    Compare(Comparison),
    End,
}

#[derive(Clone, Debug)]
struct Token<'a> {
    kind: Kind<'a>,
    /// Bytes of the source.
    begin: usize,
    end: usize,
}

const TEST: &str = "a test such as `port 443` or `bytes > 1M`";
const TEXT: &str = "a text";
const JOIN: &str = "`and`, `or` or the end";
const CLOSE: &str = "`and`, `or` or `)`";
const ADDRESS: &str = "an address such as 10.0.0.1 or a network such as 10.0.0.0/8";
const PORT: &str = "a port from 0 to 65535, a range such as 8000-8100 or a service such as http";
const NUMBER: &str = "a number such as 10, 1.5M or 64Ki";
const DURATION: &str = "a length of time such as 100ms or 1.5h";
const COMPARISON: &str = "a comparison such as `>`";
const TIME: &str = "a time such as 2026-11-21T02:49:27Z";
const TRANSPORT: &str = "tcp, udp, icmp, icmpv6, sctp or an IP protocol number";
const SIDE: &str = "host, net, port or an address";
const COUNTER: &str = "a counter such as `bytes`";
const STATE: &str =
    "syn_sent, syn_received, refused, timed_out, established, half_closed, closed, reset or midstream";
const ROLE: &str = "client, server or forwarded";
const SCOPE: &str = "local or remote";

/// Words that begin a test, beside counters, spans and texts.
const TESTS: [&str; 17] = [
    "host",
    "net",
    "port",
    "client",
    "server",
    "transport",
    "tcp",
    "udp",
    "icmp",
    "icmpv6",
    "sctp",
    "ipv4",
    "ipv6",
    "state",
    "role",
    "scope",
    "since",
];
const MORE_TESTS: [&str; 4] = ["before", "sent", "received", "not"];

/// What other tools call things.
const OTHER_NAMES: [(&str, &str); 12] = [
    ("src", "client"),
    ("dst", "server"),
    ("source", "client"),
    ("destination", "server"),
    ("proto", "transport"),
    ("protocol", "transport"),
    ("iface", "interface"),
    ("dev", "interface"),
    ("ip", "ipv4"),
    ("ip6", "ipv6"),
    ("after", "since"),
    ("size", "bytes"),
];

pub(super) fn parse(source: &str) -> Result<Expression, FilterError> {
    if source.len() > LENGTH_MAX {
        let column = source.char_indices().take_while(|(at, _)| *at < LENGTH_MAX).count();
        return Err(FilterError { column, width: 1, kind: ErrorKind::TooLong });
    }
    let mut parser = Parser { source, ahead: next_token(source, 0)?, depth: 0 };
    let expression = parser.any()?;
    match parser.ahead.kind {
        Kind::End => Ok(expression),
        _ => Err(parser.expected(JOIN, ["and", "or"].into_iter())),
    }
}

/// The token at or after a byte of the source.
fn next_token(source: &str, from: usize) -> Result<Token<'_>, FilterError> {
    let rest = source.get(from..).unwrap_or("");
    let begin = from + rest.len() - rest.trim_start().len();
    let rest = rest.trim_start();
    let simple = |kind, width| Ok(Token { kind, begin, end: begin + width });
    let mut chars = rest.chars();
    let (first, second) = (chars.next(), chars.next());
    match (first, second) {
        (None, _) => simple(Kind::End, 0),
        (Some('('), _) => simple(Kind::Open, 1),
        (Some(')'), _) => simple(Kind::Close, 1),
        (Some('&'), Some('&')) => simple(Kind::And, 2),
        (Some('|'), Some('|')) => simple(Kind::Or, 2),
        (Some('!'), Some('=')) => simple(Kind::Compare(Comparison::NotEqual), 2),
        (Some('!'), _) => simple(Kind::Not, 1),
        (Some('<'), Some('=')) => simple(Kind::Compare(Comparison::LessOrEqual), 2),
        (Some('<'), _) => simple(Kind::Compare(Comparison::Less), 1),
        (Some('>'), Some('=')) => simple(Kind::Compare(Comparison::GreaterOrEqual), 2),
        (Some('>'), _) => simple(Kind::Compare(Comparison::Greater), 1),
        (Some('='), Some('=')) => simple(Kind::Compare(Comparison::Equal), 2),
        (Some('='), _) => simple(Kind::Compare(Comparison::Equal), 1),
        (Some('"'), _) => quoted(source, begin),
        (Some(c), _) if is_word(c) => {
            let width = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = rest.get(..width).unwrap_or(rest);
            let kind = match word.to_ascii_lowercase().as_str() {
                "and" => Kind::And,
                "or" => Kind::Or,
                "not" => Kind::Not,
                _ => Kind::Word(word),
            };
            simple(kind, width)
        }
        (Some(c), _) => Err(error_at(source, begin, begin + c.len_utf8(), |found| ErrorKind::Expected {
            wanted: TEST,
            found,
            nearest: match c {
                '&' => Some("&&"),
                '|' => Some("||"),
                _ => None,
            },
        })),
    }
}

/// A text in double quotes; a backslash takes the next character as it is.
fn quoted(source: &str, begin: usize) -> Result<Token<'_>, FilterError> {
    let mut text = String::new();
    let mut chars = source.char_indices().skip_while(|(at, _)| *at <= begin);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok(Token { kind: Kind::Quoted(text), begin, end: at + 1 }),
            '\\' => text.extend(chars.next().map(|(_, c)| c)),
            c => text.push(c),
        }
    }
    Err(error_at(source, begin, source.len(), |_| ErrorKind::Unterminated))
}

fn error_at(source: &str, begin: usize, end: usize, kind: impl FnOnce(Text) -> ErrorKind) -> FilterError {
    let chars = |from: usize, to: usize| source.get(from..to).map_or(0, |part| part.chars().count());
    FilterError {
        column: chars(0, begin) + 1,
        width: chars(begin, end).max(1),
        kind: kind(Text::from(source.get(begin..end).unwrap_or(""))),
    }
}

struct Parser<'a> {
    source: &'a str,
    ahead: Token<'a>,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// The token ahead; the next one takes its place.
    fn take(&mut self) -> Result<Token<'a>, FilterError> {
        let next = next_token(self.source, self.ahead.end)?;
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.ahead.kind == Kind::Or {
            self.take()?;
            parts.push(self.all()?);
        }
        Ok(joined(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.one()?];
        while self.ahead.kind == Kind::And {
            self.take()?;
            parts.push(self.one()?);
        }
        Ok(joined(parts, Expression::All))
    }

    fn one(&mut self) -> Result<Expression, FilterError> {
        if !matches!(self.ahead.kind, Kind::Not | Kind::Open) {
            return self.test().map(Expression::Test);
        }
        if self.depth == DEPTH_MAX {
            let Token { begin, end, .. } = self.ahead;
            return Err(error_at(self.source, begin, end, |_| ErrorKind::TooDeep));
        }
        self.depth += 1;
        let expression = if self.take()?.kind == Kind::Not {
            Expression::Not(Box::new(self.one()?))
        } else {
            let inner = self.any()?;
            if self.ahead.kind != Kind::Close {
                return Err(self.expected(CLOSE, ["and", "or"].into_iter()));
            }
            self.take()?;
            inner
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn test(&mut self) -> Result<Test, FilterError> {
        if let Kind::Quoted(text) = &self.ahead.kind {
            let pattern = Pattern::new(text.clone());
            self.take()?;
            return Ok(Test::Anywhere(pattern));
        }
        let Kind::Word(word) = self.ahead.kind else { return Err(self.expected(TEST, [].into_iter())) };
        let lower = word.to_ascii_lowercase();
        let lower = lower.as_str();
        if let Some(counter) = find(Counter::ALL, Counter::as_str, lower) {
            self.take()?;
            return self.counter(None, counter);
        }
        if let Some(span) = find(Span::ALL, Span::as_str, lower) {
            self.take()?;
            return self.span(span);
        }
        if let Some(field) = find(TextField::ALL, TextField::as_str, lower) {
            self.take()?;
            return self.text(field);
        }
        if let Some(way) = find(Way::ALL, Way::as_str, lower) {
            self.take()?;
            let counter = self.word(COUNTER, &Counter::ALL, Counter::as_str)?;
            return self.counter(Some(way), counter);
        }
        if let Some(protocol) = protocol(lower).filter(|_| !lower.starts_with(|c: char| c.is_ascii_digit())) {
            self.take()?;
            return Ok(Test::Transport(protocol));
        }
        match lower {
            "host" | "net" => self.address(None),
            "port" => self.port(None),
            "client" => self.side(Peer::Client),
            "server" => self.side(Peer::Server),
            "ipv4" | "ipv6" => self.take().map(|_| Test::Ipv6(lower == "ipv6")),
            "transport" => {
                self.take()?;
                self.equal()?;
                self.value(TRANSPORT, |text| protocol(&text.to_ascii_lowercase())).map(Test::Transport)
            }
            "state" => {
                self.take()?;
                let negated = self.equality()?;
                let state = self.word(STATE, &TcpState::ALL, TcpState::as_str)?;
                Ok(Test::State { negated, state })
            }
            "role" => {
                self.take()?;
                let negated = self.equality()?;
                Ok(Test::Role { negated, role: self.word(ROLE, &Role::ALL, Role::as_str)? })
            }
            "scope" => {
                self.take()?;
                let negated = self.equality()?;
                Ok(Test::Scope { negated, scope: self.word(SCOPE, &Scope::ALL, Scope::as_str)? })
            }
            "since" => {
                self.take()?;
                self.value(TIME, Time::parse).map(Test::Since)
            }
            "before" => {
                self.take()?;
                self.value(TIME, Time::parse).map(Test::Before)
            }
            _ => Err(self.expected(TEST, test_words())),
        }
    }

    /// After `client` or `server`: what of that side.
    fn side(&mut self, side: Peer) -> Result<Test, FilterError> {
        self.take()?;
        match self.ahead.kind {
            Kind::Word(word) if word.eq_ignore_ascii_case("host") || word.eq_ignore_ascii_case("net") => {
                self.address(Some(side))
            }
            Kind::Word(word) if word.eq_ignore_ascii_case("port") => self.port(Some(side)),
            Kind::Word(word) if Network::parse(word).is_some() => {
                self.value(ADDRESS, Network::parse).map(|network| Test::Address { side: Some(side), network })
            }
            _ => Err(self.expected(SIDE, ["host", "net", "port"].into_iter())),
        }
    }

    /// At `host` or `net`.
    fn address(&mut self, side: Option<Peer>) -> Result<Test, FilterError> {
        self.take()?;
        self.equal()?;
        self.value(ADDRESS, Network::parse).map(|network| Test::Address { side, network })
    }

    /// At `port`.
    fn port(&mut self, side: Option<Peer>) -> Result<Test, FilterError> {
        self.take()?;
        let comparison = match self.ahead.kind {
            // "Some side has another port" is hardly what is meant by `!=`: `not port` says it.
            Kind::Compare(Comparison::NotEqual) => return Err(self.expected(PORT, ["not port"].into_iter())),
            Kind::Compare(comparison) => {
                self.take()?;
                comparison
            }
            _ => Comparison::Equal,
        };
        let (low, high) = self.value(PORT, |text| {
            let (low, high) = ports(text)?;
            match comparison {
                Comparison::Equal => Some((low, high)),
                _ if low != high => None,
                Comparison::Less => Some((0, low.checked_sub(1)?)),
                Comparison::LessOrEqual => Some((0, low)),
                Comparison::Greater => Some((low.checked_add(1)?, u16::MAX)),
                Comparison::GreaterOrEqual => Some((low, u16::MAX)),
                Comparison::NotEqual => None,
            }
        })?;
        Ok(Test::Port { side, low, high })
    }

    fn counter(&mut self, way: Option<Way>, counter: Counter) -> Result<Test, FilterError> {
        let Kind::Compare(comparison) = self.ahead.kind else {
            return Ok(Test::Counter { way, counter, comparison: Comparison::Greater, value: 0 });
        };
        self.take()?;
        let value = self.value(NUMBER, count)?;
        Ok(Test::Counter { way, counter, comparison, value })
    }

    fn span(&mut self, span: Span) -> Result<Test, FilterError> {
        let Kind::Compare(comparison) = self.ahead.kind else {
            return Err(self.expected(COMPARISON, [].into_iter()));
        };
        self.take()?;
        let value = self.value(DURATION, duration)?;
        Ok(Test::Span { span, comparison, value })
    }

    fn text(&mut self, field: TextField) -> Result<Test, FilterError> {
        let negated = self.equality()?;
        let pattern = match &self.ahead.kind {
            Kind::Word(word) => Pattern::new(*word),
            Kind::Quoted(text) => Pattern::new(text.clone()),
            _ => return Err(self.expected(TEXT, [].into_iter())),
        };
        self.take()?;
        Ok(Test::Text { field, negated, pattern })
    }

    /// An optional `=`.
    fn equal(&mut self) -> Result<(), FilterError> {
        if self.ahead.kind == Kind::Compare(Comparison::Equal) {
            self.take()?;
        }
        Ok(())
    }

    /// An optional `=` or `!=`; whether it is the latter.
    fn equality(&mut self) -> Result<bool, FilterError> {
        let negated = self.ahead.kind == Kind::Compare(Comparison::NotEqual);
        if negated {
            self.take()?;
        } else {
            self.equal()?;
        }
        Ok(negated)
    }

    /// One of a few words.
    fn word<T: Copy>(
        &mut self,
        wanted: &'static str,
        all: &[T],
        as_str: fn(T) -> &'static str,
    ) -> Result<T, FilterError> {
        let found = match self.ahead.kind {
            Kind::Word(word) => find(all.iter().copied(), as_str, &word.to_ascii_lowercase()),
            _ => None,
        };
        match found {
            Some(value) => self.take().map(|_| value),
            None => Err(self.expected(wanted, all.iter().map(|value| as_str(*value)))),
        }
    }

    /// A word, or a quoted text, that `read` understands.
    fn value<T>(
        &mut self,
        wanted: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, FilterError> {
        let value = match &self.ahead.kind {
            Kind::Word(word) => read(word),
            Kind::Quoted(text) => read(text),
            _ => None,
        };
        match value {
            Some(value) => self.take().map(|_| value),
            None => Err(self.expected(wanted, [].into_iter())),
        }
    }

    /// The error that the token ahead is not what is wanted.
    fn expected(&self, wanted: &'static str, words: impl Iterator<Item = &'static str>) -> FilterError {
        let nearest = match &self.ahead.kind {
            Kind::Word(word) => nearest(word, wanted, words),
            Kind::Compare(_) => words.last().filter(|word| word.starts_with("not ")),
            _ => None,
        };
        let Token { begin, end, .. } = self.ahead;
        error_at(self.source, begin, end, |found| ErrorKind::Expected { wanted, found, nearest })
    }
}

fn joined(mut parts: Vec<Expression>, join: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

fn find<T: Copy>(
    all: impl IntoIterator<Item = T>,
    as_str: impl Fn(T) -> &'static str,
    word: &str,
) -> Option<T> {
    all.into_iter().find(|value| as_str(*value) == word)
}

/// A transport by its name or its IP protocol number.
fn protocol(word: &str) -> Option<Protocol> {
    if word.len() <= 3 && !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
        return word.parse().ok().map(Protocol);
    }
    (0..=u8::MAX)
        .find(|number| match Transport::from_protocol(*number) {
            Transport::Other => false,
            known => known.as_str() == word,
        })
        .map(Protocol)
}

fn ports(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| -> Option<u16> {
        if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
    };
    // Names of services may have a hyphen too.
    if let Some(port) = number(text).or_else(|| services::port(&text.to_ascii_lowercase())) {
        return Some((port, port));
    }
    let (low, high) = text.split_once('-')?;
    let (low, high) = (number(low)?, number(high)?);
    (low <= high).then_some((low, high))
}

fn test_words() -> impl Iterator<Item = &'static str> {
    TESTS
        .into_iter()
        .chain(MORE_TESTS)
        .chain(Counter::ALL.map(Counter::as_str))
        .chain(Span::ALL.map(Span::as_str))
        .chain(TextField::ALL.map(TextField::as_str))
}

/// The word that may be meant.
fn nearest(
    word: &str,
    wanted: &'static str,
    words: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    // Comparing costs the product of the lengths; no word of ours is longer than this.
    if word.len() > 32 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    if wanted == TEST {
        if Network::parse(&word).is_some() {
            return Some("host");
        }
        if word.bytes().all(|b| b.is_ascii_digit() || b == b'-') && ports(&word).is_some() {
            return Some("port");
        }
        if let Some((_, ours)) = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == word) {
            return Some(ours);
        }
    }
    words
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
