//! Flows whose addresses this host translates: before and behind it they have different 5-tuples, and are one flow.
//!
//! A flow has the 5-tuple that its first packet had before it was translated. Whatever is seen behind that is a further
//! sighting of it.

use std::collections::HashMap;
use std::net::SocketAddr;

use monitor_common::{
    abi::{Address, FlowKey, Side},
    account,
};

use crate::{host::Translation, record::Text, totals::Translations as Totals};

/// Translations that are known at most: as many as flows that are.
const MOST: usize = 131_072;

/// A 5-tuple without direction, as [`FlowKey`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    pub(crate) lower: Address,
    pub(crate) upper: Address,
    pub(crate) lower_port: u16,
    pub(crate) upper_port: u16,
    pub(crate) protocol: u8,
    pub(crate) ip_version: u8,
}

impl Ends {
    pub(crate) const fn of(key: &FlowKey) -> Self {
        Self {
            lower: key.lower,
            upper: key.upper,
            lower_port: key.lower_port,
            upper_port: key.upper_port,
            protocol: key.protocol,
            ip_version: key.ip_version,
        }
    }

    /// Those of a packet from one end to the other, and the side that sends it.
    fn between([from, to]: [SocketAddr; 2], protocol: u8) -> (Self, Side) {
        let address = |end: SocketAddr| match end {
            SocketAddr::V4(end) => Address::from_v4_octets(end.ip().octets()),
            SocketAddr::V6(end) => Address::from_octets(end.ip().octets()),
        };
        let ((source, source_port), (target, target_port)) =
            ((address(from), from.port()), (address(to), to.port()));
        let sender = account::sender(&source, source_port, &target, target_port);
        let (lower, upper) = match sender {
            Side::Lower => ((source, source_port), (target, target_port)),
            Side::Upper => ((target, target_port), (source, source_port)),
        };
        let ends = Self {
            lower: lower.0,
            upper: upper.0,
            lower_port: lower.1,
            upper_port: upper.1,
            protocol,
            ip_version: if from.is_ipv4() { 4 } else { 6 },
        };
        (ends, sender)
    }
}

/// What a 5-tuple is to a translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Translated {
    /// The 5-tuple before the translation.
    pub(crate) original: Ends,
    /// This is the one behind it.
    pub(crate) is_behind: bool,
    /// Its lower side is the upper one of the original.
    pub(crate) swapped: bool,
    /// What is behind, as it is shown.
    pub(crate) shown: Text,
}

#[derive(Debug)]
struct Known {
    translated: Translated,
    /// The other 5-tuple of the same translation.
    other: Ends,
    /// It ended: flows of it may still be to come until those that are in slots were read.
    ended: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Translations {
    /// By both of its 5-tuples.
    known: HashMap<Ends, Known>,
    /// Originals of those that ended.
    ended: Vec<Ends>,
    pub(crate) totals: Totals,
}

impl Translations {
    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What the 5-tuple of a key is to one.
    pub(crate) fn find(&self, key: &FlowKey) -> Option<&Translated> {
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&Ends::of(key)).map(|known| &known.translated)
    }

    /// One began.
    pub(crate) fn begin(&mut self, translation: &Translation) {
        let Translation { protocol, before, behind } = translation;
        if before == behind || before.iter().chain(behind).any(|end| end.is_ipv4() != before[0].is_ipv4()) {
            return;
        }
        let (original, first) = Ends::between(*before, *protocol);
        let (far, second) = Ends::between(*behind, *protocol);
        if self.known.len() >= 2 * MOST && !self.known.contains_key(&original) {
            self.totals.lost += 1;
            return;
        }
        // One that has it in its place already ended without a word.
        self.remove(&original);
        self.remove(&far);
        let shown = shown(translation);
        let entry = |is_behind, swapped, other| Known {
            translated: Translated { original, is_behind, swapped, shown: shown.clone() },
            other,
            ended: false,
        };
        self.known.insert(original, entry(false, false, far));
        if far != original {
            self.known.insert(far, entry(true, first != second, original));
        }
        self.totals.known = self.known.len() as u64 / 2;
    }

    /// One ended; it is known until [`Self::forget`].
    pub(crate) fn end(&mut self, translation: &Translation) {
        let (original, _) = Ends::between(translation.before, translation.protocol);
        if let Some(known) = self.known.get_mut(&original) {
            known.ended = true;
            self.ended.push(original);
        }
    }

