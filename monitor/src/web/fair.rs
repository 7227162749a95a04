//! A bounded resource (threads, bytes) that clients take turns at: who waits stands behind those of the same client,
//! and the clients are served one after another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::asker::Client;
use crate::sync::lock;

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Which of a client's requests comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The one that has waited longest.
    Oldest,
    /// In turns the one that has waited longest and the one that came last: where many wait in vain, one that came
    /// last need not wait for all of them. The same of clients that were not served yet, among those that do not stand
    /// behind.
    OldestOrNewest,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fair {
    capacity: usize,
    most_waiting: usize,
    next: Next,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// Whether those behind are next.
    behind: bool,
    /// Whether, of those in front, the client that came last is next.
    newest: bool,
    held: usize,
    waiting: usize,
    number: u64,
    /// The clients that wait, in the order in which they are served.
    lines: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    client: Client,
    /// It stands behind those that do not, which have every other turn at least.
    behind: bool,
    waiting: VecDeque<Waiter>,
    newest: bool,
    /// It had a turn already.
    served: bool,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    weight: usize,
    ready: oneshot::Sender<Permit>,
}

/// A part of the resource; given back when this is dropped. Whoever works holds it, not who waits for the work.
#[derive(Debug)]
pub(super) struct Permit {
    fair: Arc<Fair>,
    weight: usize,
}

impl Fair {
    /// `capacity` of it, for which at most `most_waiting` may wait.
    pub(super) fn new(capacity: usize, most_waiting: usize, next: Next) -> Arc<Self> {
        Arc::new(Self { capacity, most_waiting, next, ledger: Mutex::default() })
    }

    /// Takes a part, when it is this client's turn. What is more than there is waits until nobody holds anything.
    ///
    /// # Errors
    /// When too many wait, and no other client has more of them.
    pub(super) async fn enter(self: &Arc<Self>, client: &Client, weight: usize) -> Result<Permit, Full> {
        self.wait(client, weight, true, false).await
    }

    /// The same, behind the clients that stand in front, if `behind`.
    pub(super) async fn stand(
        self: &Arc<Self>,
        client: &Client,
        weight: usize,
        behind: bool,
    ) -> Result<Permit, Full> {
        self.wait(client, weight, true, behind).await
    }

    /// The same for what has begun already, and is not to be turned away.
    pub(super) async fn go_on(self: &Arc<Self>, client: &Client, weight: usize) -> Result<Permit, Full> {
        self.wait(client, weight, false, false).await
    }

    async fn wait(
        self: &Arc<Self>,
        client: &Client,
        weight: usize,
        bounded: bool,
        behind: bool,
    ) -> Result<Permit, Full> {
        let (number, mut ready) = {
            let mut ledger = lock(&self.ledger);
            if ledger.waiting == 0 && self.fits(&ledger, weight) {
                ledger.held += weight;
                return Ok(Permit { fair: Arc::clone(self), weight });
            }
            if bounded && ledger.waiting >= self.most_waiting && !ledger.displace(client) {
                return Err(Full);
            }
            ledger.push(client, weight, behind)
        };
        let leaving = Leaving { fair: self, number };
        let permit = (&mut ready).await.map_err(|_| Full);
        drop(leaving);
        permit
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.ledger).waiting
    }

    /// Requests that ever waited.
    #[cfg(test)]
    pub(super) fn came(&self) -> u64 {
        lock(&self.ledger).number
    }

    /// How much is taken.
    pub(super) fn held(&self) -> usize {
        lock(&self.ledger).held
    }

    const fn fits(&self, ledger: &Ledger, weight: usize) -> bool {
        ledger.held == 0 || ledger.held + weight <= self.capacity
    }

    /// Gives what is free to those whose turn it is.
    fn serve(self: &Arc<Self>, ledger: &mut Ledger) {
        while let Some((at, line)) = ledger.next_line(self.next) {
            let newest = line.newest && self.next == Next::OldestOrNewest;
            let next = if newest { line.waiting.back() } else { line.waiting.front() };
            let Some(weight) = next.map(|waiter| waiter.weight) else {
                ledger.lines.remove(at);
                continue;
            };
            if !self.fits(ledger, weight) {
                return;
            }
            let Some(mut line) = ledger.lines.remove(at) else { return };
            ledger.behind = !line.behind;
            ledger.newest ^= !line.behind;
            let waiter = if newest { line.waiting.pop_back() } else { line.waiting.pop_front() };
            line.newest = !line.newest;
            line.served = true;
            if !line.waiting.is_empty() {
                ledger.lines.push_back(line);
            }
            let Some(waiter) = waiter else { continue };
            ledger.waiting -= 1;
            ledger.held += weight;
            if let Err(permit) = waiter.ready.send(Permit { fair: Arc::clone(self), weight }) {
                // Who waited has left. Its end would serve the next, and that is being done.
                ledger.held -= permit.defuse();
            }
        }
    }
}

