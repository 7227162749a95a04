//! The page of metrics over HTTP.
//!
//! Scrapes have a thread and memory of their own, so that no other request keeps them waiting. Who comes while a page
//! is made gets the next one, together with all others who came meanwhile: however many scrape, one page is made at
//! a time, and none is older than the request for it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::sync::oneshot;

use super::answer::{self, Form};
use super::asker::Asker;
use super::budget::{Budget, Grant};
use super::{Shared, Web, negotiate};
use crate::clock::{self, Stopwatch};
use crate::sync::lock;
use crate::view::prometheus::{Context, Format, Numbers};

/// Memory that a page is thought to take before the first is there.
const EXPECTED: usize = 64 << 10;

/// A kind of page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    format: Format,
    gzip: bool,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self { format: Format::Text, gzip: false },
        Self { format: Format::Text, gzip: true },
        Self { format: Format::OpenMetrics, gzip: false },
        Self { format: Format::OpenMetrics, gzip: true },
    ];

    fn index(self) -> usize {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or_default()
    }
}

/// Somebody who waits for the next page.
#[derive(Debug)]
struct Waiter {
    asker: Asker,
    kind: Kind,
    page: oneshot::Sender<Page>,
}

/// A page, which some may share.
#[derive(Clone, Debug)]
struct Page {
    bytes: Bytes,
    compressed: bool,
}

/// Those who wait.
#[derive(Debug)]
pub(super) struct Scrapes {
    line: Mutex<Line>,
    memory: Arc<Budget>,
    /// Sizes of the last pages, by kind, so that the next need no growing.
    sizes: [AtomicUsize; 4],
}

#[derive(Debug, Default)]
struct Line {
    waiting: Vec<Waiter>,
    /// Pages are being made.
    busy: bool,
}

impl Scrapes {
    pub(super) fn new(memory: Arc<Budget>) -> Self {
        Self { line: Mutex::default(), memory, sizes: std::array::from_fn(|_| AtomicUsize::new(EXPECTED)) }
    }

    /// Those who wait for the next page.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.line).waiting.len()
    }

    /// Those whose turn it is, if anybody still waits; else the making of pages ends.
    fn next_round(&self) -> Option<Vec<Waiter>> {
        let mut line = lock(&self.line);
        line.waiting.retain(|waiter| !waiter.page.is_closed());
        line.busy = !line.waiting.is_empty();
        line.busy.then(|| std::mem::take(&mut line.waiting))
    }
}

pub(super) async fn page(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
) -> Response {
    asker.work.is_scrape();
    let kind = Kind { format: negotiate::format(&headers), gzip: negotiate::gzip(&headers) };
    let (sender, page) = oneshot::channel();
    let begins = {
        let mut line = lock(&web.scrapes.line);
        line.waiting.push(Waiter { asker: asker.clone(), kind, page: sender });
        !std::mem::replace(&mut line.busy, true)
    };
    if begins {
        let web = Arc::clone(&web);
        tokio::spawn(async move { web.scrape().await });
    }
    match page.await {
        Ok(Page { bytes, compressed }) => {
            answer::with(Form { content_type: kind.format.content_type(), compressed }, bytes.into())
        }
        Err(_) => answer::busy(&web, &asker),
    }
}

/// Whoever makes pages. If that fails, those who wait see that nobody will answer, and the next request begins anew.
struct Maker<'a> {
    scrapes: &'a Scrapes,
    done: bool,
}

impl Drop for Maker<'_> {
    fn drop(&mut self) {
        if !self.done {
            *lock(&self.scrapes.line) = Line::default();
        }
    }
}

impl Web {
    /// Makes pages as long as somebody waits for one.
    async fn scrape(self: Arc<Self>) {
        let mut maker = Maker { scrapes: &self.scrapes, done: false };
        while let Some(round) = self.scrapes.next_round() {
            let mut kinds: [Vec<Waiter>; 4] = Default::default();
            for waiter in round {
                kinds[waiter.kind.index()].push(waiter);
            }
            for (kind, waiting) in Kind::ALL.into_iter().zip(kinds) {
                if let Some(page) = self.page_for(kind, &waiting).await {
                    for waiter in waiting {
                        // An error means that it has left.
                        drop(waiter.page.send(page.clone()));
                    }
                }
            }
        }
        maker.done = true;
    }

    /// The page for all of these; `None`: nobody waits for it any more, or there is no memory.
    async fn page_for(self: &Arc<Self>, kind: Kind, waiting: &[Waiter]) -> Option<Page> {
        let first = waiting.iter().find(|waiter| !waiter.page.is_closed())?;
        let expected = self.scrapes.sizes[kind.index()].load(Relaxed);
        let memory = self.scrapes.memory.take(&first.asker, expected).await.ok()?;
        memory.share(waiting.iter().map(|waiter| Arc::downgrade(&waiter.asker.work)));
        let web = Arc::clone(self);
        tokio::task::spawn_blocking(move || web.metrics(kind, expected, memory)).await.ok()
    }

    /// Sets what the page says of the server itself.
    fn measure(&self) {
        let own = &self.state.own;
        for (kind, memory) in [("scrape", &self.scrapes.memory), ("other", &self.answers)] {
            own.web_answer_bytes.with_label_values(&[kind]).set(memory.held() as i64);
        }
        for (queue, waiting) in [
            ("memory", self.answers.waiting()),
            ("worker", self.pool.waiting()),
            ("watcher", self.watching.waiting()),
            ("login", self.guard.waiting()),
        ] {
            own.web_waiting.with_label_values(&[queue]).set(waiting as i64);
        }
    }

    fn metrics(&self, kind: Kind, expected: usize, memory: Grant) -> Page {
        let (watch, now) = (Stopwatch::start(), clock::now());
        let numbers = self.state.turn(|engine| Numbers::of(engine, now));
        self.measure();
        let plain = {
            let kernel = lock(&self.state.kernel).clone();
            let context = Context {
                kernel: &kernel,
                own: &self.state.own,
                events: &self.state.events,
                created: self.state.shows_created(),
                config_ok: self.state.config_ok(),
                undirected: None,
            };
            numbers.write(&context, kind.format, Vec::with_capacity(expected + expected / 8))
        };
        self.state.own.page_seconds.observe(watch.elapsed().as_secs_f64());
        // While it is compressed, both are there.
        let size = plain.len();
        let (bytes, compressed) = answer::packed(plain, kind.gzip);
        self.scrapes.sizes[kind.index()].store(size, Relaxed);
        Page { bytes: memory.with(bytes), compressed }
    }
}
