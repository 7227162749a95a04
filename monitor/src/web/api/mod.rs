//! `/api/v1/`: docs/api.md.

mod live;
mod stream;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use monitor_core::filter::Filter;
use monitor_core::flow::FlowId;
use serde::Deserialize;

pub(super) use live::{live, stream};

use super::metrics::written;
use super::{Shared, Web, negotiate};
use crate::view::flows::{Answer, Flow};
use crate::view::live::Life;
use crate::view::order::{Order, Sort, top};
use crate::view::{fanout, overflow};

/// Flows of an answer when nobody says how many.
const DEFAULT_LIMIT: usize = 1000;
/// Most flows of an answer.
const MAX_LIMIT: usize = 100_000;

/// What is asked of the flows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(default)]
    sort: Order,
    #[serde(default)]
    reverse: bool,
    limit: Option<usize>,
    /// An expression of [`monitor_core::filter`].
    filter: Option<String>,
}

pub(super) async fn flows(
    State(web): Shared,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    let question = match question {
        Ok(Query(question)) => question,
        Err(rejection) => return unreadable(&rejection),
    };
    let filter = match filter(question.filter.as_deref()) {
        Ok(filter) => filter,
        Err(response) => return response,
    };
    written(&web, negotiate::gzip(&headers), "application/json", move |web| {
        web.flows(&question, filter.as_ref())
    })
    .await
}

pub(super) async fn flow(State(web): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    // What is no id is the id of no flow.
    let life = id.parse::<FlowId>().ok().and_then(|id| Life::of(&mut web.state.engine(), id));
    let Some(life) = life else { return refuse(StatusCode::NOT_FOUND, "no such flow, or it has ended") };
    written(&web, negotiate::gzip(&headers), "application/json", move |_| {
        serde_json::to_vec(&life).unwrap_or_default()
    })
    .await
}

pub(super) async fn fanout(State(web): Shared, headers: HeaderMap) -> Response {
    written(&web, negotiate::gzip(&headers), "application/json", Web::fanout).await
}

pub(super) async fn overflow(State(web): Shared, headers: HeaderMap) -> Response {
    written(&web, negotiate::gzip(&headers), "application/json", Web::overflow).await
}

/// The filter of a question, or the answer to one that cannot be read.
#[expect(clippy::result_large_err, reason = "it is what is sent")]
fn filter(text: Option<&str>) -> Result<Option<Filter>, Response> {
    text.map(str::parse::<Filter>).transpose().map_err(|error| bad_request(&error.to_string()))
}

/// The answer to a query that does not ask what can be asked: in words that need no look into this program.
fn unreadable(rejection: &QueryRejection) -> Response {
    let text = rejection.body_text();
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    let numbers = [
        "invalid digit found in string",
        "cannot parse integer from empty string",
        "number too large to fit in target type",
    ];
    match text.rsplit_once(": ") {
        Some((key, reason)) if numbers.contains(&reason) => {
            bad_request(&format!("{key}: give a whole number, not too large"))
        }
        _ => bad_request(text),
    }
}

fn bad_request(reason: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, reason)
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, Json(serde_json::json!({ "error": reason }))).into_response()
}

impl Web {
    fn fanout(&self) -> Vec<u8> {
        let engine = self.state.engine();
        let answer = fanout::Answer::new(engine.ledger().fanout(), engine.config().wall_offset);
        serde_json::to_vec(&answer).unwrap_or_default()
    }

    fn overflow(&self) -> Vec<u8> {
        let answer = overflow::Answer::new(&self.state.engine());
        serde_json::to_vec(&answer).unwrap_or_default()
    }

    fn flows(&self, question: &Question, filter: Option<&Filter>) -> Vec<u8> {
        let limit = question.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
        let engine = self.state.engine();
        let flows = engine.flows().filter(|flow| filter.is_none_or(|f| f.matches(flow)));
        let (flows, matched) = top(flows, Sort { by: question.sort, reverse: question.reverse }, limit);
        let answer = Answer { matched, flows: flows.iter().map(Flow::from).collect() };
        serde_json::to_vec(&answer).unwrap_or_default()
    }
}
