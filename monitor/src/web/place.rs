//! Where the server stands in the paths of an address, and behind which address others reach it: the same two settings
//! as Prometheus has.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::config::types::{ExternalUrl, RoutePrefix};

/// Before which paths it answers, and where a reader finds the page.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// What stands before each path: empty, or a path without its last slash.
    prefix: String,
    /// Path of the page as readers ask for it, with its last slash.
    seen: String,
}

impl Place {
    /// By what is configured. Without a prefix it is the path of the URL.
    pub fn new(url: Option<&ExternalUrl>, prefix: Option<&RoutePrefix>) -> Self {
        let outside = url.map(ExternalUrl::path);
        let prefix = prefix.map(RoutePrefix::as_str).or(outside).unwrap_or_default();
        Self { prefix: prefix.to_owned(), seen: format!("{}/", outside.unwrap_or(prefix)) }
    }

    /// The path under which a path of the server is asked for.
    pub fn of(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The paths that lead to the page without being it.
    pub(super) fn doors(&self) -> Vec<&str> {
        if self.prefix.is_empty() { Vec::new() } else { vec!["/", &self.prefix] }
    }

    /// Sends a reader to the page: its links are relative to that path.
    pub(super) fn show(&self) -> Response {
        // Both are made of characters that a header may have: the configuration saw to it.
        match HeaderValue::from_str(&self.seen) {
            Ok(seen) => (StatusCode::FOUND, [(LOCATION, seen)]).into_response(),
            Err(_) => StatusCode::NOT_FOUND.into_response(),
        }
    }
}
