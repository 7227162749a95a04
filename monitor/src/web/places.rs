//! Places of connections: bounded, and when all are taken, whoever keeps the server waiting the longest
//! gives way to whoever comes; where nobody does, a request of the client with most connections.
//!
//! A connection keeps the server waiting while it has said no whole request (new, slow with its header,
//! idle between two requests), and while it does not take what was written. Scrapes in work, and answers that are
//! taken, keep their places.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::asker::Client;
use crate::sync::lock;
use crate::telemetry::Peer;

/// How long who comes waits for a place where nobody gives way: answers in work are soon over.
const PATIENCE: Duration = Duration::from_secs(1);

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
    client: Client,
    peer: Peer,
    /// What is in work is a scrape.
    scrape: AtomicBool,
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
    pub(super) async fn take(self: &Arc<Self>, client: Client, peer: Peer) -> Option<(Place, bool)> {
        let free = Arc::clone(&self.free);
        let (permit, displaced) = match Arc::clone(&free).try_acquire_owned() {
            Ok(permit) => (permit, false),
            // It leaves at its next step, which is now.
            Err(_) if self.displace(&client) => (free.acquire_owned().await.ok()?, true),
            Err(_) => (timeout(PATIENCE, free.acquire_owned()).await.ok()?.ok()?, false),
        };
        let seat = Arc::new(Seat::new(self.turns.clone(), client, peer));
        let mut taken = lock(&self.taken);
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Arc::clone(&seat));
        drop(taken);
        Some((Place { places: Arc::clone(self), number, seat, _permit: permit }, displaced))
    }

    /// Tells a connection to leave: the one that has kept the server waiting the longest, or one of the client that
    /// has most of them, and more than the newcomer; `false`: there is none.
    fn displace(&self, newcomer: &Client) -> bool {
        let mut taken = lock(&self.taken);
        let waiting = taken.seats.iter().filter_map(|(number, seat)| Some((seat.since()?, *number)));
        let longest = waiting.min().map(|(_, number)| number);
        let Some(number) = longest.or_else(|| taken.of_the_crowd(newcomer)) else { return false };
        taken.seats.remove(&number).inspect(|seat| seat.leave()).is_some()
    }
}

impl Taken {
    /// The last request, which is no scrape, of the client with most connections.
    fn of_the_crowd(&self, newcomer: &Client) -> Option<u64> {
        let mut crowds: BTreeMap<&Client, usize> = BTreeMap::new();
        for seat in self.seats.values() {
            *crowds.entry(&seat.client).or_default() += 1;
        }
        let own = crowds.get(newcomer).copied().unwrap_or(0);
        let (crowd, _) = crowds.into_iter().max_by_key(|(_, n)| *n).filter(|(_, n)| *n > own + 1)?;
        let mut seats = self.seats.iter().rev();
        let last = seats.find(|(_, seat)| seat.client == *crowd && !seat.scrape.load(Relaxed));
        last.map(|(number, _)| *number)
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

#[cfg(test)]
impl Default for Seat {
    /// One that shares its place with nobody.
    fn default() -> Self {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        Self::new(Turns::default(), Client::at(address.ip()), Peer::Internet(address))
    }
}

impl Seat {
    fn new(turns: Turns, client: Client, peer: Peer) -> Self {
        let waits = Waits { request: Some(turns.next()), write: None };
        Self {
            client,
            peer,
            scrape: AtomicBool::new(false),
            turns,
            waits: Mutex::new(waits),
            leave: Notify::new(),
        }
    }

    /// One without a connection, for requests that are made up.
    pub(super) fn alone(client: Client, peer: Peer) -> Arc<Self> {
        Arc::new(Self::new(Turns::default(), client, peer))
    }

    /// Who has it.
    pub(super) const fn peer(&self) -> Peer {
        self.peer
    }

    /// Who it counts for, as long as no user is known.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Tells it to leave.
    pub(super) fn leave(&self) {
        self.leave.notify_one();
    }

    /// Whether what was written is not taken.
    pub(super) fn is_stalled(&self) -> bool {
        lock(&self.waits).write.is_some()
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
    pub(super) fn work(self: &Arc<Self>) -> Arc<Work> {
        lock(&self.waits).request = None;
        Arc::new(Work(Arc::clone(self)))
    }

    /// The request that is in work counts as waiting from now on: its answer is held back.
    pub(super) fn penalize(&self) {
        lock(&self.waits).request = Some(self.turns.next());
    }
}

/// A request in work.
#[derive(Debug)]
pub(super) struct Work(Arc<Seat>);

impl Work {
    /// The connection that it came on.
    pub(super) const fn seat(&self) -> &Arc<Seat> {
        &self.0
    }

    /// It is a scrape, which gives way to nobody.
    pub(super) fn is_scrape(&self) {
        self.0.scrape.store(true, Relaxed);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.scrape.store(false, Relaxed);
        lock(&self.0.waits).request = Some(self.0.turns.next());
    }
}

/// The body of an answer: the request is in work until all of it is written.
#[derive(Debug)]
pub(super) struct Answer {
    body: axum::body::Body,
    _work: Arc<Work>,
}

impl Answer {
    pub(super) const fn new(body: axum::body::Body, work: Arc<Work>) -> Self {
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

    fn client(n: u8) -> (Client, Peer) {
        let address = std::net::SocketAddr::from(([192, 0, 2, n], 1));
        (Client::at(address.ip()), Peer::Internet(address))
    }

    async fn come(places: &Arc<Places>) -> Option<(Arc<Seat>, bool)> {
        come_from(places, 1).await
    }

    /// Takes a place in a task that ends when it is told to leave.
    async fn come_from(places: &Arc<Places>, n: u8) -> Option<(Arc<Seat>, bool)> {
        let (client, peer) = client(n);
        let (place, displaced) = places.take(client, peer).await?;
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

    #[tokio::test(start_paused = true)]
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
        let come = || {
            let (client, peer) = client(1);
            places.take(client, peer)
        };
        let (place, _) = come().await.unwrap();
        drop(place);
        assert!(!come().await.unwrap().1);
        assert!(lock(&places.taken).seats.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_work_the_client_with_most_connections_gives_way_and_no_scrape_does() {
        let places = Places::new(4);
        let mut work = Vec::new();
        let mut seats = Vec::new();
        for _ in 0..4 {
            let (seat, _) = come_from(&places, 1).await.unwrap();
            work.push(seat.work());
            seats.push(seat);
        }
        work[3].is_scrape();
        assert!(come_from(&places, 1).await.is_none(), "its own give no way to it");
        let (other, displaced) = come_from(&places, 2).await.unwrap();
        assert!(displaced && !is_there(&places, &seats[2]) && is_there(&places, &seats[3]));
        let _busy = other.work();
        assert!(come_from(&places, 3).await.unwrap().1);
        assert!(!is_there(&places, &seats[1]) && is_there(&places, &other));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_waits_a_moment_for_a_place() {
        let places = Places::new(1);
        let (client, peer) = client(1);
        let (place, _) = places.take(client.clone(), peer).await.unwrap();
        let work = place.seat().work();
        let newcomer = places.take(client, peer);
        tokio::pin!(newcomer);
        assert!(timeout(Duration::from_millis(500), &mut newcomer).await.is_err());
        drop((work, place));
        assert!(!newcomer.await.unwrap().1);
    }
}
