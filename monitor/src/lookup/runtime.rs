//! Names of containers as their runtime has them: name, image, project and service of Compose, by the API of Docker,
//! which podman has too (`GET /containers/json`, `GET /events`), over its Unix socket.
//!
//! That socket is as good as root, so it is asked only where a setting names it. Both connections are made before rights
//! are given up, say all that they ever say at once, and are only read from then on: whoever took this process over
//! would find no way to ask for more.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use monitor_core::record::{Owner, Text};
use serde::Deserialize;

/// Containers that are remembered at most; of more none is.
const MOST: usize = 16_384;
/// Bytes of the list of containers, and of one event, that are read at most.
const LIST: u64 = 16 * 1024 * 1024;
const LINE: usize = 64 * 1024;
/// Bytes of an identifier: those of containers have 64.
const IDENTIFIER: usize = 128;
/// Bytes of events that are read at once.
const AT_ONCE: usize = 1024 * 1024;
/// A runtime answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a runtime calls a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Called {
    name: Option<Text>,
    image: Option<Text>,
    project: Option<Text>,
    service: Option<Text>,
}

impl Called {
    fn of(name: Option<&str>, image: Option<&str>, labels: &HashMap<String, String>) -> Self {
        let label = |key: &str| labels.get(key).map(|value| Text::from(value.as_str()));
        Self {
            // The API has it with a slash, events without.
            name: name.map(|name| Text::from(name.trim_start_matches('/'))),
            image: image.map(Text::from),
            project: label("com.docker.compose.project"),
            service: label("com.docker.compose.service"),
        }
    }

    /// Adds it to an owner.
    pub(super) fn tell(self, owner: &mut Owner) {
        (owner.container, owner.image) = (self.name, self.image);
        (owner.compose_project, owner.compose_service) = (self.project, self.service);
    }
}

/// One runtime.
#[derive(Debug)]
pub struct Runtime {
    events: Option<UnixStream>,
    /// What of an event has come so far.
    begun: Vec<u8>,
    containers: HashMap<String, Called>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Names", default)]
    names: Vec<String>,
    #[serde(rename = "Image")]
    image: Option<String>,
    #[serde(rename = "Labels", default)]
    labels: Option<HashMap<String, String>>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Actor")]
    actor: Actor,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    /// Name, image and labels, side by side.
    #[serde(rename = "Attributes", default)]
    attributes: HashMap<String, String>,
}

impl Runtime {
    /// Asks for what runs, and from now on for what is started.
    ///
    /// # Errors
    /// Nobody listens there, or it is not such a runtime.
    pub fn open(path: &Path) -> io::Result<Self> {
        // First: what is started while the list is read is in one of both.
        let filters = "%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%22rename%22%5D%7D";
        let events = ask(path, &format!("/events?filters={filters}"))?;
        let list = ask(path, "/containers/json?all=1")?;
        list.set_read_timeout(Some(PATIENCE))?;
        let mut answer = Vec::new();
        list.take(LIST).read_to_end(&mut answer)?;
        events.set_nonblocking(true)?;
        let mut this = Self { events: Some(events), begun: Vec::new(), containers: HashMap::new() };
        this.list(&answer)?;
        Ok(this)
    }

    /// Takes the list of what there is.
    fn list(&mut self, answer: &[u8]) -> io::Result<()> {
        let strange = |why: &str| io::Error::new(ErrorKind::InvalidData, why.to_owned());
        let body = body(answer).ok_or_else(|| strange("it does not answer as Docker's API does"))?;
        let listed: Vec<Listed> = serde_json::from_slice(body)
            .map_err(|error| strange(&format!("its list of containers: {error}")))?;
        for container in listed {
            let labels = container.labels.unwrap_or_default();
            let name = container.names.first().map(String::as_str);
            self.insert(container.id, Called::of(name, container.image.as_deref(), &labels));
        }
        Ok(())
    }

    /// What it calls a container.
    pub(super) fn find(&mut self, id: &str) -> Option<Called> {
        if !self.containers.contains_key(id) {
            self.hear();
        }
        self.containers.get(id).cloned()
    }

    fn insert(&mut self, id: String, called: Called) {
        if id.len() > IDENTIFIER {
            return;
        }
        if self.containers.len() >= MOST && !self.containers.contains_key(&id) {
            self.containers.clear();
        }
        self.containers.insert(id, called);
    }

