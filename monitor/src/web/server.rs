//! Sockets and connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use hyper::body::Body;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::asker::{Asker, Client};
use super::auth::Verdict;
use super::local::Name;
use super::places::{self, Place, Places, Seat, Work};
use super::stall::Stall;
use super::{Web, WebError, headers, local, origin};
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
pub fn listen(address: &ListenAddress) -> Result<Listener, WebError> {
    let listener = match address {
        ListenAddress::Internet(address) => std::net::TcpListener::bind(address).and_then(|listener| {
            rustix::net::listen(&listener, BACKLOG)?;
            // Connections have it from here: else the kernel keeps up to 4 MiB for each reader that is slow.
            rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER)?;
            Ok(Listener::Internet(listener))
        }),
        ListenAddress::Local(path) => local::listen(path).map(Listener::Local),
    };
    listener.map_err(|source| WebError::Bind { address: address.clone(), source })
}

/// Whether an address is free: as [`listen`], which is given up again; of a socket's path nothing is made.
///
/// # Errors
/// Those of [`listen`].
pub fn check(address: &ListenAddress) -> Result<Option<Listener>, WebError> {
    match address {
        ListenAddress::Internet(_) => listen(address).map(Some),
        ListenAddress::Local(path) => local::check(path)
            .map(|()| None)
            .map_err(|source| WebError::Bind { address: address.clone(), source }),
    }
}

/// A socket that listens.
#[derive(Debug)]
pub enum Listener {
    /// For TCP.
    Internet(std::net::TcpListener),
    /// For users of this host.
    Local(std::os::unix::net::UnixListener),
}

/// The same, within the runtime.
enum Accepting {
    Internet(TcpListener),
    Local(UnixListener),
}

/// A connection.
enum Stream {
    Internet(TcpStream),
    Local(UnixStream),
}

/// What is known of a connection's ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// Who is at the other.
    pub(super) peer: Peer,
    /// Whether ours is an address that only this host reaches.
    pub(super) loopback: bool,
    /// The other end's user, if it is asked for and known.
    pub(super) user: Option<u32>,
}

impl Ends {
    pub(super) const fn at(peer: SocketAddr) -> Self {
        Self { peer: Peer::Internet(peer), loopback: false, user: None }
    }

    pub(super) fn client(&self) -> Client {
        match self.peer {
            Peer::Internet(address) => Client::at(address.ip()),
            Peer::Local(user) => Client::Local(user),
        }
    }
}

impl Listener {
    fn accepting(self) -> io::Result<Accepting> {
        Ok(match self {
            Self::Internet(listener) => {
                listener.set_nonblocking(true)?;
                Accepting::Internet(TcpListener::from_std(listener)?)
            }
            Self::Local(listener) => {
                listener.set_nonblocking(true)?;
                Accepting::Local(UnixListener::from_std(listener)?)
            }
        })
    }
}

impl Accepting {
    async fn accept(&self, web: &Web) -> io::Result<(Stream, Ends)> {
        match self {
            Self::Internet(listener) => {
                let (stream, peer) = listener.accept().await?;
                let own = stream.local_addr()?;
                let loopback = own.ip().to_canonical().is_loopback();
                let user = web.owners.as_ref().filter(|_| loopback).and_then(|owners| owners.of(peer, own));
                Ok((Stream::Internet(stream), Ends { peer: Peer::Internet(peer), loopback, user }))
            }
            Self::Local(listener) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                let ends = Ends { peer: Peer::Local(user), loopback: true, user: Some(user) };
                Ok((Stream::Local(stream), ends))
            }
        }
    }
}

/// The sockets, bound: whoever has them may serve.
#[derive(Debug)]
pub struct Server {
    web: Arc<Web>,
    listeners: Vec<Listener>,
    /// Paths of those that are somebody else's to remove.
    handed: Vec<PathBuf>,
    sockets: Vec<Name>,
}

impl Server {
    /// Binds all addresses.
    pub fn bind(web: Web, addresses: &[ListenAddress]) -> Result<Self, WebError> {
        let mut server = Self::on(web, Vec::new());
        for address in addresses {
            server.listeners.push(listen(address)?);
            if let ListenAddress::Local(path) = address {
                server.sockets.push(Name::of(path, server.web.reader.clone()));
            }
        }
        Ok(server)
    }

    /// Serves on sockets that listen already.
    pub fn on(web: Web, listeners: Vec<Listener>) -> Self {
        let path = |listener: &Listener| match listener {
            Listener::Internet(_) => None,
            Listener::Local(listener) => listener.local_addr().ok()?.as_pathname().map(Path::to_owned),
        };
        let handed = listeners.iter().filter_map(path).collect();
        Self { web: Arc::new(web), listeners, handed, sockets: Vec::new() }
    }

