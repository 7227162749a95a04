//! Credentials in clear text, by the form of the commands that carry them.
//!
//! What is looked at is never kept beyond the beginning of a line or message, and what is told is the
//! protocol alone. Only the beginning of a connection is read: that is where clients say who they are.

use crate::application::Application;

/// Bytes of a line or message that are kept until what they are is known.
const HEAD: usize = 64;

/// Bytes of a direction that are looked at.
const BYTES_MAX: u32 = 64 * 1024;

/// Protocols in which credentials are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Ftp,
    Smtp,
    Pop3,
    Imap,
    Telnet,
    Redis,
    Mqtt,
    Ldap,
    Postgresql,
    Mysql,
}

impl Speech {
    /// By what was recognised, else by the server's port.
    fn of(application: Option<Application>, server_port: u16) -> Option<Self> {
        match application {
            Some(Application::Ftp) => return Some(Self::Ftp),
            Some(Application::Smtp) => return Some(Self::Smtp),
            Some(Application::Pop3) => return Some(Self::Pop3),
            Some(Application::Imap) => return Some(Self::Imap),
            Some(Application::Redis) => return Some(Self::Redis),
            Some(Application::Mqtt) => return Some(Self::Mqtt),
            Some(Application::Postgresql) => return Some(Self::Postgresql),
            Some(Application::Mysql) => return Some(Self::Mysql),
            Some(_) => return None,
            None => {}
        }
        Some(match server_port {
            21 => Self::Ftp,
            23 => Self::Telnet,
            25 | 587 => Self::Smtp,
            110 => Self::Pop3,
            143 => Self::Imap,
            389 | 3268 => Self::Ldap,
            1883 => Self::Mqtt,
            3306 => Self::Mysql,
            5432 => Self::Postgresql,
            6379 => Self::Redis,
            _ => return None,
        })
    }

    /// What is told of it.
    const fn detail(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::Smtp => "smtp",
            Self::Pop3 => "pop3",
            Self::Imap => "imap",
            Self::Telnet => "telnet",
            Self::Redis => "redis",
            Self::Mqtt => "mqtt",
            Self::Ldap => "ldap",
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
        }
    }

    /// Whether it speaks in lines.
    const fn has_lines(self) -> bool {
        matches!(self, Self::Ftp | Self::Smtp | Self::Pop3 | Self::Imap | Self::Redis)
    }
}

/// Looks for credentials in the first bytes of a TCP connection.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    speech: Option<Speech>,
    line: Line,
    /// What the client says next is its secret.
    asked: bool,
    /// The user is nobody in particular.
    anonymous: bool,
    /// Lines of the command that goes on (Redis).
    lines: u8,
    read: u32,
    done: bool,
}

/// The beginning of a line of the client, or the end of one of a Telnet server.
#[derive(Clone, Debug)]
struct Line {
    bytes: [u8; HEAD],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; HEAD], length: 0 }
    }
}

impl Line {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default().trim_ascii()
    }
}

