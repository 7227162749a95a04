//! Server-sent events (WHATWG HTML, 9.2), as far as Weir sends them.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::ClientError;

/// Most bytes of an event.
const EVENT_BYTES: usize = 64 << 20;
/// Longest silence: an instance says something at each drain, and in between that it is there.
const SILENCE: Duration = Duration::from_secs(90);

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty where none was given.
    pub name: String,
    /// Its data, lines joined.
    pub data: Vec<u8>,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    url: String,
    body: Incoming,
    parser: Parser,
}

impl Events {
    pub(super) fn new(url: String, body: Incoming) -> Self {
        Self { url, body, parser: Parser::default() }
    }

    /// The next event. May be dropped on the way: what was read stays.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.parser.event() {
                return Ok(event);
            }
            let frame = timeout(SILENCE, self.body.frame())
                .await
                .map_err(|_| ClientError::Timeout { url: self.url.clone() })?;
            // However it ended: nobody is there any more.
            let Some(Ok(frame)) = frame else {
                return Err(ClientError::Ended { url: self.url.clone() });
            };
            if let Ok(data) = frame.into_data()
                && !self.parser.feed(&data)
            {
                let source = format!("an event of more than {EVENT_BYTES} bytes").into();
                return Err(ClientError::Exchange { url: self.url.clone(), source });
            }
        }
    }
}

/// Bytes to events, however they come.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: Vec<u8>,
    /// Up to where lines were taken from `bytes`.
    taken: usize,
    /// Up to where `bytes` have no end of a line.
    looked: usize,
    event: Event,
}

impl Parser {
    /// Takes bytes; `false`: an event is too long.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        self.bytes.drain(..self.taken);
        self.looked -= self.taken;
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
        self.bytes.len() + self.event.data.len() <= EVENT_BYTES
    }

    /// An event that is whole.
    pub fn event(&mut self) -> Option<Event> {
        loop {
            let rest = self.bytes.get(self.looked..)?;
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.looked = self.bytes.len();
                return None;
            };
            let line = self.bytes.get(self.taken..self.looked + end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let event = &mut self.event;
            let whole = line.is_empty();
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let (field, value) = line.split_at_checked(colon).unwrap_or_default();
            let value = value.strip_prefix(b":").unwrap_or(value);
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match field {
                b"event" => event.name = String::from_utf8_lossy(value).into_owned(),
                b"data" => {
                    event.data.extend_from_slice(value);
                    event.data.push(b'\n');
                }
                // Comments keep the connection alive, ids and times are for those who come back.
                _ => {}
            }
            self.looked += end + 1;
            self.taken = self.looked;
            if whole {
                let mut event = std::mem::take(&mut self.event);
                if event.data.pop().is_some() {
                    return Some(event);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_come() {
        let text = b": there\n\nevent: live\nid: 7\ndata: {\"a\":1}\n\ndata:one\r\ndata: two\r\n\r\nevent: no data\n\n";
        let expected = [
            Event { name: "live".to_owned(), data: b"{\"a\":1}".to_vec() },
            Event { name: String::new(), data: b"one\ntwo".to_vec() },
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for chunk in text.chunks(size) {
                assert!(parser.feed(chunk));
                events.extend(std::iter::from_fn(|| parser.event()));
            }
            assert_eq!(events, expected, "{size}");
            assert_eq!(parser.event.data, Vec::<u8>::new());
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1 << 20];
        assert!((0..100).any(|_| !parser.feed(&chunk) || parser.event().is_some()));
    }
}