    /// The addresses, with the ports that the system chose for 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let internet = |listener: &Listener| match listener {
            Listener::Internet(listener) => listener.local_addr().ok(),
            Listener::Local(_) => None,
        };
        self.listeners.iter().filter_map(internet).collect()
    }

    /// Paths of the unix sockets.
    pub fn sockets(&self) -> Vec<PathBuf> {
        self.handed
            .iter()
            .map(PathBuf::as_path)
            .chain(self.sockets.iter().map(Name::path))
            .map(Path::to_owned)
            .collect()
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
            let listener = match listener.accepting() {
                Ok(listener) => listener,
                Err(error) => {
                    self.web.state.events.emit(&Event::AcceptFailed { error: &error });
                    continue;
                }
            };
            let web = Arc::clone(&self.web);
            accepting.spawn(accept(listener, web, router.clone(), Arc::clone(&places), stop.clone()));
        }
        let sockets = self.sockets;
        accepting.spawn(async move {
            stopped(&mut stopping).await;
            // Streams have no end of their own.
            web.stopping.send_replace(true);
            // While it listens nobody else takes the name.
            drop(sockets);
        });
        while accepting.join_next().await.is_some() {}
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it whoever could have stopped us.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn accept(
    listener: Accepting,
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
            accepted = listener.accept(&web) => accepted,
        };
        let (stream, ends) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                web.state.events.emit(&Event::AcceptFailed { error: &error });
                // Out of descriptors: the next try would fail at once too.
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let peer = ends.peer;
        let Some((place, displaced)) = places.take(ends.client(), peer).await else {
            web.state.events.emit(&Event::ConnectionRefused { peer });
            continue;
        };
        if displaced {
            web.state.events.emit(&Event::ConnectionDisplaced { peer });
        }
        connections.spawn(served(stream, ends, Arc::clone(&web), router.clone(), place, stop.clone()));
    }
    drop(listener);
    drop(timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await);
}

/// A connection, until it ends or has to leave.
async fn served(
    stream: Stream,
    ends: Ends,
    web: Arc<Web>,
    router: Router,
    place: Place,
    stop: watch::Receiver<bool>,
) {
    let ended = tokio::select! {
        () = place.seat().left() => return,
        ended = connection(stream, ends, &web, router, place.seat(), stop) => ended,
    };
    if let Err(error) = ended {
        web.state.events.emit(&Event::ConnectionFailed { peer: ends.peer, error: &*error });
    }
}

async fn connection(
    stream: Stream,
    ends: Ends,
    web: &Arc<Web>,
    router: Router,
    seat: &Arc<Seat>,
    stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = match stream {
        Stream::Internet(stream) => stream,
        // What passes here leaves no wire, and who may connect the file system says.
        Stream::Local(stream) => return Ok(requests(stream, ends, web, router, seat, stop).await?),
    };
    stream.set_nodelay(true)?;
    match &web.config().tls {
        Some(acceptor) => {
            let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
            requests(stream, ends, web, router, seat, stop).await?;
        }
        None => requests(stream, ends, web, router, seat, stop).await?,
    }
    Ok(())
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    ends: Ends,
    web: &Arc<Web>,
    router: Router,
    seat: &Arc<Seat>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), hyper::Error> {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(|request| {
        let (web, router, work) = (Arc::clone(web), router.clone(), seat.work());
        async move {
            let response = answer(&web, &router, ends, &work, request).await;
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

/// Answers a request.
pub(super) async fn answer<B>(
    web: &Arc<Web>,
    router: &TowerToHyperService<Router>,
    ends: Ends,
    work: &Arc<Work>,
    mut request: Request<B>,
) -> Response
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let config = web.config();
    let peer = ends.peer;
    if let Some(mut response) = web.stranger(ends, config.is_guarded(), request.headers()) {
        web.state.events.emit(&Event::RequestRefused { peer, status: response.status().as_u16() });
        headers::complete(response.headers_mut(), &config.headers);
        return response;
    }
    let verdict = match peer {
        // The permissions of the socket have decided.
        Peer::Local(_) => Verdict::Allowed(None),
        Peer::Internet(_) => web.guard.judge(&config.users, request.headers(), work.seat().client()).await,
    };
    let mut response = match verdict {
        Verdict::Missing => {
            web.state.events.emit(&Event::Unauthorized { peer });
            unauthorized()
        }
        Verdict::Wrong => {
            web.state.events.emit(&Event::LoginFailed { peer });
            // Who guesses waits, and gives way to whoever else comes meanwhile.
            work.seat().penalize();
            sleep(web.guard.hold_back(work.seat().client(), web.limits.login_delay)).await;
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

impl Web {
    /// The answer to one who may not ask here, whatever it is.
    pub(super) fn stranger(&self, ends: Ends, guarded: bool, headers: &HeaderMap) -> Option<Response> {
        let internet = matches!(ends.peer, Peer::Internet(_));
        let named = || origin::is_ours(headers, &self.host, &self.hosts);
        let (status, text) = if internet && ends.loopback && !guarded && !named() {
            let text = "Host name not allowed; add it to web.hosts\n";
            (StatusCode::MISDIRECTED_REQUEST, text)
        } else if internet && origin::is_cross_site(headers, &self.hosts) {
            (StatusCode::FORBIDDEN, "Weir does not answer to pages of other sites\n")
        } else if ends.loopback && !self.local_users.admits(ends.user) {
            (StatusCode::FORBIDDEN, "This user of the host may not read it; web.local-users says who may\n")
        } else {
            return None;
        };
        Some((status, text).into_response())
    }
}

fn unauthorized() -> Response {
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic")], "Unauthorized\n").into_response()
}

fn refused(web: &Web, peer: Peer, status: StatusCode) -> Response {
    web.state.events.emit(&Event::RequestRefused { peer, status: status.as_u16() });
    (status, [(CONNECTION, "close")]).into_response()
}
