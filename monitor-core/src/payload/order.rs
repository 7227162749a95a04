//! Conversations in the order in which they were last heard.

/// No link.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    slot: u32,
    older: u32,
    newer: u32,
    /// Somebody is to be told when nothing comes any more.
    waits: bool,
    last: u64,
}

/// Where a conversation stands: its place in the order, and the slot of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Slot of the flow.
    pub slot: u32,
    pub(super) at: u32,
}

/// The order. Every step takes constant time, and looks nothing up.
#[derive(Debug)]
pub(super) struct Order {
    links: Vec<Link>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    /// The oldest that was not yet found silent.
    heard: u32,
}

impl Order {
    pub(super) const fn new() -> Self {
        Self { links: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE, heard: NONE }
    }

    pub(super) fn len(&self) -> usize {
        self.links.len() - self.free.len()
    }

    /// Adds the conversation of the flow in a slot as the newest.
    pub(super) fn add(&mut self, slot: u32, last: u64) -> u32 {
        let link = Link { slot, older: NONE, newer: NONE, waits: false, last };
        let at = self.free.pop().unwrap_or(self.links.len() as u32);
        match self.links.get_mut(at as usize) {
            Some(place) => *place = link,
            None => self.links.push(link),
        }
        self.link(at);
        at
    }

    /// It was heard again.
    pub(super) fn touch(&mut self, at: u32, last: u64, waits: bool) {
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
        if let Some(link) = self.links.get_mut(at as usize) {
            link.last = last;
            link.waits = waits;
        }
        if self.heard == NONE {
            self.heard = at;
        }
    }

    /// Its flow is in another slot now.
    pub(super) fn relocate(&mut self, at: u32, slot: u32) {
        if let Some(link) = self.links.get_mut(at as usize) {
            link.slot = slot;
        }
    }

    /// Takes it out.
    pub(super) fn remove(&mut self, at: u32) {
        self.unlink(at);
        self.free.push(at);
    }

    /// The one that was not heard for longest.
    pub(super) fn oldest(&self) -> Option<Place> {
        self.links.get(self.oldest as usize).map(|link| Place { slot: link.slot, at: self.oldest })
    }

    /// The next one that waits and was not heard since `before`.
    pub(super) fn silent(&mut self, before: u64) -> Option<Place> {
        while let Some(link) = self.links.get(self.heard as usize).copied()
            && link.last < before
        {
            let at = std::mem::replace(&mut self.heard, link.newer);
            if link.waits {
                return Some(Place { slot: link.slot, at });
            }
        }
        None
    }

    fn link(&mut self, at: u32) {
        let older = std::mem::replace(&mut self.newest, at);
        if let Some(link) = self.links.get_mut(at as usize) {
            (link.older, link.newer) = (older, NONE);
        }
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = at,
            None => self.oldest = at,
        }
        if self.heard == NONE {
            self.heard = at;
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(Link { older, newer, .. }) = self.links.get(at as usize).copied() else { return };
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
        if self.heard == at {
            self.heard = newer;
        }
    }
}
