//! One direction of a connection.

use super::{
    line::{Line, Lines},
    start::{self, Begin, Dialect, Version},
    value::http_scheme,
};
use crate::record::Text;

/// Bytes of a header beyond which it is given up: no server accepts more.
const HEADER_MAX: u32 = 256 * 1024;

/// A header that was read to its end.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// When its first byte came.
    pub(super) began: u64,
    pub(super) start: Start,
    pub(super) version: Option<Version>,
    /// The first Host field.
    pub(super) host: Option<Text>,
    pub(super) content_type: Option<Text>,
    content_length: Option<u64>,
    chunked: bool,
    /// What the Connection field says of staying open.
    close: Option<bool>,
    /// An Upgrade field names the WebSocket protocol (RFC 6455).
    pub(super) websocket: bool,
    /// What kind of credentials a field carries.
    pub(super) credentials: Option<&'static str>,
}

/// What a header begins with.
#[derive(Clone, Debug)]
pub(super) enum Start {
    Request { method: Text, is_head: bool, is_connect: bool, authority: Option<Text>, uri: Text },
    Response { status: u16 },
}

impl Header {
    fn new(start: Start, version: Option<Version>, began: u64) -> Self {
        Self {
            began,
            start,
            version,
            host: None,
            content_type: None,
            content_length: None,
            chunked: false,
            close: None,
            websocket: false,
            credentials: None,
        }
    }

    /// Whether the connection stays open after the message (RFC 9112, 9.3).
    pub(super) fn persistent(&self) -> bool {
        match self.close {
            Some(close) => !close,
            None => self.version.is_none_or(|version| version.minor >= 1),
        }
    }

    /// Takes a field line.
    fn field(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        // Most names are told apart by their length alone.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") && self.host.is_none() => {
                self.host = Some(Text::new(value));
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.websocket |= has_word(value, b"websocket");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                if has_word(value, b"close") {
                    self.close = Some(true);
                } else if has_word(value, b"keep-alive") {
                    self.close = Some(false);
                }
            }
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
                let media = value.get(..end).unwrap_or_default().trim_ascii();
                self.content_type = (!media.is_empty()).then(|| Text::new(media));
            }
            13 | 19
                if name.eq_ignore_ascii_case(b"authorization")
                    || name.eq_ignore_ascii_case(b"proxy-authorization") =>
            {
                self.credentials = http_scheme(value).or(self.credentials);
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.content_length = number(value, 10).or(self.content_length);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.chunked |= has_word(value, b"chunked");
            }
            _ => {}
        }
    }

    /// What follows the header. Of a response it depends on the request: `bodiless` if that was HEAD.
    fn body(&self, bodiless: bool) -> Body {
        match self.start {
            Start::Response { status } if status < 200 || matches!(status, 204 | 304) => Body::None,
            Start::Response { .. } if bodiless => Body::None,
            _ if self.chunked => Body::Chunked,
            Start::Response { .. } => self.content_length.map_or(Body::Rest, Body::Length),
            Start::Request { .. } => self.content_length.map_or(Body::None, Body::Length),
        }
    }
}

enum Body {
    None,
    Length(u64),
    Chunked,
    Rest,
}

/// Whether a list of words separated by commas has this one (RFC 9110, 5.6.1); parameters do not count.
fn has_word(list: &[u8], word: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|item| {
        let end = item.iter().position(|byte| *byte == b';').unwrap_or(item.len());
        item.get(..end).unwrap_or_default().trim_ascii().eq_ignore_ascii_case(word)
    })
}

/// A whole number, not signed, with nothing around it.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let clean = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    clean.then(|| u64::from_str_radix(text, radix).ok()).flatten()
}

/// Where in the stream the reader is.
#[derive(Debug, Default)]
enum State {
    /// Before a request or status line.
    #[default]
    Start,
    /// Among the fields of a header.
    Fields(Box<Header>),
    /// In a body of known length.
    Length(u64),
    /// In front of a chunk's size (RFC 9112, 7.1).
    ChunkSize,
    /// In a chunk's data and the line end behind it.
    Chunk(u64),
    /// Among the fields behind the last chunk.
    Trailer,
    /// In a body that ends with the connection.
    Rest,
    /// After a request that asks for a tunnel: HTTP only goes on if it was refused.
    Asked,
    /// Where a message begins is not known.
    Lost,
    /// Something else follows.
    Over,
}

/// Reads one direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    state: State,
    lines: Lines,
    /// Bytes of the present header.
    header: u32,
    /// When the present message began.
    began: u64,
    /// Messages are read without knowing what they answer: bodies may be absent where they are announced.
    pub(super) alone: bool,
    /// It went astray at least once.
    pub(super) resumed: bool,
}

/// What [`Half::step`] found.
pub(super) enum Step {
    /// A header.
    Header(Box<Header>),
    /// A message is over.
    Ended,
    /// All bytes were read.
    Nothing,
    /// The bytes that are left are no HTTP.
    Foreign,
}

impl Half {
    /// A direction whose next message may begin anywhere.
    pub(super) fn midway() -> Self {
        Self { state: State::Lost, ..Self::default() }
    }

    /// A segment begins here: the only place where a stream that lost its way is taken up again.
    pub(super) fn segment(&mut self, bytes: &[u8], dialect: Dialect) {
        let lost = match self.state {
            State::Lost => true,
            // Without the request it is not known whether a body was sent at all.
            State::Length(_) | State::Rest | State::Chunk(_) => self.alone && begins_status(bytes),
            _ => false,
        };
        if lost && matches!(start::begins(bytes, dialect), Begin::Message) {
            self.lines.clear();
            self.state = State::Start;
            self.header = 0;
            self.resumed = true;
        }
    }

