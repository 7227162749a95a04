//! A message, read from the front as far as it goes.

use super::{DnsError, Name, RecordType};

/// A message whose header was read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: [u16; 6],
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// Answers; prerequisites of an update (RFC 2136).
    Answer,
    /// Authority; changes of an update.
    Authority,
    /// Additional.
    Additional,
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Name that is asked for.
    pub name: Name<'a>,
    /// Type that is asked for.
    pub kind: RecordType,
    /// Class; of mDNS with the bit that wants a unicast answer.
    pub class: u16,
}

/// A resource record. A message that is cut may leave one without time and data.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it stands.
    pub section: Section,
    /// Name of the owner.
    pub name: Name<'a>,
    /// Type.
    pub kind: RecordType,
    /// Class; of mDNS with the bit that flushes caches.
    pub class: u16,
    /// Seconds that it may be kept.
    pub ttl: Option<u32>,
    /// Its data, if it is whole.
    pub data: Option<&'a [u8]>,
    /// The message, which names within data may point into.
    pub(super) message: &'a [u8],
    /// Offset of the data in the message.
    pub(super) data_at: usize,
}

/// A question or a record.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// Of the first section.
    Question(Question<'a>),
    /// Of any other.
    Record(Record<'a>),
}

impl Message<'_> {
    /// Length of the header (RFC 1035, 4.1.1).
    pub const HEADER: usize = 12;
}

impl<'a> Message<'a> {
    /// Reads the header. What says that it is a message must be there, identifier and flags; numbers of
    /// entries that are cut off are not known.
    ///
    /// # Errors
    /// [`DnsError::Truncated`] for less than that.
    pub fn new(bytes: &'a [u8]) -> Result<Self, DnsError> {
        let (words, _) = bytes.as_chunks::<2>();
        if words.len() < 2 {
            return Err(DnsError::Truncated);
        }
        let mut header = [0; 6];
        for (field, word) in header.iter_mut().zip(words) {
            *field = u16::from_be_bytes(*word);
        }
        Ok(Self { bytes, header })
    }

    /// Whether nothing says that these bytes are a message: a query asks nothing, a header stands alone that
    /// announces more, or neither its flags nor the first entry are those of one. A message of which only a part is
    /// damaged is one.
    pub fn is_noise(&self) -> bool {
        let announced = self.header.iter().skip(2).any(|count| *count != 0);
        match self.bytes.len() {
            // A packet that was cut for whatever reason has the begin of one.
            ..Message::HEADER => self.is_plausible() == Some(false),
            // An error may repeat nothing of its query.
            Message::HEADER if announced => !self.is_truncated() || self.is_plausible() == Some(false),
            Message::HEADER => !self.is_response() || self.opcode() > 6,
            // Stateful operations (RFC 8490) have their contents behind a header without numbers.
            _ if !announced => !self.is_response() && self.opcode() != 6,
            _ => {
                let code_fits = if self.is_response() { self.rcode() <= 11 } else { self.rcode() == 0 };
                !(self.has_known_flags() && code_fits || self.begins_with_an_entry())
            }
        }
    }

    /// Whether the operation is known and the reserved bit not set.
    const fn has_known_flags(&self) -> bool {
        self.opcode() <= 6 && self.opcode() != 3 && self.flags() & 0x0040 == 0
    }

    /// Whether the first entry can be read and is of a class that is assigned (RFC 6895, 3.2). The upper bit is a
    /// flag of multicast DNS (RFC 6762, 5.4 and 10.2); of EDNS the class is a size.
    fn begins_with_an_entry(&self) -> bool {
        let (kind, class) = match self.entries().next() {
            Some(Ok(Entry::Question(question))) => (question.kind, question.class),
            Some(Ok(Entry::Record(record))) => (record.kind, record.class),
            _ => return false,
        };
        kind == RecordType::OPT || matches!(class & 0x7fff, 1 | 3 | 4 | 254 | 255)
    }

    /// Identifier.
    pub const fn id(&self) -> u16 {
        self.header[0]
    }

    const fn flags(&self) -> u16 {
        self.header[1]
    }

    /// Whether it is a response.
    pub const fn is_response(&self) -> bool {
        self.flags() & 0x8000 != 0
    }

    /// Operation code.
    pub const fn opcode(&self) -> u8 {
        (self.flags() >> 11 & 15) as u8
    }

    /// Whether it was cut to fit a datagram.
    pub const fn is_truncated(&self) -> bool {
        self.flags() & 0x0200 != 0
    }

    /// Response code of the header.
    pub const fn rcode(&self) -> u16 {
        self.flags() & 15
    }

    /// Whether it is an update (RFC 2136), whose sections mean something else.
    pub const fn is_update(&self) -> bool {
        self.opcode() == 5
    }

