//! Places of connections: bounded, and when all are taken, whoever keeps the server waiting the longest
//! gives way to whoever comes.
//!
//! A connection keeps the server waiting while it has said no whole request (new, slow with its header,
//! idle between two requests), and while it does not take what was written. Connections with a request in
//! work, or that take their answers, keep their places.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::state::lock;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    turns: Turns,
    taken: Mutex<Taken>,
}

/// Numbers moments: each is greater than the one before.
#[derive(Clone, Debug, Default)]
struct Turns(Arc<AtomicU64>);

impl Turns {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Relaxed)
    }
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, Arc<Seat>>,
}

/// A place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    seat: Arc<Seat>,
    _permit: OwnedSemaphorePermit,
}

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Seat {
    turns: Turns,
    waits: Mutex<Waits>,
    leave: Notify,
}

/// Since which turn the server waits for the client.
#[derive(Debug)]
struct Waits {
    /// For a request.
    request: Option<u64>,
    /// For what was written to be taken.
    write: Option<u64>,
}

impl Places {
    pub(super) fn new(count: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count));
        Arc::new(Self { free, turns: Turns::default(), taken: Mutex::default() })
    }

    /// A place for a connection that has just come, and whether another had to leave for it. `None`: all
    /// are at work.
    pub(super) async fn take(self: &Arc<Self>) -> Option<(Place, bool)> {
        let free = Arc::clone(&self.free);
        let (permit, displaced) = match Arc::clone(&free).try_acquire_owned() {
            Ok(permit) => (permit, false),
            // It leaves at its next step, which is now.
            Err(_) if self.displace() => (free.acquire_owned().await.ok()?, true),
            Err(_) => return None,
        };
        let seat = Arc::new(Seat::new(self.turns.clone()));
        let mut taken = lock(&self.taken);
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Arc::clone(&seat));
        drop(taken);
        Some((Place { places: Arc::clone(self), number, seat, _permit: permit }, displaced))
    }

    /// Tells the connection that has kept the server waiting the longest to leave; `false`: none has.
    fn displace(&self) -> bool {
        let mut taken = lock(&self.taken);
        let waiting = taken.seats.iter().filter_map(|(number, seat)| Some((seat.since()?, *number)));
        let longest = waiting.min().and_then(|(_, number)| taken.seats.remove(&number));
        longest.inspect(|seat| seat.leave.notify_one()).is_some()
    }
}

impl Place {
    pub(super) const fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.taken).seats.remove(&self.number);
    }
}

impl Default for Seat {
    /// One that shares its place with nobody.
    fn default() -> Self {
        Self::new(Turns::default())
    }
}

impl Seat {
    fn new(turns: Turns) -> Self {
        let waits = Waits { request: Some(turns.next()), write: None };
        Self { turns, waits: Mutex::new(waits), leave: Notify::new() }
    }

    fn since(&self) -> Option<u64> {
        let waits = lock(&self.waits);
        waits.write.or(waits.request)
    }

    /// Returns once this connection is to leave.
    pub(super) async fn left(&self) {
        self.leave.notified().await;
    }

    /// What was written is not taken, or is again.
    pub(super) fn writes(&self, stalled: bool) {
        let mut waits = lock(&self.waits);
        if stalled {
            waits.write.get_or_insert_with(|| self.turns.next());
        } else if waits.write.take().is_some() && waits.request.is_some() {
            waits.request = Some(self.turns.next());
        }
    }

    /// A request is in work as long as this is held.
    pub(super) fn work(self: &Arc<Self>) -> Work {
        lock(&self.waits).request = None;
        Work(Arc::clone(self))
    }
}

/// A request in work.
#[derive(Debug)]
pub(super) struct Work(Arc<Seat>);

impl Drop for Work {
    fn drop(&mut self) {
        lock(&self.0.waits).request = Some(self.0.turns.next());
    }
}

/// The body of an answer: the request is in work until all of it is written.
#[derive(Debug)]
pub(super) struct Answer {
    body: axum::body::Body,
    _work: Work,
}

impl Answer {
    pub(super) const fn new(body: axum::body::Body, work: Work) -> Self {
        Self { body, _work: work }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a place in a task that ends when it is told to leave.
    async fn come(places: &Arc<Places>) -> Option<(Arc<Seat>, bool)> {
        let (place, displaced) = places.take().await?;
        let seat = Arc::clone(place.seat());
        tokio::spawn(async move {
            place.seat().left().await;
            drop(place);
        });
        Some((seat, displaced))
    }

    fn is_there(places: &Places, seat: &Arc<Seat>) -> bool {
        lock(&places.taken).seats.values().any(|other| Arc::ptr_eq(other, seat))
    }

    #[tokio::test]
    async fn who_keeps_the_server_waiting_the_longest_gives_way() {
        let places = Places::new(3);
        let (first, _) = come(&places).await.unwrap();
        let (second, _) = come(&places).await.unwrap();
        let (third, displaced) = come(&places).await.unwrap();
        assert!(!displaced);
        // The first asks something, and is the last to wait again.
        drop(first.work());
        let (fourth, displaced) = come(&places).await.unwrap();
        assert!(displaced && !is_there(&places, &second));
        for seat in [&first, &third, &fourth] {
            assert!(is_there(&places, seat));
        }
    }

    #[tokio::test]
    async fn who_works_keeps_the_place_unless_it_does_not_take_its_answer() {
        let places = Places::new(2);
        let (first, _) = come(&places).await.unwrap();
        let (second, _) = come(&places).await.unwrap();
        let (_work, _other) = (first.work(), second.work());
        assert!(come(&places).await.is_none());
        first.writes(true);
        first.writes(false);
        assert!(come(&places).await.is_none());
        first.writes(true);
        assert!(come(&places).await.unwrap().1);
        assert!(!is_there(&places, &first) && is_there(&places, &second));
    }

    #[tokio::test]
    async fn a_place_is_free_once_its_connection_is_gone() {
        let places = Places::new(1);
        let (place, _) = places.take().await.unwrap();
        drop(place);
        assert!(!places.take().await.unwrap().1);
        assert!(lock(&places.taken).seats.is_empty());
    }
}
