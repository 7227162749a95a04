//! `/api/v1/flows`: which flows, and then their rows a page at a time.
//!
//! A page is made when the one before is written: a client that reads slowly holds one page and the ids of its flows,
//! no thread, and nothing of the engine.

use std::io::{self, Write as _};
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::write::GzEncoder;
use futures_util::stream::{self, StreamExt as _};
use monitor_core::flow::FlowId;
use serde::Deserialize;

use super::{filter, unreadable};
use crate::state::{self, FLOWS};
use crate::view::listing::{self, Scope};
use crate::view::order::{Order, Ranking, Sort};
use crate::web::answer::{self, Form};
use crate::web::asker::Asker;
use crate::web::budget::Grant;
use crate::web::work::{Token, Undone};
use crate::web::{Shared, Web, negotiate};

/// Flows of an answer when nobody says how many.
const DEFAULT_LIMIT: usize = 1000;
/// Most flows of an answer.
const MAX_LIMIT: usize = 100_000;
/// About what a flow takes as JSON.
const ROW: usize = 1024;
/// About what it takes to compress.
const ENCODER: usize = 320 << 10;
/// Compressed, pages are put together until they are worth a piece of the answer.
const PIECE: usize = 16 << 10;

/// What is asked of the flows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Question {
    #[serde(default)]
    sort: Order,
    #[serde(default)]
    reverse: bool,
    limit: Option<usize>,
    #[serde(default)]
    copies: bool,
    ended: Option<bool>,
    interface: Option<String>,
    /// An expression of [`monitor_core::filter`].
    filter: Option<String>,
}

pub(in crate::web) async fn flows(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    let question = match question {
        Ok(Query(question)) => question,
        Err(rejection) => return unreadable(&rejection),
    };
    let filter = match filter(question.filter.as_deref(), web.state.owns()) {
        Ok(filter) => filter,
        Err(response) => return response,
    };
    let gzip = negotiate::gzip(&headers);
    let sort = Sort { by: question.sort, reverse: question.reverse };
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let scope = Scope { copies: question.copies, ended: question.ended, interface: question.interface };
    let pages = 2 * FLOWS * ROW + if gzip { ENCODER } else { 0 };
    let expected = Ranking::bytes(limit.min(web.state.flows())) + pages;
    let Ok(mut memory) = web.answers.take(&asker, expected).await else { return answer::busy(&web, &asker) };
    let shared = Arc::clone(&web);
    let which = scope.clone();
    let selected = web.pool.run(&asker.client, move |token| {
        listing::select(&shared.state, filter.as_ref(), &which, sort, limit, &|| token.is_wanted())
    });
    let (ids, matched) = match selected.await {
        Ok(selected) => selected,
        Err(Undone::Full) => return answer::busy(&web, &asker),
        Err(Undone::Ended) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    memory.resize(ids.len() * size_of::<FlowId>() + pages);
    let form = Form { content_type: "application/json", compressed: gzip };
    answer::with(
        form,
        Listing { web, asker, memory, pager: Pager::new(ids, matched, scope, gzip) }.body().await,
    )
}

/// An answer under way.
struct Listing {
    web: Arc<Web>,
    asker: Asker,
    memory: Grant,
    pager: Pager,
}

impl Listing {
    /// The whole answer, if it is short; else a stream of its pages.
    async fn body(self) -> Body {
        match self.next().await {
            Ok((bytes, listing)) if listing.pager.is_over() => Body::from(listing.memory.with(bytes)),
            Ok((bytes, listing)) => {
                let rest = stream::unfold(Some(listing), |listing| async {
                    let listing = listing.filter(|listing| !listing.pager.is_over())?;
                    Some(match listing.next().await {
                        Ok((bytes, listing)) => (Ok(Bytes::from(bytes)), Some(listing)),
                        // The answer cannot be completed, and its client sees that.
                        Err(error) => (Err(error), None),
                    })
                });
                Body::from_stream(stream::iter([Ok(Bytes::from(bytes))]).chain(rest))
            }
            Err(error) => Body::from_stream(stream::iter([Err::<Bytes, _>(error)])),
        }
    }

    async fn next(self) -> Result<(Vec<u8>, Self), io::Error> {
        let Self { web, asker, memory, mut pager } = self;
        let shared = Arc::clone(&web);
        let page = web.pool.go_on(&asker.client, move |token| {
            let bytes = pager.next(&shared.state, token)?;
            Some((bytes, pager))
        });
        let (bytes, pager) = page.await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok((bytes, Self { web, asker, memory, pager }))
    }
}

/// The flows of an answer, and how many of them are written.
struct Pager {
    ids: Vec<FlowId>,
    matched: usize,
    scope: Scope,
    /// Flows that were looked at.
    at: usize,
    /// A flow was written.
    any: bool,
    /// All was.
    over: bool,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Pager {
    fn new(ids: Vec<FlowId>, matched: usize, scope: Scope, gzip: bool) -> Self {
        let encoder = gzip.then(|| answer::encoder(PIECE));
        Self { ids, matched, scope, at: 0, any: false, over: false, encoder }
    }

    const fn is_over(&self) -> bool {
        self.over
    }

    /// The next piece; `None`: nobody wants it.
    fn next(&mut self, state: &state::State, token: &Token) -> Option<Vec<u8>> {
        while token.is_wanted() {
            let plain = self.page(state);
            let Some(encoder) = &mut self.encoder else { return Some(plain) };
            // Writing to a vector cannot fail.
            drop(encoder.write_all(&plain));
            if self.over {
                return self.encoder.take()?.finish().ok();
            }
            if encoder.get_ref().len() >= PIECE {
                return Some(std::mem::replace(encoder.get_mut(), Vec::with_capacity(2 * PIECE)));
            }
        }
        None
    }

    /// The next rows as JSON, with what stands around them.
    fn page(&mut self, state: &state::State) -> Vec<u8> {
        let end = self.ids.len().min(self.at + FLOWS);
        let rows = listing::rows(state, self.ids.get(self.at..end).unwrap_or_default(), &self.scope);
        let mut page = Vec::with_capacity(rows.len() * ROW);
        if self.at == 0 {
            drop(write!(page, "{{\"matched\":{},\"flows\":[", self.matched));
        }
        for row in &rows {
            if std::mem::replace(&mut self.any, true) {
                page.push(b',');
            }
            drop(serde_json::to_writer(&mut page, row));
        }
        self.at = end;
        if end == self.ids.len() {
            page.extend_from_slice(b"]}");
            self.over = true;
        }
        page
    }
}
