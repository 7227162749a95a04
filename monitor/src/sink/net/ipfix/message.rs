//! Messages: a header, and sets of templates and of records.

use super::{TEMPLATE_SELF, TEMPLATE_V4, TEMPLATE_V6, elements};
use crate::{clock, config::outputs::Ipfix};

/// Bytes of a set's header (RFC 7011, 3.3.2).
const SET: usize = 4;
/// The bit of an element's number that says that an enterprise follows (RFC 7011, 3.2).
const ENTERPRISE: u16 = 0x8000;
/// Scope of what is said of the exporter: `exportingProcessId`; in version 9 the system (RFC 3954, 6.1).
const EXPORTER: u16 = 144;
const SYSTEM: u16 = 1;
/// Of the exporter: `exportedMessageTotalCount`, `exportedFlowRecordTotalCount`, `notSentFlowTotalCount`, and, of IPFIX
/// alone, its host as `observationDomainName`.
const OWN: [u16; 3] = [41, 42, 166];
const NAME: u16 = 300;

/// The exporter's numbers.
pub(super) struct Exporter {
    version_9: bool,
    domain: u32,
    host: String,
    /// IPFIX: records so far in this stream (RFC 7011, 3.1). NetFlow version 9: messages so far.
    pub(super) sequence: u32,
    messages: u64,
    records: u64,
}

/// A message that is being made.
pub(super) struct Message {
    version_9: bool,
    bytes: Vec<u8>,
    /// Where the open set begins, and its number.
    set: Option<(usize, u16)>,
    /// Records of data.
    data: u32,
    /// Records of every kind.
    count: u16,
}

impl Exporter {
    pub(super) fn new(settings: &Ipfix, host: &str) -> Self {
        let (version_9, domain) = (settings.version_9, settings.domain);
        let host = host.chars().filter(char::is_ascii_graphic).take(200).collect();
        Self { version_9, domain, host, sequence: 0, messages: 0, records: 0 }
    }

    /// Begins a message.
    pub(super) fn begin(&self) -> Message {
        let header = if self.version_9 { 20 } else { 16 };
        Message { version_9: self.version_9, bytes: vec![0; header], set: None, data: 0, count: 0 }
    }

    /// The bytes of a message that is complete, and its records of data.
    pub(super) fn end(&self, mut message: Message, now: u64) -> (Vec<u8>, u32) {
        message.close();
        let seconds = (now / 1_000_000_000) as u32;
        let mut header = Vec::with_capacity(20);
        if self.version_9 {
            header.extend(9_u16.to_be_bytes());
            header.extend(message.count.to_be_bytes());
            header.extend(((clock::now() / 1_000_000) as u32).to_be_bytes());
        } else {
            header.extend(10_u16.to_be_bytes());
            header.extend((message.bytes.len() as u16).to_be_bytes());
        }
        header.extend(seconds.to_be_bytes());
        header.extend(self.sequence.to_be_bytes());
        header.extend(self.domain.to_be_bytes());
        if let Some(place) = message.bytes.get_mut(..header.len()) {
            place.copy_from_slice(&header);
        }
        (message.bytes, message.data)
    }

    /// A message with so many records of data was sent.
    pub(super) const fn sent(&mut self, records: u32) {
        self.sequence = self.sequence.wrapping_add(if self.version_9 { 1 } else { records });
        self.messages += 1;
        self.records += records as u64;
    }
}

impl Message {
    fn put(&mut self, number: u16) {
        self.bytes.extend(number.to_be_bytes());
    }

    /// Goes on in a set of this number.
    fn open(&mut self, set: u16) {
        if self.set.is_some_and(|(_, open)| open == set) {
            return;
        }
        self.close();
        self.set = Some((self.bytes.len(), set));
        self.put(set);
        self.put(0);
    }

    /// Ends the open set.
    fn close(&mut self) {
        let Some((begin, _)) = self.set.take() else { return };
        if self.version_9 {
            while !(self.bytes.len() - begin).is_multiple_of(4) {
                self.bytes.push(0);
            }
        }
        let length = (self.bytes.len() - begin) as u16;
        if let Some(place) = self.bytes.get_mut(begin + 2..begin + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Whether a record fits into so many bytes; the first always does.
    pub(super) fn has_room(&self, template: u16, length: usize, most: usize) -> bool {
        let set = if self.set.is_some_and(|(_, open)| open == template) { 0 } else { SET + 3 };
        self.data == 0 || self.bytes.len() + set + length + 3 <= most
    }

    pub(super) const fn has_records(&self) -> bool {
        self.data != 0
    }

    /// Adds a record.
    pub(super) fn record(&mut self, template: u16, values: &[u8]) {
        self.open(template);
        self.bytes.extend_from_slice(values);
        self.data += 1;
        self.count += 1;
    }

    /// Adds all templates.
    pub(super) fn templates(&mut self, version_9: bool) {
        let (templates, options) = if version_9 { (0, 1) } else { (2, 3) };
        self.open(templates);
        for (number, v4) in [(TEMPLATE_V4, true), (TEMPLATE_V6, false)] {
            self.put(number);
            self.put(elements(version_9, v4).count() as u16);
            for element in elements(version_9, v4) {
                self.put(element.id | if element.enterprise == 0 { 0 } else { ENTERPRISE });
                self.put(element.length);
                if element.enterprise != 0 {
                    self.bytes.extend(element.enterprise.to_be_bytes());
                }
            }
            self.count += 1;
        }
        self.open(options);
        self.put(TEMPLATE_SELF);
        if version_9 {
            // Bytes of scopes and of options (RFC 3954, 6.1).
            self.put(4);
            self.put(OWN.len() as u16 * 4);
            self.put(SYSTEM);
        } else {
            self.put(OWN.len() as u16 + 2);
            self.put(1);
            self.put(EXPORTER);
        }
        self.put(4);
        for id in OWN {
            self.put(id);
            self.put(8);
        }
        if !version_9 {
            self.put(NAME);
            self.put(0xffff);
        }
        self.count += 1;
    }

    /// Adds what the exporter says of itself.
    pub(super) fn own(&mut self, exporter: &Exporter, lost: u64) {
        self.open(TEMPLATE_SELF);
        self.bytes.extend(std::process::id().to_be_bytes());
        for number in [exporter.messages, exporter.records, lost] {
            self.bytes.extend(number.to_be_bytes());
        }
        if !self.version_9 {
            self.bytes.push(exporter.host.len() as u8);
            self.bytes.extend_from_slice(exporter.host.as_bytes());
        }
        self.data += 1;
        self.count += 1;
    }
}
