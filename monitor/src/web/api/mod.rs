//! `/api/v1/`: docs/api.md.

mod flows;
mod live;
mod stream;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hyper::body::Body as _;
use monitor_core::filter::Filter;
use monitor_core::flow::FlowId;

pub(super) use flows::flows;
pub(super) use live::{history, live, stream};

use super::asker::Asker;
use super::{Shared, answer, negotiate};
use crate::view::live::Life;
use crate::view::{detections, fanout, overflow};

/// About what an answer takes whose rows are few.
const SMALL: usize = 64 << 10;

pub(super) async fn flow(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    // What is no id is the id of no flow.
    let gone = || refuse(StatusCode::NOT_FOUND, "no such flow, or it has ended");
    let Ok(id) = id.parse::<FlowId>() else { return gone() };
    let response = answer::json(&web, &asker, negotiate::gzip(&headers), SMALL, move |web, _| {
        let life = web.state.turn(|engine| Life::of(engine, id));
        Some(life.map_or_else(Vec::new, |life| serde_json::to_vec(&life).unwrap_or_default()))
    });
    let response = response.await;
    if response.body().size_hint().exact() == Some(0) && response.status() == StatusCode::OK {
        gone()
    } else {
        response
    }
}

pub(super) async fn fanout(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
) -> Response {
    answer::json(&web, &asker, negotiate::gzip(&headers), SMALL, |web, _| {
        let answer = web
            .state
            .turn(|engine| fanout::Answer::new(engine.ledger().fanout(), engine.config().wall_offset));
        serde_json::to_vec(&answer).ok()
    })
    .await
}

pub(super) async fn detections(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
) -> Response {
    answer::json(&web, &asker, negotiate::gzip(&headers), SMALL, |web, _| {
        let answer =
            web.state.turn(|engine| detections::Answer::new(engine.detection(), engine.config().wall_offset));
        serde_json::to_vec(&answer).ok()
    })
    .await
}

pub(super) async fn overflow(
    State(web): Shared,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
) -> Response {
    answer::json(&web, &asker, negotiate::gzip(&headers), SMALL, |web, _| {
        let answer = web.state.turn(|engine| overflow::Answer::new(engine));
        serde_json::to_vec(&answer).ok()
    })
    .await
}

/// The filter of a question, or the answer to one that cannot be read.
#[expect(clippy::result_large_err, reason = "it is what is sent")]
fn filter(text: Option<&str>, owners: bool) -> Result<Option<Filter>, Response> {
    let filter =
        text.map(str::parse::<Filter>).transpose().map_err(|error| bad_request(&error.to_string()))?;
    match filter.as_ref().filter(|_| !owners).and_then(Filter::owner_word) {
        Some(word) => Err(bad_request(&format!(
            "filter: {word} is not known of any flow: this instance does not ask whose the flows are (owners.enabled)"
        ))),
        None => Ok(filter),
    }
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
    let Some((key, reason)) = text.split_once(": ") else { return bad_request(text) };
    let said = |what: &str, rest: &str| match rest.split_once(", expected ") {
        Some((given, known)) => format!("{key}: {given} is {what}; use {known}"),
        None => format!("{key}: {rest} is {what}"),
    };
    bad_request(&match reason {
        "provided string was not `true` or `false`" => format!("{key}: use true or false"),
        reason if numbers.contains(&reason) => format!("{key}: use a whole number that is not too large"),
        reason => match (reason.strip_prefix("unknown variant "), reason.strip_prefix("unknown field ")) {
            (Some(rest), _) => said("not a valid value", rest),
            (_, Some(rest)) => said("not a parameter", rest),
            _ => text.to_owned(),
        },
    })
}

fn bad_request(reason: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, reason)
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, Json(serde_json::json!({ "error": reason }))).into_response()
}
