//! IPFIX (RFC 7011) over UDP, TCP and TLS, with both directions in one record (RFC 5103), and NetFlow version 9
//! (RFC 3954) by the same writer.

mod elements;
mod message;

use std::sync::Arc;

use monitor_core::record::{AnyRecord, FlowRecord};

use self::{
    elements::{COMMON, Element, V4, V6, VERSION_9, VERSION_10},
    message::{Exporter, Message},
};
use super::{
    Encode, Fault, Line,
    channel::{Channel, Way},
    runner::{Deliver, Delivered, Portion},
};
use crate::{
    clock::{self, Stopwatch},
    config::outputs::{Ipfix, Peer},
    sink::spool::{Chunk, Kind, frames},
};

/// Numbers of templates: those below are other sets (RFC 7011, 3.4.1).
const TEMPLATE_V4: u16 = 256;
const TEMPLATE_V6: u16 = 257;
/// The exporter's own numbers.
const TEMPLATE_SELF: u16 = 258;

/// The elements of a template.
fn elements(version_9: bool, v4: bool) -> impl Iterator<Item = &'static Element> {
    let addresses: &[Element] = if v4 { const { &V4 } } else { const { &V6 } };
    let more: &[Element] = if version_9 { const { &VERSION_9 } } else { const { &VERSION_10 } };
    addresses.iter().chain(const { &COMMON }).chain(more)
}

/// Makes records: the number of their template, and their values.
pub(super) struct Encoder {
    pub(super) version_9: bool,
}

impl Encoder {
    fn flow(&self, flow: &FlowRecord, out: &mut Vec<u8>) {
        let v4 = flow.identity.client_ip.is_ipv4();
        out.extend((if v4 { TEMPLATE_V4 } else { TEMPLATE_V6 }).to_be_bytes());
        for element in elements(self.version_9, v4) {
            (element.put)(flow, out);
        }
    }
}

impl Encode for Encoder {
    fn format(&self) -> u32 {
        // What stands in a spool has the elements of then: a change of the lists above is another format.
        if self.version_9 { 0x9_0001 } else { 0xa_0001 }
    }

    fn record(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        match line.record {
            // The end of a flow that had been idle since its last record adds nothing: a collector that counts records
            // as flows would have one too many.
            AnyRecord::Flow(flow) if flow.sent.packets + flow.received.packets > 0 => {
                self.flow(flow, out);
                true
            }
            _ => false,
        }
    }
}

/// What the exporter says of itself.
pub(super) type Lost = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Sends records.
pub(super) struct Sender {
    way: Way,
    to: Vec<Peer>,
    settings: Ipfix,
    channel: Option<Channel>,
    exporter: Exporter,
    /// Since templates were told.
    told: Option<Stopwatch>,
    turn: usize,
    lost: Lost,
}

impl Sender {
    pub(super) fn new(way: Way, to: Vec<Peer>, settings: Ipfix, host: &str, lost: Lost) -> Self {
        let exporter = Exporter::new(&settings, host);
        Self { way, to, settings, channel: None, exporter, told: None, turn: 0, lost }
    }

    fn connect(&mut self) -> Result<(), Fault> {
        if self.channel.is_some() {
            return Ok(());
        }
        let peer = self.to.get(self.turn % self.to.len().max(1)).ok_or(Fault::Timeout)?;
        self.turn += 1;
        self.channel =
            Some(if self.settings.tcp { self.way.connect(peer)? } else { self.way.datagrams(peer)? });
        self.told = None;
        if self.settings.tcp {
            // Each connection is a stream of its own (RFC 7011, 3.1).
            self.exporter.sequence = 0;
        }
        Ok(())
    }

    /// Tells templates and what this exporter counts, if it is time.
    fn tell(&mut self) -> Result<(), Fault> {
        let again = !self.settings.tcp || self.told.is_none();
        if self.told.is_some_and(|told| told.elapsed() < self.settings.templates) {
            return Ok(());
        }
        let lost = (self.lost)();
        let mut message = self.exporter.begin();
        if again {
            message.templates(self.settings.version_9);
        }
        message.own(&self.exporter, lost);
        self.put(message)?;
        self.told = Some(Stopwatch::start());
        Ok(())
    }

    fn put(&mut self, message: Message) -> Result<(), Fault> {
        let (bytes, records) = self.exporter.end(message, clock::wall() as u64);
        let channel = self.channel.as_mut().ok_or(Fault::Timeout)?;
        channel.send(&bytes)?;
        self.exporter.sent(records);
        Ok(())
    }
}

impl Deliver for Sender {
    fn portion(&self) -> Portion {
        Portion { records: 1000, bytes: 1 << 20, linger: std::time::Duration::ZERO }
    }

    fn deliver(&mut self, chunk: &Chunk, count: &mut u64) -> Result<Delivered, Fault> {
        if !self.settings.tcp && self.exporter.sequence == 0 {
            // The stream of before goes on.
            self.exporter.sequence = *count as u32;
        }
        self.connect()?;
        let before = self.channel.as_ref().map_or(0, |channel| channel.sent);
        self.tell()?;
        let mut message = self.exporter.begin();
        for (frame, _) in frames(&chunk.bytes).filter(|(frame, _)| frame.kind == Kind::Record) {
            let Some((template, values)) = frame.body.split_first_chunk() else { continue };
            let template = u16::from_be_bytes(*template);
            if !message.has_room(template, values.len(), self.settings.mtu as usize) {
                self.put(std::mem::replace(&mut message, self.exporter.begin()))?;
            }
            message.record(template, values);
        }
        if message.has_records() {
            self.put(message)?;
        }
        *count = self.exporter.sequence.into();
        let sent = self.channel.as_ref().map_or(0, |channel| channel.sent);
        Ok(Delivered { refused: 0, bytes: sent - before })
    }

    fn idle(&mut self) -> Result<(), Fault> {
        if self.channel.is_none() {
            return Ok(());
        }
        self.tell()
    }

    fn close(&mut self) {
        self.channel = None;
    }
}
