//! Under which name a flow counts.
//!
//! A connection begins before it says with whom it speaks. So what a flow gains waits for its name, and
//! then counts under it whole: until a name is there that no other can outdo, at most [`WAIT`].

use super::{entry::Entry, owner::Owners};
use crate::{
    flow::record,
    names::{self, Known, Name},
    record::{NameSource, Text},
    services::ServiceTable,
    time::SECOND,
    totals::OTHER,
};

/// How long a flow waits for its name after its first packet, ns of the flow clock.
pub(crate) const WAIT: u64 = 2 * SECOND;

/// What a flow keeps for this.
#[derive(Clone, Debug, Default)]
pub(crate) struct Naming {
    pub(crate) held: Held,
    /// It counts under what is known of it, and was counted as a connection.
    decided: bool,
    /// Made when it counts: most of what is in a table at any time has none.
    labels: Option<Box<Labels>>,
}

/// What waits for a name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// As [`crate::totals::io_values`].
    pub(crate) io: [u64; 4],
    /// The same by the side that sent it.
    pub(crate) sent: [[u64; 4]; 2],
    /// Handshake, nanoseconds.
    pub(crate) handshake: Option<u64>,
    /// First response, nanoseconds.
    pub(crate) response: Option<u64>,
}

/// The keys of a flow in the families of names.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    /// What they were made of.
    known: Known,
    answered: bool,
    /// Registrable domain, empty if the name has none, and its source.
    pub(crate) domain: Option<Name>,
    pub(crate) application: Option<Text>,
}

impl Labels {
    pub(crate) const fn name(&self) -> Option<&Name> {
        self.known.name.as_ref()
    }

    /// Registrable domain of the name, or the name itself if it has none.
    pub(crate) fn registered(&self) -> Option<&Text> {
        let domain = self.domain.as_ref().map(|domain| &domain.text)?;
        if domain.as_str().is_empty() { self.name().map(|name| &name.text) } else { Some(domain) }
    }
}

/// What is to be counted now.
pub(crate) struct Due<'a> {
    pub(crate) held: Held,
    /// The flow was not yet counted as a connection.
    pub(crate) opened: bool,
    pub(crate) labels: &'a Labels,
    pub(crate) owners: &'a Owners,
}

impl Naming {
    /// It counts under what is known of it by now.
    pub(crate) const fn is_decided(&self) -> bool {
        self.decided
    }

    /// Another engine counted it, as a connection too if `decided`.
    pub(crate) const fn inherit(&mut self, decided: bool) {
        self.decided = decided;
    }

    /// A new connection counts under a name of its own; what waits goes with it.
    pub(crate) fn begin_anew(&mut self) {
        self.decided = false;
        self.labels = None;
    }

    /// Labels are made anew: what they are made from beside the flow is another.
    pub(crate) fn review(&mut self) {
        self.labels = None;
    }
}

/// What is to be counted of a flow at `now`, if it need not wait any more: `end` says that it cannot.
pub(crate) fn due<'a>(entry: &'a mut Entry, services: &ServiceTable, now: u64, end: bool) -> Option<Due<'a>> {
    let waits = !entry.naming.decided && !end && now < entry.begun.saturating_add(WAIT);
    if waits && !entry.talk.known.name.as_ref().is_some_and(is_final) {
        return None;
    }
    let fits = |labels: &Labels| labels.answered == entry.answered && labels.known == entry.talk.known;
    if !entry.naming.labels.as_deref().is_some_and(fits) {
        entry.naming.labels = Some(Box::new(labels(entry, services)));
    }
    let naming = &mut entry.naming;
    let opened = !std::mem::replace(&mut naming.decided, true);
    let held = std::mem::take(&mut naming.held);
    let owners = &entry.owners;
    naming.labels.as_deref().map(|labels| Due { held, opened, labels, owners })
}

/// Whether no other name can outdo it but one of the same kind, which comes too late.
fn is_final(name: &Name) -> bool {
    names::rank(name.source) <= names::rank(NameSource::Http)
}

fn labels(entry: &Entry, services: &ServiceTable) -> Labels {
    let known = entry.talk.known.clone();
    let domain = known
        .name
        .as_ref()
        .map(|name| Name { text: Text::from(name.domain().unwrap_or_default()), source: name.source });
    // A port says something only of a server that is there: a scan is to have no names.
    let application = record::application(entry, services)
        .filter(|(word, _)| (entry.answered || known.application.is_some()) && *word != OTHER)
        .map(|(word, _)| Text::from(word));
    Labels { answered: entry.answered, domain, application, known }
}