impl Watch {
    /// Takes the next bytes of a direction. Returns the protocol when they carry credentials; then, and
    /// when nothing more is to be expected, later bytes are ignored.
    pub fn read(
        &mut self,
        application: Option<Application>,
        server_port: u16,
        from_client: bool,
        bytes: &[u8],
    ) -> Option<&'static str> {
        if self.done {
            return None;
        }
        // What begins as a record of TLS is encrypted from here on (STARTTLS).
        if matches!(bytes, [0x16, 3, 0..=4, ..]) || self.read > BYTES_MAX {
            self.done = true;
            return None;
        }
        let speech = Speech::of(application, server_port)?;
        if self.speech != Some(speech) {
            *self = Self { speech: Some(speech), ..Self::default() };
        }
        self.read = self.read.saturating_add(bytes.len() as u32);
        let found = match (from_client, speech.has_lines()) {
            (true, true) => self.lines(speech, bytes),
            (true, false) => self.message(speech, bytes),
            (false, _) => {
                self.answer(speech, bytes);
                false
            }
        };
        self.done |= found;
        found.then(|| speech.detail())
    }

    /// Bytes of the client are missing: a line may be anything.
    pub fn gap(&mut self) {
        self.line.length = 0;
        self.asked = false;
    }

    /// Lines of a client.
    fn lines(&mut self, speech: Speech, bytes: &[u8]) -> bool {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if self.command(speech, line.get()) {
                return true;
            }
            if self.done {
                break;
            }
        }
        false
    }

    /// A whole line of a client, or its beginning.
    fn command(&mut self, speech: Speech, line: &[u8]) -> bool {
        // A star gives up (RFC 4954, 4).
        if std::mem::take(&mut self.asked) {
            return !line.is_empty() && line != b"*";
        }
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let is = |word: &[u8], wanted: &[u8]| word.eq_ignore_ascii_case(wanted);
        match speech {
            Speech::Ftp if is(first, b"USER") => {
                let user = words.next().unwrap_or_default();
                self.anonymous = is(user, b"anonymous") || is(user, b"ftp");
                false
            }
            Speech::Ftp => is(first, b"PASS") && !self.anonymous && words.next().is_some(),
            Speech::Pop3 if is(first, b"PASS") => words.next().is_some(),
            Speech::Smtp if is(first, b"DATA") || is(first, b"BDAT") => {
                // Mail follows, which may have such lines too.
                self.done = true;
                false
            }
            Speech::Smtp | Speech::Pop3 if is(first, b"AUTH") => self.mechanism(words),
            Speech::Imap => match words.next().unwrap_or_default() {
                word if is(word, b"LOGIN") => words.next().is_some(),
                word if is(word, b"AUTHENTICATE") => self.mechanism(words),
                word if is(word, b"APPEND") => {
                    self.done = true;
                    false
                }
                _ => false,
            },
            // An array of strings, each behind its length; or words in a line.
            Speech::Redis => {
                self.lines = if first.starts_with(b"*") { 0 } else { self.lines.saturating_add(1) };
                let inline = self.lines != 2 && is(first, b"AUTH") && words.next().is_some();
                let third = self.lines == 2 && is(first, b"AUTH");
                let later = self.lines == 6 && is(first, b"AUTH");
                inline || third || later
            }
            _ => false,
        }
    }

    /// A mechanism of SASL that sends the secret as it is, and perhaps the secret with it.
    fn mechanism<'a>(&mut self, mut words: impl Iterator<Item = &'a [u8]>) -> bool {
        let name = words.next().unwrap_or_default();
        let known: [&[u8]; 4] = [b"PLAIN", b"LOGIN", b"XOAUTH2", b"OAUTHBEARER"];
        if !known.iter().any(|word| name.eq_ignore_ascii_case(word)) {
            return false;
        }
        // An equals sign is an empty response (RFC 4954, 4).
        let sent = words.next().is_some_and(|word| word != b"=");
        self.asked = !sent;
        sent
    }

    /// Messages of a client that are no lines; they begin with a segment.
    fn message(&mut self, speech: Speech, bytes: &[u8]) -> bool {
        match speech {
            Speech::Mqtt => mqtt(bytes).unwrap_or(false),
            Speech::Ldap => ldap(bytes).unwrap_or(false),
            Speech::Postgresql => self.asked && bytes.first() == Some(&b'p'),
            Speech::Mysql => self.asked && !bytes.is_empty(),
            Speech::Telnet => {
                self.line.length = 0;
                self.asked && bytes.iter().any(u8::is_ascii_graphic)
            }
            _ => false,
        }
    }

    /// What a server asks for.
    fn answer(&mut self, speech: Speech, bytes: &[u8]) {
        match speech {
            // AuthenticationCleartextPassword.
            Speech::Postgresql => self.asked = bytes.starts_with(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]),
            // Request to switch to the method that sends the password as it is.
            Speech::Mysql => {
                self.asked = matches!(bytes, [_, _, _, _, 0xfe, name @ ..]
                    if name.starts_with(b"mysql_clear_password\0"));
            }
            Speech::Telnet => {
                for byte in bytes {
                    if *byte == b'\n' || self.line.length == HEAD {
                        self.line.length = 0;
                    }
                    if byte.is_ascii_graphic() {
                        self.line.push(byte.to_ascii_lowercase());
                    }
                }
                self.asked = self.line.get().ends_with(b"password:");
            }
            _ => {}
        }
    }
}

/// Whether a CONNECT of MQTT has a password (version 3.1.1, 3.1.2.3; version 5, 3.1.2.3).
fn mqtt(bytes: &[u8]) -> Option<bool> {
    let (0x10, mut rest) = bytes.split_first().map(|(kind, rest)| (*kind, rest))? else { return None };
    // The length has one to four bytes, all but the last with the highest bit.
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let flags = rest.get(1)?;
    Some(matches!(name, b"MQTT" | b"MQIsdp") && flags & 0x40 != 0)
}

/// Whether a `BindRequest` of LDAP has a password (RFC 4511, 4.2).
fn ldap(bytes: &[u8]) -> Option<bool> {
    let (0x30, message, _) = element(bytes)? else { return None };
    let (0x02, _, message) = element(message)? else { return None };
    let (0x60, bind, _) = element(message)? else { return None };
    let (0x02, _, bind) = element(bind)? else { return None };
    let (0x04, _, bind) = element(bind)? else { return None };
    let (0x80, password, _) = element(bind)? else { return None };
    Some(!password.is_empty())
}

/// Tag, value and what follows it (X.690, 8.1); of a value that is cut, what is there.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (value, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    Some((*tag, value, after))
}
