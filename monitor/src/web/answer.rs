//! Answers that are made on a thread that may block.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Web;
use super::asker::Asker;
use super::work::{Token, Undone};
use crate::telemetry::Event;

/// Answers are compressed beyond this; below, the headers cost more than is won.
const WORTHWHILE: usize = 1024;

/// What the headers say of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) content_type: &'static str,
    pub(super) compressed: bool,
}

/// An answer with this body.
pub(super) fn with(form: Form, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if form.compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// The answer to one for whom there is no room.
pub(super) fn busy(web: &Web, asker: &Asker) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let peer = asker.work.seat().peer();
    web.state.events.emit(&Event::RequestRefused { peer, status: status.as_u16() });
    (status, [(RETRY_AFTER, "1"), (CONNECTION, "close")], "Too many requests wait already\n").into_response()
}

/// JSON that is made at once; `expected` is about how many bytes it takes.
pub(super) async fn json(
    web: &Arc<Web>,
    asker: &Asker,
    gzip: bool,
    expected: usize,
    make: impl FnOnce(&Web, &Token) -> Option<Vec<u8>> + Send + 'static,
) -> Response {
    let Ok(memory) = web.answers.take(asker, expected).await else { return busy(web, asker) };
    let shared = Arc::clone(web);
    let made = web.pool.run(&asker.client, move |token| {
        let (bytes, compressed) = packed(make(&shared, token)?, gzip);
        Some((memory.with(bytes), compressed))
    });
    match made.await {
        Ok((bytes, compressed)) => with(Form { content_type: "application/json", compressed }, bytes.into()),
        Err(Undone::Full) => busy(web, asker),
        Err(Undone::Ended) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A body, compressed if that is wanted and worth it.
pub(super) fn packed(plain: Vec<u8>, gzip: bool) -> (Vec<u8>, bool) {
    if gzip && plain.len() > WORTHWHILE { (compress(&plain, plain.len() / 8), true) } else { (plain, false) }
}

/// Compresses a page; `expected` bytes are set aside for the result.
pub fn compress(plain: &[u8], expected: usize) -> Vec<u8> {
    let mut encoder = encoder(expected);
    // Writing to a vector cannot fail.
    drop(encoder.write_all(plain));
    encoder.finish().unwrap_or_default()
}

/// What compresses. Numbers after like names: the fastest level already finds nearly all there is.
pub(super) fn encoder(expected: usize) -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::with_capacity(expected), Compression::fast())
}
