//! Memory of answers, for all clients together: what an answer holds is taken from it before it is made, and given
//! back when it is sent.
//!
//! Where it is short, answers that their clients do not take give way, of the client that holds most first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use axum::body::Bytes;
use tokio::time::sleep;

use super::asker::{Asker, Client};
use super::fair::{Fair, Full, Next, Permit};
use super::places::Work;
use crate::state::State;
use crate::sync::lock;
use crate::telemetry::Event;

/// How long one waits until another has to give way.
const PATIENCE: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(super) struct Budget {
    state: Arc<State>,
    bytes: Arc<Fair>,
    holders: Mutex<Holders>,
}

#[derive(Debug, Default)]
struct Holders {
    next: u64,
    all: BTreeMap<u64, Holder>,
}

/// An answer.
#[derive(Debug)]
struct Holder {
    client: Client,
    bytes: usize,
    /// The requests that it answers.
    requests: Vec<Weak<Work>>,
}

/// Memory of one answer.
#[derive(Debug)]
pub(super) struct Grant {
    budget: Arc<Budget>,
    number: u64,
    permit: Permit,
}

impl Budget {
    /// So many bytes, for which at most `most_waiting` may wait.
    pub(super) fn new(state: &Arc<State>, bytes: usize, most_waiting: usize) -> Arc<Self> {
        let bytes = Fair::new(bytes, most_waiting, Next::Oldest);
        Arc::new(Self { state: Arc::clone(state), bytes, holders: Mutex::default() })
    }

    /// Bytes that are taken.
    pub(super) fn held(&self) -> usize {
        self.bytes.held()
    }

    /// Answers that wait for some.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.waiting()
    }

    /// Takes memory for an answer, when it is this client's turn.
    ///
    /// # Errors
    /// When too many wait for it.
    pub(super) async fn take(self: &Arc<Self>, asker: &Asker, bytes: usize) -> Result<Grant, Full> {
        let entering = self.bytes.enter(&asker.client, bytes.max(1));
        tokio::pin!(entering);
        let permit = loop {
            tokio::select! {
                permit = &mut entering => break permit?,
                () = sleep(PATIENCE) => self.displace(),
            }
        };
        let holder =
            Holder { client: asker.client.clone(), bytes, requests: vec![Arc::downgrade(&asker.work)] };
        let mut holders = lock(&self.holders);
        holders.next += 1;
        let number = holders.next;
        holders.all.insert(number, holder);
        Ok(Grant { budget: Arc::clone(self), number, permit })
    }

    /// Ends an answer that is not taken.
    fn displace(&self) {
        let mut holders = lock(&self.holders);
        let mut sums: BTreeMap<&Client, usize> = BTreeMap::new();
        for holder in holders.all.values() {
            *sums.entry(&holder.client).or_default() += holder.bytes;
        }
        let stalled = holders.all.iter().filter(|(_, holder)| holder.is_stalled());
        let heaviest = stalled
            .max_by_key(|(number, holder)| (sums.get(&holder.client).copied(), std::cmp::Reverse(**number)));
        let Some(number) = heaviest.map(|(number, _)| *number) else { return };
        let Some(holder) = holders.all.get_mut(&number) else { return };
        // Told once: it leaves at its next step, and its memory with it.
        for work in std::mem::take(&mut holder.requests).iter().filter_map(Weak::upgrade) {
            work.seat().leave();
            self.state.events.emit(&Event::AnswerDisplaced { peer: work.seat().peer() });
        }
    }
}

impl Holder {
    /// Whether nobody takes it at the moment.
    fn is_stalled(&self) -> bool {
        let mut requests = self.requests.iter().filter_map(Weak::upgrade).peekable();
        requests.peek().is_some() && requests.all(|work| work.seat().is_stalled())
    }
}

impl Grant {
    /// The answer turned out to be of this size.
    pub(super) fn resize(&mut self, bytes: usize) {
        self.permit.resize(bytes.max(1));
        if let Some(holder) = lock(&self.budget.holders).all.get_mut(&self.number) {
            holder.bytes = bytes;
        }
    }

    /// These bytes hold it from now on, and all their clones.
    pub(super) fn with(mut self, bytes: Vec<u8>) -> Bytes {
        self.resize(bytes.capacity());
        Bytes::from_owner(Held { bytes, _grant: self })
    }

    /// It goes to these, too.
    pub(super) fn share(&self, requests: impl Iterator<Item = Weak<Work>>) {
        if let Some(holder) = lock(&self.budget.holders).all.get_mut(&self.number) {
            holder.requests.extend(requests);
        }
    }
}

/// Bytes with the memory that was taken for them.
struct Held {
    bytes: Vec<u8>,
    _grant: Grant,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        lock(&self.budget.holders).all.remove(&self.number);
    }
}
