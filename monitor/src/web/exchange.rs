//! A request without a socket, for tests that make up requests of any kind.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper_util::service::TowerToHyperService;
use monitor_core::engine::Engine;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::asker::Client;
use super::places::Seat;
use super::{Web, server};
use crate::config::types::UrlPath;
use crate::config::value::Scalar;
use crate::state::State;
use crate::telemetry::Own;
use crate::telemetry::Peer;

/// An answer that streams is left after so long without a piece of it.
const PATIENCE: Duration = Duration::from_millis(50);
/// Pieces that are taken of an answer that streams.
const PIECES: usize = 8;

/// Everything that answers requests, above the sockets.
#[doc(hidden)]
#[derive(Debug)]
pub struct Exchange {
    runtime: Runtime,
    web: Arc<Web>,
    router: TowerToHyperService<Router>,
}

impl Exchange {
    /// Answers are about this engine.
    pub fn new(engine: Engine) -> io::Result<Self> {
        let own = Own::new().map_err(io::Error::other)?;
        let path = UrlPath::read("/metrics").map_err(io::Error::other)?;
        let state = Arc::new(State::new(engine, own));
        state.set_ready();
        let web = Arc::new(Web::new(state, path, None).map_err(io::Error::other)?);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let router = TowerToHyperService::new(web.router());
        Ok(Self { runtime, web, router })
    }

    /// Asks `METHOD TARGET` with `name: value` in the lines behind it. `None`: hyper would not have let
    /// such a request through. Else the status and the beginning of the body.
    pub fn ask(&self, request: &[u8]) -> Option<(u16, Vec<u8>)> {
        let request = read(request)?;
        // As of an agent that counts on an interface and has just read its flows.
        self.web.state.counted(1, 2);
        // Names of hosts are not asked for on such a connection: more of the requests get further.
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let work = Seat::alone(Client::at(peer.ip()), Peer::Internet(peer)).work();
        Some(self.runtime.block_on(async {
            let response =
                server::answer(&self.web, &self.router, server::Ends::at(peer), &work, request).await;
            let status = response.status().as_u16();
            let mut body = response.into_body();
            let mut beginning = Vec::new();
            for _ in 0..PIECES {
                let Ok(Some(Ok(frame))) = timeout(PATIENCE, body.frame()).await else { break };
                beginning.extend(frame.data_ref().into_iter().flatten());
            }
            (status, beginning)
        }))
    }
}

fn read(bytes: &[u8]) -> Option<Request<Body>> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut request = Request::builder().method(words.next()?).uri(words.next()?);
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        request = request.header(parts.next()?, parts.next()?.trim_ascii());
    }
    request.body(Body::empty()).ok()
}
