//! Work on threads that may block: bounded, shared fairly, and begun only for somebody who still waits for it.
//!
//! The permit goes into the work and comes back with its end. A client that hangs up drops its request and nothing
//! else: what had begun learns from its [`Token`] that nobody waits, what had not begun never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::asker::Client;
use super::fair::{Fair, Full, Next, Permit};

/// Whether somebody waits for a piece of work; to be asked between its parts.
#[derive(Clone, Debug)]
pub(super) struct Token {
    given_up: Arc<AtomicBool>,
    stopping: watch::Receiver<bool>,
}

impl Token {
    pub(super) fn is_wanted(&self) -> bool {
        !self.given_up.load(Ordering::Relaxed) && !*self.stopping.borrow()
    }
}

/// Somebody waits as long as this is there.
#[derive(Debug)]
pub(super) struct Interest(Arc<AtomicBool>);

impl Interest {
    /// One, and what the work may ask. `stopping` ends all work.
    pub(super) fn new(stopping: &watch::Sender<bool>) -> (Self, Token) {
        let given_up = Arc::new(AtomicBool::new(false));
        (Self(Arc::clone(&given_up)), Token { given_up, stopping: stopping.subscribe() })
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// Too many wait already.
    Full,
    /// It was given up, or it failed.
    Ended,
}

impl From<Full> for Undone {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// Threads for one kind of work.
#[derive(Debug)]
pub(super) struct Pool {
    places: Arc<Fair>,
    stopping: watch::Sender<bool>,
}

impl Pool {
    pub(super) fn new(
        threads: usize,
        most_waiting: usize,
        next: Next,
        stopping: &watch::Sender<bool>,
    ) -> Self {
        Self { places: Fair::new(threads, most_waiting, next), stopping: stopping.clone() }
    }

    /// Those that wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.places.waiting()
    }

    /// Threads that work.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.places.held()
    }

    /// Requests that ever waited.
    #[cfg(test)]
    pub(super) fn came(&self) -> u64 {
        self.places.came()
    }

    /// Takes a thread away from the rest.
    #[cfg(test)]
    pub(super) async fn enter(&self, client: &Client) -> Result<Permit, Full> {
        self.places.enter(client, 1).await
    }

    /// Does a piece of work when it is this client's turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        client: &Client,
        work: impl FnOnce(&Token) -> Option<T> + Send + 'static,
    ) -> Result<T, Undone> {
        self.run_behind(client, false, work).await
    }

    /// The same; `behind`: clients that are not go first, every other time.
    pub(super) async fn run_behind<T: Send + 'static>(
        &self,
        client: &Client,
        behind: bool,
        work: impl FnOnce(&Token) -> Option<T> + Send + 'static,
    ) -> Result<T, Undone> {
        let permit = self.places.stand(client, 1, behind).await?;
        self.with(permit, work).await.map(|(done, _)| done)
    }

    /// The next part of what has begun: it is not turned away.
    pub(super) async fn go_on<T: Send + 'static>(
        &self,
        client: &Client,
        work: impl FnOnce(&Token) -> Option<T> + Send + 'static,
    ) -> Result<T, Undone> {
        self.paused(client, work).await.map(|(done, _)| done)
    }

    /// The same; the place is taken until the permit is dropped.
    pub(super) async fn paused<T: Send + 'static>(
        &self,
        client: &Client,
        work: impl FnOnce(&Token) -> Option<T> + Send + 'static,
    ) -> Result<(T, Permit), Undone> {
        let permit = self.places.go_on(client, 1).await?;
        self.with(permit, work).await
    }

    async fn with<T: Send + 'static>(
        &self,
        permit: Permit,
        work: impl FnOnce(&Token) -> Option<T> + Send + 'static,
    ) -> Result<(T, Permit), Undone> {
        let (interest, token) = Interest::new(&self.stopping);
        let task = tokio::task::spawn_blocking(move || {
            let done = token.is_wanted().then(|| work(&token)).flatten()?;
            Some((done, permit))
        });
        let done = task.await;
        drop(interest);
        done.ok().flatten().ok_or(Undone::Ended)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn pool(threads: usize) -> Arc<Pool> {
        Arc::new(Pool::new(threads, 100, Next::Oldest, &watch::Sender::new(false)))
    }

    fn client() -> Client {
        Client::at([192, 0, 2, 1].into())
    }

    #[tokio::test]
    async fn a_place_is_free_when_the_work_ends_and_not_when_its_client_leaves() {
        let pool = pool(1);
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let other = Arc::clone(&pool);
        let request = tokio::spawn(async move {
            let work = move |token: &Token| {
                begun.send(token.clone()).unwrap();
                let _ = may_go.recv();
                Some(())
            };
            other.run(&client(), work).await
        });
        let token = tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        assert!(token.is_wanted());
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert!(!token.is_wanted(), "the work can know");
        // The thread is still taken.
        let other = Arc::clone(&pool);
        let next = tokio::spawn(async move { other.run(&client(), |_| Some(7)).await });
        while pool.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!next.is_finished());
        go.send(()).unwrap();
        assert_eq!(timeout(Duration::from_secs(20), next).await.unwrap().unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_never_begins() {
        let pool = pool(1);
        let held = pool.places.enter(&client(), 1).await.unwrap();
        let (began, mut begun) = tokio::sync::oneshot::channel::<()>();
        let other = Arc::clone(&pool);
        let request = tokio::spawn(async move {
            let work = move |_: &Token| began.send(()).ok();
            other.run(&client(), work).await
        });
        while pool.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        request.abort();
        let _ = request.await;
        drop(held);
        pool.run(&client(), |_| Some(())).await.unwrap();
        assert!(begun.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_server_that_stops_ends_all_work() {
        let stopping = watch::Sender::new(false);
        let (_interest, token) = Interest::new(&stopping);
        assert!(token.is_wanted());
        stopping.send_replace(true);
        assert!(!token.is_wanted());
    }
}
