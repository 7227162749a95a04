//! The page of metrics over HTTP.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Shared, Web, negotiate};
use crate::clock::Stopwatch;
use crate::state::lock;
use crate::view::prometheus::{self, Context, Format};

/// Sizes of the last page, so that the next needs no growing.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    plain: AtomicUsize,
    compressed: AtomicUsize,
}

/// Answers are compressed beyond this; below, the headers cost more than is won.
const WORTHWHILE: usize = 1024;

pub(super) async fn page(State(web): Shared, headers: HeaderMap) -> Response {
    let format = negotiate::format(&headers);
    let gzip = negotiate::gzip(&headers);
    written(&web, gzip, format.content_type(), move |web| web.metrics(format)).await
}

/// Writes an answer on a thread that may block, and compresses it if that is wanted.
pub(super) async fn written(
    web: &Arc<Web>,
    gzip: bool,
    content_type: &'static str,
    write: impl FnOnce(&Web) -> Vec<u8> + Send + 'static,
) -> Response {
    let Ok(_permit) = web.writers.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let shared = Arc::clone(web);
    let body = tokio::task::spawn_blocking(move || {
        let plain = write(&shared);
        if gzip && plain.len() > WORTHWHILE {
            let last = shared.sizes.compressed.load(Relaxed);
            let compressed = compress(&plain, last + last / 8);
            shared.sizes.compressed.store(compressed.len(), Relaxed);
            (compressed, true)
        } else {
            (plain, false)
        }
    });
    let Ok((body, compressed)) = body.await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Compresses a page; `expected` bytes are set aside for the result.
pub fn compress(plain: &[u8], expected: usize) -> Vec<u8> {
    // Numbers after like names: the fastest level already finds nearly all there is.
    let mut encoder = GzEncoder::new(Vec::with_capacity(expected), Compression::fast());
    // Writing to a vector cannot fail.
    drop(encoder.write_all(plain));
    encoder.finish().unwrap_or_default()
}

impl Web {
    fn metrics(&self, format: Format) -> Vec<u8> {
        let watch = Stopwatch::start();
        let last = self.sizes.plain.load(Relaxed);
        let buffer = Vec::with_capacity(last + last / 8);
        let page = {
            let kernel = lock(&self.state.kernel);
            let context = Context {
                kernel: &kernel,
                own: &self.state.own,
                events: &self.state.events,
                config_ok: self.state.config_ok(),
                undirected: None,
            };
            let mut engine = self.state.engine();
            prometheus::write(&mut engine, &context, format, buffer)
        };
        self.sizes.plain.store(page.len(), Relaxed);
        self.state.own.page_seconds.observe(watch.elapsed().as_secs_f64());
        page
    }
}