    /// Forgets those that had ended when all flows that are in slots were read.
    pub(crate) fn forget(&mut self) {
        for original in std::mem::take(&mut self.ended) {
            if self.known.get(&original).is_some_and(|known| known.ended) {
                self.remove(&original);
            }
        }
        self.totals.known = self.known.len() as u64 / 2;
    }

    /// All that is known may be another by now.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.ended.clear();
    }

    fn remove(&mut self, ends: &Ends) {
        if let Some(known) = self.known.remove(ends)
            && self.known.get(&known.other).is_some_and(|other| other.other == *ends)
        {
            self.known.remove(&known.other);
        }
    }
}

/// The end that is another behind the translation; both, where both are.
fn shown(translation: &Translation) -> Text {
    let [source, target] = [0, 1].map(|i| {
        let (before, behind) = (translation.before[i], translation.behind[i]);
        (before != behind).then_some(behind)
    });
    match (source, target) {
        (Some(source), Some(target)) => Text::from(format!("{source} > {target}").as_str()),
        (Some(end), None) | (None, Some(end)) => Text::from(end.to_string().as_str()),
        (None, None) => Text::from(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: [&str; 2]) -> [SocketAddr; 2] {
        text.map(|end| end.parse().unwrap())
    }

    fn masqueraded(port: u16) -> Translation {
        Translation {
            protocol: 6,
            before: [([172, 17, 0, 2], port).into(), ([10, 0, 0, 9], 443).into()],
            behind: [([10, 0, 0, 1], port).into(), ([10, 0, 0, 9], 443).into()],
        }
    }

    fn key([from, to]: [SocketAddr; 2]) -> FlowKey {
        let (ends, _) = Ends::between([from, to], 6);
        FlowKey {
            lower: ends.lower,
            upper: ends.upper,
            lower_port: ends.lower_port,
            upper_port: ends.upper_port,
            protocol: 6,
            ip_version: ends.ip_version,
            ..FlowKey::default()
        }
    }

    #[test]
    fn both_5_tuples_are_of_one_flow_and_sides_are_told() {
        let mut all = Translations::default();
        let one = masqueraded(4000);
        all.begin(&one);
        let before = all.find(&key(one.before)).unwrap().clone();
        let behind = all.find(&key(one.behind)).unwrap().clone();
        assert_eq!(before.original, behind.original);
        assert_eq!((before.is_behind, behind.is_behind), (false, true));
        // 172.17.0.2 sorts behind 10.0.0.9, and 10.0.0.1 before it.
        assert_eq!((before.swapped, behind.swapped), (false, true));
        assert_eq!(behind.shown.as_str(), "10.0.0.1:4000");
        assert_eq!(all.find(&key(ends(["10.0.0.1:4000", "10.0.0.9:80"]))), None);
    }

    #[test]
    fn one_that_ended_is_known_until_slots_were_read_and_not_forgotten_when_it_began_again() {
        let mut all = Translations::default();
        let one = masqueraded(4000);
        all.begin(&one);
        all.end(&one);
        assert!(all.find(&key(one.behind)).is_some());
        all.begin(&one);
        all.forget();
        assert!(all.find(&key(one.behind)).is_some());
        all.end(&one);
        all.forget();
        assert!(all.is_empty());
        assert_eq!(all.totals.known, 0);
    }

    #[test]
    fn what_takes_the_place_of_another_leaves_nothing_of_it() {
        let mut all = Translations::default();
        let one = masqueraded(4000);
        let mut other = masqueraded(5000);
        other.behind = one.behind;
        all.begin(&one);
        all.begin(&other);
        assert_eq!(all.find(&key(one.before)), None);
        assert_eq!(all.find(&key(one.behind)).unwrap().original, Ends::of(&key(other.before)));
        // What changes nothing is no translation.
        all.begin(&Translation { protocol: 6, before: one.before, behind: one.before });
        assert_eq!(all.find(&key(one.before)), None);
    }

    #[test]
    fn there_is_a_bound_and_what_is_beyond_is_counted() {
        let mut all = Translations::default();
        for n in 0..MOST as u32 + 10 {
            let address = |first: u32| SocketAddr::from((((first << 24) + n).to_be_bytes(), 9));
            let mut one = masqueraded(1);
            one.before[0] = address(100);
            one.behind[0] = address(10);
            all.begin(&one);
        }
        assert_eq!((all.totals.known, all.totals.lost), (MOST as u64, 10));
    }
}
