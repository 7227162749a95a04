//! Records as JSON with their numbers, one each.

use monitor_core::record::Time;

use super::{Encode, Line};
use crate::sink::{
    Fields,
    json::Json,
    number::{Envelope, Mark, Origin},
};

/// Makes them.
pub(super) struct Encoder {
    json: Json,
    line: Vec<u8>,
    envelope: Option<(Origin, Envelope)>,
}

impl Encoder {
    pub(super) fn new(fields: &Fields) -> Self {
        Self { json: Json::new(fields), line: Vec::new(), envelope: None }
    }
}

/// What stands before the fields of this origin's records; made when it is another.
pub(super) fn envelope<'a>(kept: &'a mut Option<(Origin, Envelope)>, origin: &Origin) -> &'a Envelope {
    if kept.as_ref().is_none_or(|(of, _)| of != origin) {
        *kept = None;
    }
    &kept.get_or_insert_with(|| (origin.clone(), Envelope::new(origin))).1
}

impl Encode for Encoder {
    fn format(&self) -> u32 {
        1
    }

    fn record(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        self.line.clear();
        // A record has no value that JSON cannot have.
        if self.json.line(line.record, &mut self.line).is_err() || self.line.is_empty() {
            return false;
        }
        envelope(&mut self.envelope, line.origin).wrap(line.stream, line.number, &self.line, out);
        true
    }

    fn mark(&mut self, origin: &Origin, mark: &Mark, time: Time, out: &mut Vec<u8>) -> bool {
        envelope(&mut self.envelope, origin).mark(mark, time, out);
        true
    }
}
