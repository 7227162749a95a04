//! `/api/v1/live` and `/api/v1/live/stream`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use monitor_core::live::{NoWindow, Window};
use serde::Deserialize;

use super::stream::Watcher;
use super::{bad_request, filter, refuse, unreadable};
use crate::view::listing::Scope;
use crate::view::live::{self, History, Range};
use crate::view::order::{Order, Sort};
use crate::web::asker::Asker;
use crate::web::{Shared, answer, negotiate};

/// About what snapshot and history take.
const EXPECTED: usize = 256 << 10;
/// About what a flow takes as JSON.
const ROW: usize = 1024;
/// Flows of an event when nobody says how many.
const DEFAULT_LIMIT: usize = 100;
/// Most flows of an event: it comes once a second.
const MAX_LIMIT: usize = 1000;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Question {
    window: Option<u64>,
    #[serde(default)]
    sort: Order,
    #[serde(default)]
    reverse: bool,
    limit: Option<usize>,
    filter: Option<String>,
    #[serde(default)]
    copies: bool,
    ended: Option<bool>,
    interface: Option<String>,
}

/// Which part of the past.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Span {
    range: Option<u64>,
    interface: Option<String>,
}

/// The same without flows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Sums {
    window: Option<u64>,
}

fn window(seconds: Option<u64>) -> Result<Window, NoWindow> {
    seconds.map_or(Ok(Window::default()), Window::try_from)
}

pub(in crate::web) async fn live(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
    question: Result<Query<Sums>, QueryRejection>,
) -> Response {
    let window = match question {
        Ok(Query(question)) => window(question.window),
        Err(rejection) => return unreadable(&rejection),
    };
    let window = match window {
        Ok(window) => window,
        Err(error) => return bad_request(&error.to_string()),
    };
    answer::json(&web, &asker, negotiate::gzip(&headers), EXPECTED, move |web, _| {
        let snapshot = web.made.snapshot(&web.state, window);
        let history = live::json(&History::of(&web.state));
        Some(format!("{{\"snapshot\":{snapshot},\"history\":{history}}}").into_bytes())
    })
    .await
}

/// The last hour or day, of all or of one interface.
pub(in crate::web) async fn history(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
    question: Result<Query<Span>, QueryRejection>,
) -> Response {
    let question = match question {
        Ok(Query(question)) => question,
        Err(rejection) => return unreadable(&rejection),
    };
    let range = match question.range {
        None | Some(3600) => Range::Hour,
        Some(86_400) => Range::Day,
        Some(_) => return bad_request("range: 3600 or 86400 seconds"),
    };
    answer::json(&web, &asker, negotiate::gzip(&headers), EXPECTED, move |web, _| {
        let history =
            web.state.turn(|engine| History::of_range(engine, range, question.interface.as_deref()));
        Some(live::json(&history).into_bytes())
    })
    .await
}

pub(in crate::web) async fn stream(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    let question = match question {
        Ok(Query(question)) => question,
        Err(rejection) => return unreadable(&rejection),
    };
    let window = match window(question.window) {
        Ok(window) => window,
        Err(error) => return bad_request(&error.to_string()),
    };
    let filter = match filter(question.filter.as_deref(), web.state.owns()) {
        Ok(filter) => filter,
        Err(response) => return response,
    };
    let Ok(place) = Arc::clone(&web.watchers).try_acquire_owned() else {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!(
                "{} watch already, which is the most (web.max-watchers); close another page or terminal",
                web.limits.watchers
            ),
        );
    };
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let Ok(memory) = web.answers.take(&asker, EXPECTED + limit * ROW).await else {
        return answer::busy(&web, &asker);
    };
    let query = live::Query {
        window,
        sort: Sort { by: question.sort, reverse: question.reverse },
        limit,
        filter: question.filter,
        scope: Scope { copies: question.copies, ended: question.ended, interface: question.interface },
    };
    let watcher = Watcher::new(&web, asker, query, filter, (place, memory));
    let mut response = watcher.events().into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers answers before it passes them on would make a stand-still of it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