    /// Reads on until something is found. `bytes` are advanced behind what was read.
    pub(super) fn step(&mut self, bytes: &mut &[u8], now: u64, dialect: Dialect) -> Step {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Start => {
                    if self.header == 0 {
                        self.began = now;
                    }
                    let before = bytes.len();
                    let line = self.lines.next(bytes);
                    self.header = self.header.saturating_add((before - bytes.len()) as u32);
                    match line {
                        None if self.header > HEADER_MAX => self.lose(),
                        None => {}
                        // Empty lines before a message are left over (RFC 9112, 2.2).
                        Some(line) if line.bytes.is_empty() => self.header = 0,
                        Some(line) => match header(line, self.began, dialect) {
                            Some(header) => self.state = State::Fields(Box::new(header)),
                            None => self.lose(),
                        },
                    }
                }
                State::Fields(header) => {
                    let before = bytes.len();
                    let line = self.lines.next(bytes);
                    self.header = self.header.saturating_add((before - bytes.len()) as u32);
                    match line {
                        _ if self.header > HEADER_MAX => self.lose(),
                        None => {}
                        Some(line) if !line.bytes.is_empty() => header.field(line.bytes),
                        Some(_) => {
                            self.header = 0;
                            let State::Fields(header) = std::mem::take(&mut self.state) else { continue };
                            return Step::Header(header);
                        }
                    }
                }
                State::Length(left) | State::Chunk(left) => {
                    let skip = (*left).min(bytes.len() as u64);
                    *left -= skip;
                    *bytes = bytes.get(skip as usize..).unwrap_or_default();
                    if *left == 0 {
                        if matches!(self.state, State::Length(_)) {
                            self.state = State::Start;
                            return Step::Ended;
                        }
                        self.state = State::ChunkSize;
                    }
                }
                State::ChunkSize => {
                    let Some(line) = self.lines.next(bytes) else { continue };
                    let end = line.bytes.iter().position(|b| *b == b';').unwrap_or(line.bytes.len());
                    let size = number(line.bytes.get(..end).unwrap_or_default().trim_ascii(), 16);
                    match size {
                        Some(0) => self.state = State::Trailer,
                        // The data is followed by a line end.
                        Some(size) if size < u64::MAX - 2 => self.state = State::Chunk(size + 2),
                        _ => self.lose(),
                    }
                }
                State::Trailer => {
                    let Some(line) = self.lines.next(bytes) else { continue };
                    if line.bytes.is_empty() {
                        self.state = State::Start;
                        return Step::Ended;
                    }
                }
                State::Asked => match start::begins(bytes, dialect) {
                    Begin::Message => self.state = State::Start,
                    _ => self.state = State::Over,
                },
                State::Rest | State::Lost => *bytes = &[],
                State::Over => return Step::Foreign,
            }
        }
        Step::Nothing
    }

    /// Goes on after a header. Returns whether the message is over with it.
    pub(super) fn after(&mut self, header: &Header, bodiless: bool) -> bool {
        match header.body(bodiless) {
            Body::None | Body::Length(0) => {
                self.state = State::Start;
                return true;
            }
            Body::Length(length) => self.state = State::Length(length),
            Body::Chunked => self.state = State::ChunkSize,
            Body::Rest => self.state = State::Rest,
        }
        false
    }

    /// A tunnel was asked for: what follows is decided when it comes.
    pub(super) fn ask(&mut self) {
        self.state = State::Asked;
    }

    /// Something else follows.
    pub(super) fn end(&mut self) {
        self.lines.clear();
        self.state = State::Over;
    }

    /// Bytes are missing. A body of known length goes on behind them, if they are all its own.
    pub(super) fn gap(&mut self, missing: u64) {
        match &mut self.state {
            State::Length(left) | State::Chunk(left) if *left > missing => *left -= missing,
            State::Length(left) if *left == missing => self.state = State::Start,
            State::Rest | State::Over => {}
            _ => self.lose(),
        }
    }

    /// Whether it reads a message, or waits for one where it must begin.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    fn lose(&mut self) {
        self.lines.clear();
        self.header = 0;
        self.state = State::Lost;
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.lines.memory() + if matches!(self.state, State::Fields(_)) { size_of::<Header>() } else { 0 }
    }
}

fn begins_status(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.")
}

/// The header that a start line begins.
fn header(line: Line<'_>, began: u64, dialect: Dialect) -> Option<Header> {
    if let Some((version, status)) = start::status(line.bytes) {
        return Some(Header::new(Start::Response { status }, Some(version), began));
    }
    let request = start::request(line.bytes, line.cut, dialect)?;
    let is_connect = request.method == b"CONNECT";
    let (authority, uri) = match start::absolute(request.target) {
        // An authority has no spaces (RFC 9112, 3.2.3): what some clients put behind it is not of it.
        _ if is_connect => {
            let target = request.target.split(|byte| *byte == b' ').next().unwrap_or_default();
            (Some(target), target)
        }
        Some((authority, path)) => (Some(authority), if path.is_empty() { &b"/"[..] } else { path }),
        None => (None, request.target),
    };
    let start = Start::Request {
        method: Text::new(request.method),
        is_head: request.method == b"HEAD",
        is_connect,
        authority: authority.filter(|authority| !authority.is_empty()).map(Text::new),
        uri: Text::new(if is_connect { uri } else { start::path(uri) }),
    };
    Some(Header::new(start, request.version, began))
}
