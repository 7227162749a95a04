//! The live page: the files of `monitor/page/dist`, which `cargo xtask page` builds.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use ring::digest::{SHA256, digest};

use super::{Shared, negotiate};
use crate::config::types::UrlPath;

/// Its own files and its own host, nothing else; no text becomes code; nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// The page as it was built, which links to metrics at the usual path.
const INDEX: &str = include_str!("../../page/dist/index.html");

/// The files beside it: name, type and content.
const FILES: [(&str, &str, &[u8]); 4] = [
    ("icon.svg", "image/svg+xml", include_bytes!("../../page/dist/icon.svg")),
    ("licences.txt", "text/plain; charset=utf-8", include_bytes!("../../page/dist/licences.txt")),
    ("page.css", "text/css; charset=utf-8", include_bytes!("../../page/dist/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_bytes!("../../page/dist/page.js")),
];

/// Compressed when one is first asked for, once.
static READY: LazyLock<Vec<(&str, File)>> =
    LazyLock::new(|| FILES.iter().map(|(name, kind, bytes)| (*name, File::new(kind, bytes))).collect());

/// A file, ready to be sent.
#[derive(Debug)]
pub(super) struct File {
    kind: &'static str,
    plain: Bytes,
    compressed: Bytes,
    /// Changes when the content does.
    tag: HeaderValue,
}

impl File {
    fn new(kind: &'static str, content: &[u8]) -> Self {
        let hash = digest(&SHA256, content);
        let head = hash.as_ref().iter().take(8).fold(0, |head, byte| head << 8 | u64::from(*byte));
        Self {
            kind,
            plain: Bytes::copy_from_slice(content),
            compressed: super::compress(content, content.len() / 2).into(),
            tag: HeaderValue::try_from(format!("\"{head:016x}\""))
                .unwrap_or_else(|_| HeaderValue::from_static("\"\"")),
        }
    }

    /// The page, with the path of the metrics as it is configured.
    pub(super) fn index(telemetry_path: &UrlPath) -> Self {
        // The path is made of characters that mean nothing in HTML: the configuration saw to it.
        let metrics = format!("href=\"{}\"", telemetry_path.as_str().trim_start_matches('/'));
        Self::new("text/html; charset=utf-8", INDEX.replace("href=\"metrics\"", &metrics).as_bytes())
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let same = asked.get(IF_NONE_MATCH).is_some_and(|tag| *tag == self.tag);
        let gzip = negotiate::gzip(asked);
        let body = match (same, gzip) {
            (true, _) => Body::empty(),
            (false, true) => Body::from(self.compressed.clone()),
            (false, false) => Body::from(self.plain.clone()),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // Asked for anew each time, so that an update of Weir updates the page.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, self.tag.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if same {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

pub(super) async fn index(State(web): Shared, headers: HeaderMap) -> Response {
    web.index.answer(&headers)
}

pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match READY.iter().find(|(known, _)| *known == name) {
        Some((_, file)) => file.answer(&headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
