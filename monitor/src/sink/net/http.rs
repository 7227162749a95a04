//! HTTP/1.1 over a connection that somebody else made: requests with bodies, answers within bounds (RFC 9112).

use std::{fmt::Write as _, io::Write as _};

use flate2::{Compression, write::GzEncoder};

use super::{
    Fault,
    channel::{Channel, Way},
};
use crate::config::outputs::Peer;

/// Bytes of an answer at most; more than errors that are worth reading.
const LONGEST: usize = 1 << 20;
/// Fields of an answer's header at most, and its bytes.
const FIELDS: usize = 64;
const HEAD: usize = 64 << 10;
/// Answers that say nothing yet, before the one that does.
const INTERIM: usize = 16;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Fields of the header that was asked for.
    pub(super) field: Option<String>,
}

/// Asks one of several peers, as long as it answers.
pub(super) struct Client {
    way: Way,
    to: Vec<Peer>,
    turn: usize,
    channel: Option<Channel>,
    pub(super) sent: u64,
}

impl Client {
    pub(super) const fn new(way: Way, to: Vec<Peer>) -> Self {
        Self { way, to, turn: 0, channel: None, sent: 0 }
    }

    /// Posts a body, with lines of a header besides those of HTTP. `field`: the field of the answer that is wanted.
    pub(super) fn post(
        &mut self,
        target: &str,
        header: &[(&str, &str)],
        body: &[u8],
        field: &str,
    ) -> Result<Answer, Fault> {
        // Another one after a fault.
        self.turn += usize::from(self.channel.is_none());
        let peer = self.to.get(self.turn % self.to.len().max(1)).ok_or(Fault::Timeout)?.clone();
        let mut channel = match self.channel.take() {
            Some(channel) => channel,
            None => self.way.connect(&peer)?,
        };
        let mut head = format!(
            "POST {target} HTTP/1.1\r\nHost: {peer}\r\nUser-Agent: weir\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in header {
            // Writing to a string cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        channel.sent = 0;
        channel.send(head.as_bytes())?;
        channel.send(body)?;
        self.sent += channel.sent;
        let (answer, stays) = receive(&mut channel, field)?;
        self.channel = stays.then_some(channel);
        Ok(answer)
    }

    pub(super) fn close(&mut self) {
        self.channel = None;
    }
}

/// Compresses a body.
pub(super) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // It writes to memory, which cannot fail.
    drop(encoder.write_all(body));
    encoder.finish().unwrap_or_default()
}

/// Reads answers as long as there are some.
pub(super) fn hear(mut channel: Channel) {
    while let Ok((answer, stays)) = receive(&mut channel, "x-field") {
        drop(first_line(&answer.body));
        if !stays {
            break;
        }
    }
}

/// An answer, and whether the connection stays.
fn receive(channel: &mut Channel, wanted: &str) -> Result<(Answer, bool), Fault> {
    let mut bytes = Vec::new();
    channel.receive(&mut bytes)?;
    let mut interim = 0;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        let head = match parsed.parse(&bytes) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if bytes.len() < HEAD => {
                channel.receive(&mut bytes)?;
                continue;
            }
            Ok(httparse::Status::Partial) => {
                return Err(Fault::Protocol("the header does not end".to_owned()));
            }
            Err(error) => return Err(Fault::Protocol(error.to_string())),
        };
        let status = parsed.code.unwrap_or(0);
        let find = |name: &str| {
            let field = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            field.map(|field| String::from_utf8_lossy(field.value).trim().to_owned())
        };
        let close = find("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let length = find("content-length").and_then(|value| value.parse::<usize>().ok());
        let chunked = find("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let field = find(wanted);
        let minor = parsed.version;
        let mut rest = bytes.split_off(head);
        // 100 Continue says nothing yet (RFC 9110, 15.2).
        if (100..200).contains(&status) {
            interim += 1;
            if interim > INTERIM {
                return Err(Fault::Protocol("it never comes to its answer".to_owned()));
            }
            bytes = rest;
            continue;
        }
        let body = if chunked {
            chunks(channel, rest)?
        } else if let Some(length) = length {
            if length > LONGEST {
                return Err(Fault::Protocol("the answer is too long".to_owned()));
            }
            while rest.len() < length {
                channel.receive(&mut rest)?;
            }
            rest.truncate(length);
            rest
        } else if matches!(status, 204 | 304) {
            Vec::new()
        } else {
            // Its end is the connection's.
            while rest.len() < LONGEST && channel.receive(&mut rest).is_ok() {}
            return Ok((Answer { status, body: rest, field }, false));
        };
        return Ok((Answer { status, body, field }, !close && minor == Some(1)));
    }
}

/// A body in pieces that tell their lengths (RFC 9112, 7.1).
fn chunks(channel: &mut Channel, mut rest: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(&rest) {
            Ok(httparse::Status::Complete((begin, length))) => {
                let end = begin.saturating_add(length as usize);
                if body.len().saturating_add(length as usize) > LONGEST {
                    return Err(Fault::Protocol("the answer is too long".to_owned()));
                }
                while rest.len() < end + 2 {
                    channel.receive(&mut rest)?;
                }
                body.extend_from_slice(rest.get(begin..end).unwrap_or_default());
                rest.drain(..end + 2);
                if length == 0 {
                    return Ok(body);
                }
            }
            Ok(httparse::Status::Partial) if rest.len() < LONGEST => channel.receive(&mut rest)?,
            _ => return Err(Fault::Protocol("a piece has no length".to_owned())),
        }
    }
}

/// The first line of what a peer says, for a log.
pub(super) fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().next().unwrap_or_default();
    monitor_core::record::Text::from(line.chars().take(200).collect::<String>().as_str()).to_string()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        thread,
    };

    use super::*;

    /// What is made of what a peer says, again and again until it is hung up on or the time is over.
    fn heard(once: &str, again: &'static str) -> Result<Answer, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        peer.write_all(once.as_bytes()).unwrap();
        let says =
            thread::spawn(move || while !again.is_empty() && peer.write_all(again.as_bytes()).is_ok() {});
        let mut channel = Channel::to(ours);
        let answer = receive(&mut channel, "x-field").map(|(answer, _)| answer);
        drop(channel);
        says.join().unwrap();
        answer
    }

    #[test]
    fn answers_that_never_end_are_refused() {
        let whole =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Field: a\r\nContent-Length: 2\r\n\r\nok";
        let answer = heard(whole, "").unwrap();
        assert_eq!((answer.status, answer.body, answer.field.as_deref()), (200, b"ok".to_vec(), Some("a")));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let refused = |once: &str, again| heard(once, again).unwrap_err().to_string();
        for (once, again, why) in [
            ("HTTP/1.1 200 OK\r\nX: ", "aaaaaaaa", "the header does not end"),
            ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n", "never comes to its answer"),
            (chunked, "8\r\naaaaaaaa\r\n", "the answer is too long"),
            (chunked, ";", "a piece has no length"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", "a", "the answer is too long"),
        ] {
            let said = refused(once, again);
            assert!(said.contains(why), "{once:?}: {said}");
        }
        // Its end is the connection's: no more is taken than that.
        let answer = heard("HTTP/1.1 200 OK\r\n\r\n", "aaaaaaaa").unwrap();
        assert!(answer.body.len() <= LONGEST + 8192, "{}", answer.body.len());
    }
}
