//! The HTTP server: metrics, health, the API and the live page.
//!
//! Everything that a stranger can use up is bounded: connections, header size and time, bodies (none
//! is taken), time of a request, time that a reader may stop reading, pages written at once.

mod answer;
mod api;
mod asker;
mod auth;
mod budget;
pub mod config;
mod exchange;
mod fair;
mod form;
mod headers;
mod limits;
mod local;
mod metrics;
mod negotiate;
mod origin;
mod page;
mod place;
mod places;
mod server;
mod stall;
mod tls;
mod users;
mod work;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use tokio::sync::{Semaphore, watch};

pub use answer::compress;
pub use config::{WebConfig, WebConfigError};
#[doc(hidden)]
pub use exchange::Exchange;
pub use form::FormError;
pub use limits::Limits;
pub use local::prepare;
pub use place::Place;
pub use server::{Listener, Server, check, listen};

use fair::Next;

use crate::config::types::{ListenAddress, UrlPath};
use crate::confine::Reader;
use crate::state::State;
use crate::sync::lock;
use crate::systemd::ActivationError;
use crate::telemetry::Event;
use crate::view::live;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// An address cannot be listened on.
    #[error("{address}: {}; give another with --web.listen-address", bind_reason(address, source))]
    Bind {
        /// The address.
        address: ListenAddress,
        /// Why.
        source: io::Error,
    },
    /// Nobody has that name.
    #[error("web.local-users: {name:?} is no user of this host; give names of /etc/passwd or numbers")]
    User {
        /// What was given.
        name: String,
    },
    /// It cannot be found out who connects.
    #[error("web.local-users: the kernel cannot be asked who connects: {0}; leave it out, or load tcp_diag")]
    Owners(io::Error),
    /// TLS and passwords cannot be read.
    #[error(transparent)]
    Config(#[from] WebConfigError),
    /// A socket that was handed over is none.
    #[error(transparent)]
    Activation(#[from] ActivationError),
}

fn bind_reason(address: &ListenAddress, error: &io::Error) -> String {
    match error.kind() {
        // What is wrong with a path says the error itself, which is often ours.
        kind if matches!(address, ListenAddress::Local(_)) && kind != io::ErrorKind::AddrInUse => {
            error.to_string()
        }
        io::ErrorKind::AddrInUse => "another process listens there".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no interface of this host has that address".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE".to_owned(),
        _ => error.to_string(),
    }
}

/// A web config that was read again, or why it was not.
type Read = Result<WebConfig, WebConfigError>;

/// What all requests share.
#[derive(Debug)]
pub struct Web {
    state: Arc<State>,
    telemetry_path: UrlPath,
    place: Place,
    config_file: Option<PathBuf>,
    config: Mutex<Arc<WebConfig>>,
    /// This host's name.
    host: String,
    /// Other names of it.
    hosts: Vec<String>,
    /// Who of this host may read.
    local_users: users::LocalUsers,
    /// Knows whose a connection is; none where all may read.
    owners: Option<local::Owners>,
    /// Has the rights to read the files again.
    reader: Option<Reader>,
    limits: Limits,
    guard: auth::Guard,
    /// Makes answers.
    pool: work::Pool,
    /// Makes the events of those who watch.
    watching: work::Pool,
    /// Memory of answers that are no scrapes.
    answers: Arc<budget::Budget>,
    scrapes: metrics::Scrapes,
    /// What was made for watchers since the last drain.
    made: live::Shared,
    /// Places of those who watch.
    watchers: Arc<Semaphore>,
    /// Ends the streams.
    stopping: watch::Sender<bool>,
    index: page::File,
}

impl Web {
    /// Reads the web config, if one is named.
    pub fn new(
        state: Arc<State>,
        telemetry_path: UrlPath,
        config_file: Option<PathBuf>,
    ) -> Result<Self, WebError> {
        let config = config_file.as_deref().map(WebConfig::read).transpose()?.unwrap_or_default();
        let limits = Limits::default();
        let stopping = watch::Sender::new(false);
        Ok(Self {
            index: page::File::index(&telemetry_path),
            telemetry_path,
            place: Place::default(),
            config_file,
            config: Mutex::new(Arc::new(config)),
            host: Self::host_name(),
            hosts: Vec::new(),
            local_users: users::LocalUsers::default(),
            owners: None,
            reader: None,
            limits,
            guard: auth::Guard::new(limits.logins, &stopping),
            pool: work::Pool::new(limits.workers, limits.waiting, Next::Oldest, &stopping),
            watching: work::Pool::new(1, limits.waiting, Next::Oldest, &stopping),
            answers: budget::Budget::new(&state, limits.answer_bytes, limits.waiting),
            scrapes: metrics::Scrapes::new(budget::Budget::new(
                &state,
                limits.answer_bytes,
                limits.connections,
            )),
            made: live::Shared::default(),
            watchers: Arc::new(Semaphore::new(limits.watchers)),
            stopping,
            state,
        })
    }

    /// With other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        let Limits { workers, waiting, answer_bytes, .. } = limits;
        self.limits = limits;
        self.guard = auth::Guard::new(limits.logins, &self.stopping);
        self.pool = work::Pool::new(workers, waiting, Next::Oldest, &self.stopping);
        self.watching = work::Pool::new(1, waiting, Next::Oldest, &self.stopping);
        self.answers = budget::Budget::new(&self.state, answer_bytes, waiting);
        let scrapes = budget::Budget::new(&self.state, answer_bytes, limits.connections);
        self.scrapes = metrics::Scrapes::new(scrapes);
        self.watchers = Arc::new(Semaphore::new(limits.watchers));
        self
    }

    /// Threads that may block, so that none waits for one of another kind: workers, and one each for scrapes,
    /// watchers and passwords; one to spare.
    pub fn blocking_threads(&self) -> usize {
        self.limits.workers + 4
    }

    fn host_name() -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    /// Who reads the files of the web config again; without one, whoever asks.
    #[must_use]
    pub fn with_reader(self, reader: Reader) -> Self {
        Self { reader: Some(reader), ..self }
    }

    /// Before the paths of a place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Names of this host beside its own.
    #[must_use]
    pub fn with_hosts(self, hosts: Vec<String>) -> Self {
        Self { hosts, ..self }
    }

    /// With these users alone of those who connect from this host, by name or number; of none, all.
    ///
    /// # Errors
    /// When one of them is no user, or the kernel cannot be asked who connects.
    pub fn with_local_users(mut self, users: &[String]) -> Result<Self, WebError> {
        self.local_users = users::LocalUsers::read(users).map_err(|name| WebError::User { name })?;
        if self.local_users.are_some() {
            self.owners = Some(local::Owners::new().map_err(WebError::Owners)?);
        }
        Ok(self)
    }

    /// The files that are read again when they change.
    pub fn files(&self) -> Vec<PathBuf> {
        let config = lock(&self.config);
        self.config_file.iter().cloned().chain(config.files().map(PathBuf::from)).collect()
    }

    /// The web config as it stands in its files now; while they cannot be read, or would protect less, as it
    /// stood before.
    pub fn config(&self) -> Arc<WebConfig> {
        let mut config = lock(&self.config);
        if let Some(path) = self.config_file.as_deref()
            && let Some((held, read)) = self.changed(&config, path)
        {
            let events = &self.state.events;
            *config = Arc::new(match read {
                Ok(new) => {
                    events.emit(&Event::WebConfigRead { path });
                    new
                }
                Err(error) => {
                    events.emit(&Event::WebConfigFailed { path, error: &error });
                    // Looked at again once a file changes again, not at each connection.
                    held
                }
            });
        }
        Arc::clone(&config)
    }

    /// What its files have to say, if they are others than those that it was read from: the same with what they are
    /// now taken note of, and what they say.
    fn changed(&self, config: &Arc<WebConfig>, path: &Path) -> Option<(WebConfig, Read)> {
        let look = |config: &WebConfig, path: &Path| {
            // Taken note of before it is read: what is written meanwhile is read the next time.
            config.is_stale().then(|| (config.as_seen_now(), config.read_again(path)))
        };
        let Some(reader) = &self.reader else { return look(config, path) };
        let (config, path) = (Arc::clone(config), path.to_owned());
        reader.run(move || look(&config, &path)).flatten()
    }

    /// All paths with what answers them, but for that of the metrics, which is set.
    fn routes() -> Vec<(&'static str, MethodRouter<Arc<Self>>)> {
        vec![
            ("/", get(page::index)),
            ("/page/{file}", get(page::file)),
            ("/-/healthy", get(healthy)),
            ("/-/ready", get(ready)),
            ("/api/v1/flows", get(api::flows)),
            ("/api/v1/flows/{id}", get(api::flow)),
            ("/api/v1/history", get(api::history)),
            ("/api/v1/live", get(api::live)),
            ("/api/v1/live/stream", get(api::stream)),
            ("/api/v1/detections", get(api::detections)),
            ("/api/v1/fanout", get(api::fanout)),
            ("/api/v1/overflow", get(api::overflow)),
        ]
    }

    fn router(self: &Arc<Self>) -> Router {
        let metrics = (self.telemetry_path.as_str(), get(metrics::page));
        let routes = Self::routes().into_iter().chain([metrics]);
        let router =
            routes.fold(Router::new(), |router, (path, answer)| router.route(&self.place.of(path), answer));
        self.place
            .doors()
            .into_iter()
            .fold(router, |router, door| router.route(door, get(to_the_page)))
            .with_state(Arc::clone(self))
    }
}

type Shared = axum::extract::State<Arc<Web>>;

async fn to_the_page(axum::extract::State(web): Shared) -> Response {
    web.place.show()
}

/// An instance that does not count is not healthy, however well it answers.
async fn healthy(axum::extract::State(web): Shared) -> (StatusCode, String) {
    match web.state.overdue() {
        None => (StatusCode::OK, "Weir is healthy.\n".to_owned()),
        Some(since) => {
            let text = format!("Weir has not read the flow table for {} s.\n", since.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

async fn ready(axum::extract::State(web): Shared) -> (StatusCode, &'static str) {
    if !web.state.is_ready() {
        (StatusCode::SERVICE_UNAVAILABLE, "Weir has not read the flow table yet.\n")
    } else if web.state.attached() == 0 {
        (StatusCode::SERVICE_UNAVAILABLE, "Weir is attached to no interface.\n")
    } else {
        (StatusCode::OK, "Weir is ready.\n")
    }
}

#[cfg(test)]
mod tests;
