//! The page to begin with: what this is and where everything stands.

use axum::extract::State;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse};

use super::Shared;

/// Nothing is loaded, nothing runs, nobody frames it.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn page(State(web): Shared) -> impl IntoResponse {
    // The telemetry path is made of characters that mean nothing in HTML: the configuration saw to it.
    let metrics = web.telemetry_path.as_str();
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Weir</title></head>\n<body>\n\
         <h1>Weir</h1>\n<p>Counts every packet of this host, per flow. Version {version}.</p>\n<ul>\n\
         <li><a href=\"{metrics}\">Metrics</a></li>\n\
         <li><a href=\"/api/v1/flows?limit=100\">Flows (JSON)</a></li>\n\
         <li><a href=\"/api/v1/fanout\">Sources that reach many hosts or ports (JSON)</a></li>\n\
         <li><a href=\"/-/healthy\">Healthy</a></li>\n\
         <li><a href=\"/-/ready\">Ready</a></li>\n</ul>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
    );
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(html))
}
