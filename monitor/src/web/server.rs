//! Sockets and connections.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use hyper::body::Body;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::asker::{Asker, Client};
use super::auth::Verdict;
use super::places::{self, Place, Places, Seat, Work};
use super::stall::Stall;
use super::{Web, WebError, headers, origin};
use crate::config::types::ListenAddress;
use crate::telemetry::{Event, Peer};

/// For the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Bytes of a request's header.
const HEADER_BYTES: usize = 16 * 1024;
/// Fields of a request's header.
const HEADER_FIELDS: usize = 64;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Bytes that the kernel keeps of what a client has not taken.
const SEND_BUFFER: usize = 128 << 10;
/// For open connections when the program stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Listens on an address.
///
/// # Errors
/// When another process does, or no interface has it.
pub fn listen(address: &ListenAddress) -> Result<std::net::TcpListener, WebError> {
    std::net::TcpListener::bind(address.0)
        .and_then(|listener| {
            rustix::net::listen(&listener, BACKLOG)?;
            // Connections have it from here: else the kernel keeps up to 4 MiB for each reader that is slow.
            rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER)?;
            Ok(listener)
        })
        .map_err(|source| WebError::Bind { address: *address, source })
}

/// The sockets, bound: whoever has them may serve.
#[derive(Debug)]
pub struct Server {
    web: Arc<Web>,
    listeners: Vec<std::net::TcpListener>,
}

impl Server {
    /// Binds all addresses.
    pub fn bind(web: Web, addresses: &[ListenAddress]) -> Result<Self, WebError> {
        Ok(Self::on(web, addresses.iter().map(listen).collect::<Result<_, _>>()?))
    }

    /// Serves on sockets that listen already.
    pub fn on(web: Web, listeners: Vec<std::net::TcpListener>) -> Self {
        Self { web: Arc::new(web), listeners }
    }

    /// The addresses, with the ports that the system chose for 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|l| l.local_addr().ok()).collect()
    }

    /// What the requests share.
    pub fn web(&self) -> &Arc<Web> {
        &self.web
    }

    /// Serves until `stop` becomes true.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let places = Places::new(self.web.limits.connections);
        let router = self.web.router();
        let web = Arc::clone(&self.web);
        let mut stopping = stop.clone();
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
            let listener = match listener {
                Ok(listener) => listener,
                Err(error) => {
                    self.web.state.events.emit(&Event::AcceptFailed { error: &error });
                    continue;
                }
            };
            let web = Arc::clone(&self.web);
            accepting.spawn(accept(listener, web, router.clone(), Arc::clone(&places), stop.clone()));
        }
        // Streams have no end of their own.
        accepting.spawn(async move {
            stopped(&mut stopping).await;
            web.stopping.send_replace(true);
        });
        while accepting.join_next().await.is_some() {}
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it whoever could have stopped us.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn accept(
    listener: TcpListener,
    web: Arc<Web>,
    router: Router,
    places: Arc<Places>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                web.state.events.emit(&Event::AcceptFailed { error: &error });
                // Out of descriptors: the next try would fail at once too.
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (client, peer) = (Client::at(peer.ip()), Peer::Internet(peer));
        let Some((place, displaced)) = places.take(client, peer).await else {
            web.state.events.emit(&Event::ConnectionRefused { peer });
            continue;
        };
        if displaced {
            web.state.events.emit(&Event::ConnectionDisplaced { peer });
        }
        connections.spawn(served(stream, peer, Arc::clone(&web), router.clone(), place, stop.clone()));
    }
    drop(listener);
    drop(timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await);
}

/// A connection, until it ends or has to leave.
async fn served(
    stream: TcpStream,
    peer: Peer,
    web: Arc<Web>,
    router: Router,
    place: Place,
    stop: watch::Receiver<bool>,
) {
    let ended = tokio::select! {
        () = place.seat().left() => return,
        ended = connection(stream, &web, router, place.seat(), stop) => ended,
    };
    if let Err(error) = ended {
        web.state.events.emit(&Event::ConnectionFailed { peer, error: &*error });
    }
}

async fn connection(
    stream: TcpStream,
    web: &Arc<Web>,
    router: Router,
    seat: &Arc<Seat>,
    stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let loopback = stream.local_addr()?.ip().to_canonical().is_loopback();
    match &web.config().tls {
        Some(acceptor) => {
            let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
            requests(stream, loopback, web, router, seat, stop).await?;
        }
        None => requests(stream, loopback, web, router, seat, stop).await?,
    }
    Ok(())
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    loopback: bool,
    web: &Arc<Web>,
    router: Router,
    seat: &Arc<Seat>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), hyper::Error> {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(|request| {
        let (web, router, work) = (Arc::clone(web), router.clone(), seat.work());
        async move {
            let response = answer(&web, &router, loopback, &work, request).await;
            Ok::<_, Infallible>(response.map(|body| places::Answer::new(body, work)))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(web.limits.header)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADER_FIELDS)
        .serve_connection(TokioIo::new(Stall::new(stream, web.limits.stall, Arc::clone(seat))), service);
    tokio::pin!(connection);
    tokio::select! {
        done = connection.as_mut() => return done,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Answers a request. `loopback`: it came to an address that only this host reaches.
pub(super) async fn answer<B>(
    web: &Arc<Web>,
    router: &TowerToHyperService<Router>,
    loopback: bool,
    work: &Arc<Work>,
    mut request: Request<B>,
) -> Response
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let config = web.config();
    let peer = work.seat().peer();
    let ours = !loopback || config.is_guarded() || origin::is_ours(request.headers(), &web.host, &web.hosts);
    if !ours {
        web.state.events.emit(&Event::RequestRefused { peer, status: 421 });
        let text =
            "Here Weir answers to addresses, localhost and this host's name; others are set by web.hosts\n";
        let mut response = (StatusCode::MISDIRECTED_REQUEST, text).into_response();
        headers::complete(response.headers_mut(), &config.headers);
        return response;
    }
    let verdict = web.guard.judge(&config.users, request.headers(), work.seat().client()).await;
    let mut response = match verdict {
        Verdict::Missing => {
            web.state.events.emit(&Event::Unauthorized { peer });
            unauthorized()
        }
        Verdict::Wrong => {
            web.state.events.emit(&Event::LoginFailed { peer });
            // Who guesses waits, and gives way to whoever else comes meanwhile.
            work.seat().penalize();
            sleep(web.limits.login_delay).await;
            unauthorized()
        }
        Verdict::Busy => {
            web.state.events.emit(&Event::RequestRefused { peer, status: 429 });
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "5")], "Too many passwords to check\n")
                .into_response()
        }
        Verdict::Allowed(user) if request.body().is_end_stream() => {
            let client = user.map_or_else(|| work.seat().client().clone(), Client::User);
            request.extensions_mut().insert(Asker { client, work: Arc::clone(work) });
            match timeout(web.limits.answer, router.call(request)).await {
                Ok(Ok(response)) => response,
                Err(_) => refused(web, peer, StatusCode::SERVICE_UNAVAILABLE),
            }
        }
        // No path takes a body, so none is read.
        Verdict::Allowed(_) => refused(web, peer, StatusCode::PAYLOAD_TOO_LARGE),
    };
    headers::complete(response.headers_mut(), &config.headers);
    response
}

fn unauthorized() -> Response {
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic")], "Unauthorized\n").into_response()
}

fn refused(web: &Web, peer: Peer, status: StatusCode) -> Response {
    web.state.events.emit(&Event::RequestRefused { peer, status: status.as_u16() });
    (status, [(CONNECTION, "close")]).into_response()
}
