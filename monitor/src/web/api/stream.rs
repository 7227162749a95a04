//! Server-sent events (HTML Living Standard, 9.2): an event with each drain.
//!
//! Nothing is made for a reader that does not read: the connection asks for the next event when the one
//! before is written, and gets that of the last drain. So a slow reader holds one event, and misses some. Events are
//! made one at a time, in turns, and after each the thread rests: all watchers together take a share of one core.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream};
use futures_util::stream::{self, Stream};
use monitor_core::filter::Filter;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

use crate::clock::{self, Stopwatch};
use crate::view::live::{History, Query, json};
use crate::web::Web;
use crate::web::asker::Asker;
use crate::web::budget::Grant;

/// How long nothing may be said: proxies and browsers give up silent connections, and so does the page. It is an
/// event because a browser does not tell a page of comments.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A watcher and what it was told.
pub(super) struct Watcher {
    web: Arc<Web>,
    asker: Asker,
    query: Arc<Query>,
    filter: Option<Arc<Filter>>,
    drains: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// The first step of the history that was not told; `None`: nothing was.
    from: Option<u64>,
    /// The last event's id.
    id: u64,
    _place: OwnedSemaphorePermit,
    /// Memory of an event.
    memory: Grant,
}

/// What there is to tell.
struct News {
    name: &'static str,
    data: String,
    /// The first step of the history that is not in it.
    next: u64,
}

impl Watcher {
    pub(super) fn new(
        web: &Arc<Web>,
        asker: Asker,
        query: Query,
        filter: Option<Filter>,
        (place, memory): (OwnedSemaphorePermit, Grant),
    ) -> Self {
        let mut drains = web.state.watch_drains();
        // The last drain is news to who just came.
        drains.mark_changed();
        Self {
            web: Arc::clone(web),
            asker,
            query: Arc::new(query),
            filter: filter.map(Arc::new),
            drains,
            stopping: web.stopping.subscribe(),
            from: None,
            id: 0,
            _place: place,
            memory,
        }
    }

    /// All events, until the server stops.
    pub(super) fn events(self) -> Sse<KeepAliveStream<impl Stream<Item = Result<Event, Infallible>>>> {
        let events = stream::unfold(self, |watcher| async {
            let (event, watcher) = watcher.next().await?;
            Some((Ok(event), watcher))
        });
        // Without data no event would be told.
        let quiet = Event::default().event("quiet").data("{}");
        Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).event(quiet))
    }

    /// Waits for something to tell; `None`: the server stops.
    async fn next(mut self) -> Option<(Event, Self)> {
        let mut stopping = self.stopping.clone();
        let news = tokio::select! {
            // An error means that whoever could stop is gone.
            _ = stopping.wait_for(|stop| *stop) => return None,
            news = self.news() => news?,
        };
        self.from = Some(news.next);
        self.memory.resize(news.data.len());
        // Ids are milliseconds of the clock, so that they also grow when the process begins anew.
        let now = (clock::wall().max(0) / 1_000_000) as u64;
        self.id = now.max(self.id + 1);
        let event = Event::default().id(self.id.to_string()).event(news.name).data(news.data);
        Some((event, self))
    }

    /// The history to one who was told nothing, else what the next drain brings. `None`: nobody drains any more.
    async fn news(&mut self) -> Option<News> {
        let web = Arc::clone(&self.web);
        let (query, filter, from) = (Arc::clone(&self.query), self.filter.clone(), self.from);
        if from.is_some() {
            self.drains.changed().await.ok()?;
        }
        let shared = Arc::clone(&web);
        let made = web.watching.paused(&self.asker.client, move |token| {
            let watch = Stopwatch::start();
            let news = if let Some(from) = from {
                let wanted = || token.is_wanted();
                let (data, next) =
                    shared.made.live(&shared.state, &query, filter.as_deref(), from, &wanted)?;
                News { name: "live", data, next }
            } else {
                let (history, next) = shared.state.turn(|engine| History::since(engine, 0));
                News { name: "history", data: json(&history), next }
            };
            Some((news, watch.elapsed()))
        });
        let ((news, took), permit) = made.await.ok()?;
        let rest = took * (100 / web.limits.watch_cpu.clamp(1, 100) - 1);
        if !rest.is_zero() {
            tokio::spawn(async move {
                sleep(rest).await;
                drop(permit);
            });
        }
        Some(news)
    }
}