    /// Reads events that have come.
    fn hear(&mut self) {
        let mut buffer = [0; 8192];
        let mut read = 0;
        while let Some(events) = &mut self.events
            && read < AT_ONCE
        {
            match events.read(&mut buffer) {
                // It was stopped: what was known stays.
                Ok(0) => self.events = None,
                Ok(n) => {
                    read += n;
                    self.take(buffer.get(..n).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.events = None,
            }
        }
    }

    /// Takes a piece of the stream: events, one a line, behind the head of the answer.
    fn take(&mut self, piece: &[u8]) {
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(line);
            if line.ends_with(b"\n") {
                let whole = std::mem::take(&mut self.begun);
                // Lines of the head are no JSON.
                if let Ok(Event { actor }) = serde_json::from_slice(&whole) {
                    let text = |key: &str| actor.attributes.get(key).map(String::as_str);
                    let called = Called::of(text("name"), text("image"), &actor.attributes);
                    self.insert(actor.id, called);
                }
            }
            // A line without an end is none.
            if self.begun.len() > LINE {
                self.begun.clear();
            }
        }
    }
}

/// Reads bytes as what a runtime answers.
pub(super) fn read_any(bytes: &[u8]) {
    let mut runtime = Runtime { events: None, begun: Vec::new(), containers: HashMap::new() };
    // What is not understood is an error, which says nothing here.
    drop(runtime.list(bytes));
    bytes.chunks(97).for_each(|piece| runtime.take(piece));
}

/// Sends a question; HTTP/1.0 has answers in one piece.
fn ask(path: &Path, what: &str) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {what} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    Ok(stream)
}

/// What follows the head of an answer that is not an error.
fn body(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = answer.get(..end)?;
    let status = head.split(|byte| *byte == b' ').nth(1)?;
    (head.starts_with(b"HTTP/1.") && status == b"200").then(|| answer.get(end + 4..)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Runtime {
        Runtime { events: None, begun: Vec::new(), containers: HashMap::new() }
    }

    #[test]
    fn events_come_in_pieces_and_name_containers() {
        let stream = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n\
            {\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"0f\",\"Attributes\":{\"name\":\"shop-web-1\",\
            \"image\":\"nginx:1.27\",\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"web\"}}}\n\
            {\"Type\":\"container\",\"Actor\":{\"ID\":\"1f\",\"Attributes\":{\"name\":\"\\u001b[2J\"}}}\nnonsense\n";
        for length in [1, 7, stream.len()] {
            let mut runtime = empty();
            stream.chunks(length).for_each(|piece| runtime.take(piece));
            let mut owner = Owner::default();
            runtime.find("0f").unwrap().tell(&mut owner);
            let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
            assert_eq!(
                [&owner.container, &owner.image, &owner.compose_project, &owner.compose_service].map(text),
                ["shop-web-1", "nginx:1.27", "shop", "web"].map(|text| Some(text.to_owned()))
            );
            assert_eq!(runtime.find("1f").unwrap().name.unwrap().as_str(), "\\x1b[2J");
            assert_eq!(runtime.find("2f"), None);
        }
    }

    #[test]
    fn whatever_a_runtime_sends_is_bounded() {
        let mut runtime = empty();
        for _ in 0..64 {
            runtime.take(&[b'x'; 8192]);
        }
        assert!(runtime.begun.len() <= LINE + 8192);
        for n in 0..MOST + 10 {
            runtime.insert(n.to_string(), Called::default());
        }
        assert!(runtime.containers.len() <= MOST);
        let long = "0".repeat(IDENTIFIER + 1);
        runtime.take(format!("{{\"Actor\":{{\"ID\":\"{long}\"}}}}\n").as_bytes());
        assert_eq!(runtime.find(&long), None);
    }

    #[test]
    fn answers_that_are_none_are_refused() {
        assert_eq!(body(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n[]"), Some(&b"[]"[..]));
        for answer in ["", "HTTP/1.0 404 Not Found\r\n\r\n[]", "SSH-2.0-x\r\n\r\n", "HTTP/1.0 200 OK\r\n"] {
            assert_eq!(body(answer.as_bytes()), None, "{answer}");
        }
    }
}
