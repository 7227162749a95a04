//! `/api/v1/live` and `/api/v1/live/stream`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use monitor_core::live::{NoWindow, Window};
use serde::{Deserialize, Serialize};

use super::stream::{Stream, Watcher};
use super::{bad_request, filter, refuse, unreadable};
use crate::view::live::{self, History, Snapshot};
use crate::view::order::{Order, Sort};
use crate::web::metrics::written;
use crate::web::{Shared, WATCHERS, negotiate};

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
}

/// The same without flows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Sums {
    window: Option<u64>,
}

/// The answer of `/api/v1/live`.
#[derive(Debug, Serialize)]
struct Answer {
    snapshot: Snapshot,
    history: History,
}

fn window(seconds: Option<u64>) -> Result<Window, NoWindow> {
    seconds.map_or(Ok(Window::default()), Window::try_from)
}

pub(in crate::web) async fn live(
    State(web): Shared,
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
    written(&web, negotiate::gzip(&headers), "application/json", move |web| {
        let answer = Answer { snapshot: Snapshot::of(&web.state, window), history: History::of(&web.state) };
        serde_json::to_vec(&answer).unwrap_or_default()
    })
    .await
}

pub(in crate::web) async fn stream(
    State(web): Shared,
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
    let filter = match filter(question.filter.as_deref()) {
        Ok(filter) => filter,
        Err(response) => return response,
    };
    let Ok(place) = Arc::clone(&web.watchers).try_acquire_owned() else {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("{WATCHERS} watch already, which is the most; close another page or terminal"),
        );
    };
    let query = live::Query {
        window,
        sort: Sort { by: question.sort, reverse: question.reverse },
        limit: question.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT),
        filter: question.filter,
    };
    let mut response = Response::new(Body::new(Stream::new(Watcher::new(&web, query, filter, place))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers answers before it passes them on would make a stand-still of it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
