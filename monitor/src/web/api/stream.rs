//! Server-sent events (HTML Living Standard, 9.2): a body that goes on with each drain.
//!
//! Nothing is made for a reader that does not read: the connection asks for the next event when the one
//! before is written, and gets that of the last drain. So a slow reader holds one event, and misses some.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame};
use monitor_core::filter::Filter;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

use crate::clock;
use crate::view::live::{History, Query, json};
use crate::web::Web;

/// How long nothing may be said: proxies and browsers give up silent connections, and so does the page. It is an
/// event because a browser does not tell a page of comments.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A watcher and what it was told.
pub(super) struct Watcher {
    web: Arc<Web>,
    query: Arc<Query>,
    filter: Option<Arc<Filter>>,
    drains: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// The first step of the history that was not told; `None`: nothing was.
    from: Option<u64>,
    /// The last event's id.
    id: u64,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    pub(super) fn new(
        web: &Arc<Web>,
        query: Query,
        filter: Option<Filter>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut drains = web.state.watch_drains();
        // The last drain is news to who just came.
        drains.mark_changed();
        Self {
            web: Arc::clone(web),
            query: Arc::new(query),
            filter: filter.map(Arc::new),
            drains,
            stopping: web.stopping.subscribe(),
            from: None,
            id: 0,
            _place: place,
        }
    }

    /// Waits for something to tell; `None`: the server stops.
    async fn next(mut self) -> Option<(Self, Bytes)> {
        let Some(from) = self.from else {
            let (history, next) = History::since(&self.web.state.engine(), 0);
            self.from = Some(next);
            let text = self.event("history", &json(&history));
            return Some((self, text));
        };
        let drained = tokio::select! {
            // An error means that whoever could stop or drain is gone.
            _ = self.stopping.wait_for(|stop| *stop) => return None,
            drained = self.drains.changed() => drained.map(|()| true).ok()?,
            () = sleep(HEARTBEAT) => false,
        };
        if !drained {
            // Without data no event would be told.
            let text = self.event("quiet", "{}");
            return Some((self, text));
        }
        let shared = Arc::clone(&self.web);
        let turn = shared.writers.acquire().await.ok()?;
        let (web, query, filter) = (Arc::clone(&self.web), Arc::clone(&self.query), self.filter.clone());
        let live = move || web.state.shared.live(&web.state, &query, filter.as_deref(), from);
        let (data, next) = tokio::task::spawn_blocking(live).await.ok()?;
        drop(turn);
        self.from = Some(next);
        let text = self.event("live", &data);
        Some((self, text))
    }

    /// Ids are milliseconds of the clock, so that they also grow when the process begins anew.
    fn event(&mut self, name: &str, data: &str) -> Bytes {
        let now = (clock::wall().max(0) / 1_000_000) as u64;
        self.id = now.max(self.id + 1);
        // JSON has no line breaks outside of texts, and in these they are escaped.
        Bytes::from(format!("id: {}\nevent: {name}\ndata: {data}\n\n", self.id))
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(Watcher, Bytes)>> + Send>>;

/// The body.
pub(super) struct Stream {
    /// `None`: it has ended.
    next: Option<Next>,
}

impl Stream {
    pub(super) fn new(watcher: Watcher) -> Self {
        Self { next: Some(Box::pin(watcher.next())) }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let Some(next) = &mut this.next else { return Poll::Ready(None) };
        match next.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                this.next = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some((watcher, bytes))) => {
                this.next = Some(Box::pin(watcher.next()));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }
}