impl Ledger {
    /// Whose turn it is: in turns one of those that stand in front and one of those behind.
    fn next_line(&self, next: Next) -> Option<(usize, &Line)> {
        let oldest = self.lines.iter().position(|line| line.behind == self.behind).unwrap_or(0);
        let in_front = self.lines.get(oldest).is_some_and(|line| !line.behind);
        let newest = (in_front && self.newest && next == Next::OldestOrNewest)
            .then(|| self.lines.iter().rposition(|line| !line.behind && !line.served))
            .flatten();
        let at = newest.unwrap_or(oldest);
        self.lines.get(at).map(|line| (at, line))
    }

    fn push(&mut self, client: &Client, weight: usize, behind: bool) -> (u64, oneshot::Receiver<Permit>) {
        let (ready, waits) = oneshot::channel();
        self.number += 1;
        self.waiting += 1;
        let waiter = Waiter { number: self.number, weight, ready };
        if let Some(line) = self.lines.iter_mut().find(|line| line.client == *client) {
            line.waiting.push_back(waiter);
        } else {
            let waiting = VecDeque::from([waiter]);
            self.lines.push_back(Line {
                client: client.clone(),
                behind,
                waiting,
                newest: false,
                served: false,
            });
        }
        (self.number, waits)
    }

    /// Makes room for a client at the cost of the one with most requests waiting: its last one goes.
    fn displace(&mut self, newcomer: &Client) -> bool {
        let own =
            self.lines.iter().find(|line| line.client == *newcomer).map_or(0, |line| line.waiting.len());
        let longest = self.lines.iter_mut().max_by_key(|line| line.waiting.len());
        let Some(line) = longest.filter(|line| line.waiting.len() > own + 1) else { return false };
        line.waiting.pop_back();
        self.waiting -= 1;
        true
    }
}

/// Takes a waiter out of its line, if it still stands there.
struct Leaving<'a> {
    fair: &'a Arc<Fair>,
    number: u64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut ledger = lock(&self.fair.ledger);
        let Ledger { lines, waiting, .. } = &mut *ledger;
        for line in lines.iter_mut() {
            if let Some(at) = line.waiting.iter().position(|waiter| waiter.number == self.number) {
                line.waiting.remove(at);
                *waiting -= 1;
                break;
            }
        }
        lines.retain(|line| !line.waiting.is_empty());
        // It may have stood before others that need less.
        self.fair.serve(&mut ledger);
    }
}

impl Permit {
    /// It is of another weight from now on, also if that is more than there is: then nobody else gets any.
    pub(super) fn resize(&mut self, weight: usize) {
        let mut ledger = lock(&self.fair.ledger);
        ledger.held = ledger.held - self.weight + weight;
        self.weight = weight;
        self.fair.serve(&mut ledger);
    }

