//! `/api/v1/`.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use monitor_core::filter::Filter;
use serde::Deserialize;

use super::metrics::written;
use super::{Shared, Web, negotiate};
use crate::view::flows::{Answer, Flow, Order, top};
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
    limit: Option<usize>,
    /// An expression of [`monitor_core::filter`].
    filter: Option<String>,
}

pub(super) async fn flows(
    State(web): Shared,
    headers: HeaderMap,
    question: Result<Query<Question>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let question = match question {
        Ok(Query(question)) => question,
        Err(rejection) => return bad_request(&rejection.body_text()),
    };
    let filter = match question.filter.as_deref().map(str::parse::<Filter>).transpose() {
        Ok(filter) => filter,
        Err(error) => return bad_request(&error.to_string()),
    };
    written(&web, negotiate::gzip(&headers), "application/json", move |web| {
        web.flows(&question, filter.as_ref())
    })
    .await
}

pub(super) async fn fanout(State(web): Shared, headers: HeaderMap) -> Response {
    written(&web, negotiate::gzip(&headers), "application/json", Web::fanout).await
}

pub(super) async fn overflow(State(web): Shared, headers: HeaderMap) -> Response {
    written(&web, negotiate::gzip(&headers), "application/json", Web::overflow).await
}

fn bad_request(reason: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(serde_json::json!({ "error": reason }))).into_response()
}

impl Web {
    fn fanout(&self) -> Vec<u8> {
        let engine = self.state.engine();
        let answer = fanout::Answer::new(engine.fanout(), engine.config().wall_offset);
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
        let (flows, matched) = top(flows, question.sort, limit);
        let answer = Answer { matched, flows: flows.iter().map(Flow::from).collect() };
        serde_json::to_vec(&answer).unwrap_or_default()
    }
}