    /// Number of questions that the header announces.
    pub const fn question_count(&self) -> u16 {
        self.header[2]
    }

    /// Questions and records in their order, and at last the reason if not all could be read.
    pub const fn entries(&self) -> Entries<'a> {
        Entries {
            bytes: self.bytes,
            at: Message::HEADER,
            left: [self.header[2], self.header[3], self.header[4], self.header[5]],
            failed: if self.bytes.len() < Self::HEADER { Some(DnsError::Truncated) } else { None },
            done: false,
        }
    }

    /// The first question, if there is one and it is whole.
    pub fn question(&self) -> Option<Question<'a>> {
        match self.entries().next()? {
            Ok(Entry::Question(question)) => Some(question),
            _ => None,
        }
    }

    /// The first question if there is no other. More than one in a message has never come into use, and
    /// an answer to it would not say what it answers.
    pub fn only_question(&self) -> Option<Question<'a>> {
        if self.question_count() == 1 { self.question() } else { None }
    }

    /// Whether it is a response whose questions, and at least one answer, can be read.
    pub fn has_answer(&self) -> bool {
        let first = self.entries().find(|entry| !matches!(entry, Ok(Entry::Question(_))));
        self.is_response()
            && matches!(first, Some(Ok(Entry::Record(Record { section: Section::Answer, .. }))))
    }

    /// Whether nothing but a message looks like this: for ports that are not known for messages. A standard
    /// query with one question or a response to it, and all of it can be read; only a response may be cut.
    pub fn is_unmistakable(&self) -> bool {
        self.opcode() == 0
            && self.question_count() == 1
            && self.is_plausible() == Some(true)
            && self.header.iter().skip(3).all(|count| *count <= 64)
            && self.question().is_some_and(|question| question.class == 1)
            && self.entries().all(|entry| match entry {
                Ok(_) => true,
                Err(error) => self.is_response() && error == DnsError::Truncated,
            })
    }

    /// Whether this looks like a message and not like any bytes: for places where none may begin. A known
    /// operation, no reserved bit, and a first entry that can be read. `None`: it is cut before that.
    pub fn is_plausible(&self) -> Option<bool> {
        let query = !self.is_response();
        let counts_fit = self.question_count() <= 16 && (!query || self.header[3] == 0 || self.is_update());
        if !self.has_known_flags() || !counts_fit {
            return Some(false);
        }
        match self.entries().next() {
            Some(Err(DnsError::Truncated)) => None,
            first => Some(first.is_some_and(|first| first.is_ok())),
        }
    }
}

/// Walks over the sections; see [`Message::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
    left: [u16; 4],
    /// Why no entry follows the one that was given out last.
    failed: Option<DnsError>,
    done: bool,
}

impl<'a> Entries<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DnsError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let taken = *taken.ok_or(DnsError::Truncated)?;
        self.at += N;
        Ok(taken)
    }

    /// What questions and records begin with.
    fn head(&mut self) -> Result<(Name<'a>, RecordType, u16), DnsError> {
        let (name, end) = Name::read(self.bytes, self.at)?;
        self.at = end;
        let [t0, t1, c0, c1] = self.take::<4>()?;
        Ok((name, RecordType(u16::from_be_bytes([t0, t1])), u16::from_be_bytes([c0, c1])))
    }

    fn question(&mut self) -> Result<Entry<'a>, DnsError> {
        let (name, kind, class) = self.head()?;
        Ok(Entry::Question(Question { name, kind, class }))
    }

    fn record(&mut self, section: Section) -> Result<Entry<'a>, DnsError> {
        let (name, kind, class) = self.head()?;
        let mut record =
            Record { section, name, kind, class, ttl: None, data: None, message: self.bytes, data_at: 0 };
        if let Err(error) = self.value(&mut record) {
            self.failed = Some(error);
        }
        Ok(Entry::Record(record))
    }

    fn value(&mut self, record: &mut Record<'a>) -> Result<(), DnsError> {
        record.ttl = Some(u32::from_be_bytes(self.take()?));
        let length = usize::from(u16::from_be_bytes(self.take()?));
        let data = self.bytes.get(self.at..self.at + length).ok_or(DnsError::Truncated)?;
        record.data = Some(data);
        record.data_at = self.at;
        self.at += length;
        Ok(())
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, DnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if let Some(error) = self.failed {
            self.done = true;
            return Some(Err(error));
        }
        let index = self.left.iter().position(|left| *left != 0)?;
        if let Some(left) = self.left.get_mut(index) {
            *left -= 1;
        }
        let entry = match index {
            0 => self.question(),
            1 => self.record(Section::Answer),
            2 => self.record(Section::Authority),
            _ => self.record(Section::Additional),
        };
        self.done = entry.is_err();
        Some(entry)
    }
}