    /// Its weight, which is not given back.
    fn defuse(mut self) -> usize {
        std::mem::take(&mut self.weight)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.weight > 0 {
            let mut ledger = lock(&self.fair.ledger);
            ledger.held -= self.weight;
            self.fair.serve(&mut ledger);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;

    fn client(n: u8) -> Client {
        Client::at([192, 0, 2, n].into())
    }

    /// Waits in a task of its own; returns once it stands in line.
    async fn stand(fair: &Arc<Fair>, n: u8, weight: usize) -> JoinHandle<Result<Permit, Full>> {
        let before = fair.came();
        let other = Arc::clone(fair);
        let task = tokio::spawn(async move { other.enter(&client(n), weight).await });
        while fair.came() == before && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        task
    }

    async fn served(task: JoinHandle<Result<Permit, Full>>) -> Permit {
        timeout(Duration::from_secs(20), task).await.unwrap().unwrap().unwrap()
    }

    #[tokio::test]
    async fn clients_are_served_in_turns_however_many_requests_one_has() {
        let fair = Fair::new(1, 100, Next::Oldest);
        let first = fair.enter(&client(1), 1).await.unwrap();
        let crowd = [stand(&fair, 1, 1).await, stand(&fair, 1, 1).await, stand(&fair, 1, 1).await];
        let other = stand(&fair, 2, 1).await;
        let [one, two, three] = crowd;
        drop(first);
        let permit = served(one).await;
        assert!(!other.is_finished() && !two.is_finished());
        drop(permit);
        let permit = served(other).await;
        assert!(!two.is_finished());
        drop(permit);
        drop(served(two).await);
        drop(served(three).await);
        assert_eq!((fair.held(), fair.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn who_leaves_is_not_served_and_costs_nothing() {
        let fair = Fair::new(1, 100, Next::Oldest);
        let first = fair.enter(&client(1), 1).await.unwrap();
        let (gone, stays) = (stand(&fair, 1, 1).await, stand(&fair, 1, 1).await);
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        assert_eq!(fair.waiting(), 1);
        drop(first);
        drop(served(stays).await);
        assert_eq!((fair.held(), fair.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn where_too_many_wait_the_client_with_most_of_them_gives_way() {
        let fair = Fair::new(1, 3, Next::Oldest);
        let _first = fair.enter(&client(1), 1).await.unwrap();
        let [_one, _two, last] =
            [stand(&fair, 1, 1).await, stand(&fair, 1, 1).await, stand(&fair, 1, 1).await];
        assert_eq!(fair.enter(&client(1), 1).await.unwrap_err(), Full, "its own are no reason");
        let _other = stand(&fair, 2, 1).await;
        assert_eq!(last.await.unwrap().unwrap_err(), Full);
        assert_eq!(fair.waiting(), 3);
        assert_eq!(fair.enter(&client(2), 1).await.unwrap_err(), Full, "both have as many as they can");
        assert_eq!(fair.waiting(), 3);
    }

    #[tokio::test]
    async fn weights_add_up_and_what_is_too_heavy_has_all_to_itself() {
        let fair = Fair::new(10, 100, Next::Oldest);
        let mut six = fair.enter(&client(1), 6).await.unwrap();
        let four = fair.enter(&client(1), 4).await.unwrap();
        let (heavy, light) = (stand(&fair, 2, 50).await, stand(&fair, 3, 1).await);
        six.resize(1);
        assert!(!heavy.is_finished() && !light.is_finished(), "none overtakes");
        drop(six);
        drop(four);
        let heavy = served(heavy).await;
        assert_eq!(fair.held(), 50);
        drop(heavy);
        drop(served(light).await);
        assert_eq!(fair.held(), 0);
    }

    #[tokio::test]
    async fn clients_in_front_have_every_other_turn_however_many_stand_behind() {
        let fair = Fair::new(1, 100, Next::Oldest);
        let first = fair.enter(&client(1), 1).await.unwrap();
        let behind = |n: u8| {
            let fair = Arc::clone(&fair);
            tokio::spawn(async move { drop(fair.stand(&client(n), 1, true).await.unwrap()) })
        };
        let crowd: Vec<_> = (2..12).map(behind).collect();
        while fair.waiting() < crowd.len() {
            tokio::task::yield_now().await;
        }
        let front = [stand(&fair, 50, 1).await, stand(&fair, 51, 1).await];
        drop(first);
        for (n, task) in front.into_iter().enumerate() {
            let permit = served(task).await;
            // One of those behind between the two.
            assert_eq!(crowd.iter().filter(|task| task.is_finished()).count(), n);
            drop(permit);
        }
        for task in crowd {
            timeout(Duration::from_secs(20), task).await.unwrap().unwrap();
        }
        assert_eq!((fair.held(), fair.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn one_who_comes_last_need_not_wait_for_all_before() {
        let fair = Fair::new(1, 100, Next::OldestOrNewest);
        let first = fair.enter(&client(1), 1).await.unwrap();
        let [oldest, _middle, newest] =
            [stand(&fair, 1, 1).await, stand(&fair, 1, 1).await, stand(&fair, 1, 1).await];
        drop(first);
        let permit = served(oldest).await;
        assert!(!newest.is_finished());
        drop(permit);
        drop(served(newest).await);
    }

    #[tokio::test]
    async fn a_client_that_comes_last_need_not_wait_for_all_clients_before_and_none_is_forgotten() {
        let fair = Fair::new(1, 100, Next::OldestOrNewest);
        let first = fair.enter(&client(1), 1).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        // The first has more than one request: it is not as good as new after each.
        let mut tasks = Vec::new();
        for n in [2, 2, 2, 3, 4, 5, 6] {
            let (fair, order, before) = (Arc::clone(&fair), Arc::clone(&order), fair.came());
            let other = Arc::clone(&fair);
            tasks.push(tokio::spawn(async move {
                let permit = other.enter(&client(n), 1).await.unwrap();
                lock(&order).push(n);
                drop(permit);
            }));
            while fair.came() == before {
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        for task in tasks {
            timeout(Duration::from_secs(20), task).await.unwrap().unwrap();
        }
        assert_eq!(*lock(&order), [2, 6, 3, 5, 4, 2, 2]);
        assert_eq!((fair.held(), fair.waiting()), (0, 0));
    }
}
