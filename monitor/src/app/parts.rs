//! What a run consists of.

use std::{io, path::PathBuf, sync::Arc, thread::JoinHandle};

use monitor_core::engine::Engine;
use tokio::runtime::Runtime;

use super::{Plan, RunError, counter::Counter, error::system, settings, signals::Signals, threads::confined};
use crate::{
    clock,
    config::types::ListenAddress,
    config::{Config, DEFAULT_PATH, Loaded, outputs::Network},
    confine::{Confinement, Identity, Reader, Role, UserError},
    sink::{
        Dialer, Failure, PacketFiles, Place, Recorder,
        run::{Named, Outputs},
    },
    state::State,
    systemd::{self, Activated, Notifier},
    telemetry::{Event, Own},
    web::{self, Limits, Listener, Server, Web, WebError},
};

/// All that a run needs, each ready to begin.
pub(super) struct Parts {
    /// What is counted, and what Weir tells of itself.
    pub(super) state: Arc<State>,
    /// What threads keep of their rights.
    pub(super) confinement: Confinement,
    /// Reads files that only root may.
    pub(super) reader: Reader,
    /// Connects for outputs, if one of them sends to another host.
    pub(super) dialer: Option<Dialer>,
    /// Bound to its addresses, not yet serving.
    pub(super) server: Server,
    /// systemd, where it waits for us.
    pub(super) notifier: Arc<Notifier>,
    /// Listened to from here on.
    pub(super) signals: Signals,
    /// Write records, if any are asked for.
    pub(super) outputs: Option<Outputs>,
    /// Writes packets, if they are asked for.
    pub(super) packets: Option<Packets>,
    /// Attached, not yet draining.
    pub(super) counter: Counter,
}

impl Parts {
    /// Makes them. What fails often and fast comes first (an address in use, a wrong web config, no such interface);
    /// what touches something that is there already, last.
    ///
    /// # Errors
    /// When one cannot be made.
    pub(super) fn make(plan: &Plan, loaded: &Loaded, runtime: &Runtime) -> Result<Self, RunError> {
        let config = &loaded.config;
        let place = plan.place()?;
        let sinks = plan.prepare(config)?;
        let packet_files = plan.packets()?;
        let records = !sinks.is_empty();
        let state = state(config, records)?;
        for name in &loaded.unknown_variables {
            state.events.emit(&Event::UnknownVariable { name });
        }
        if !config.confine {
            state.events.emit(&Event::Unconfined);
        }
        let web = web(config, &state)?;
        let handed = if plan.serves() { systemd::listeners().map_err(WebError::from)? } else { Vec::new() };
        let sockets = if handed.is_empty() { sockets(plan, config)? } else { Vec::new() };
        let confinement = Confinement { sockets, ..confinement(plan, loaded, &web)? };
        let (reader, report) = Reader::start(&confinement).map_err(system("starting threads"))?;
        confined(&state, Role::Files, report.as_ref());
        let server = server(plan, config, handed, web.with_reader(reader.clone()))?;
        let notifier = Arc::new(Notifier::from_environment());
        let signals = runtime.block_on(async { Signals::new() }).map_err(system("listening to signals"))?;
        let dialer = if records { dialer(plan, config, &confinement, &state)? } else { None };
        let start = || Outputs::start(Arc::clone(&state), sinks, dialer.clone());
        let outputs = records.then(|| writers(&confinement, &state, start)).transpose()?;
        let start = |files: PacketFiles| writers(&confinement, &state, || files.start(Arc::clone(&state)));
        let packets = packet_files.map(start).transpose()?.map(|(to, thread)| Packets { to, thread });
        let counter = Counter::open(
            Arc::clone(&state),
            config.clone(),
            outputs.as_ref().map(Outputs::feed),
            packets.as_ref().map(|packets| packets.to.clone()),
        )?;
        // Nothing of an earlier recording goes, and nothing new comes, before it is sure that this one counts.
        place.map(Place::begin).transpose()?;
        if let Some(packets) = &packets {
            packets.to.begin();
        }
        Ok(Self { state, confinement, reader, dialer, server, notifier, signals, outputs, packets, counter })
    }
}

/// A thread that writes packets.
pub(super) struct Packets {
    /// Takes what is tapped.
    to: Recorder,
    thread: JoinHandle<Failure>,
}

impl Packets {
    /// Waits until what was handed over is written; whoever else hands over has ended.
    pub(super) fn end(self) -> Failure {
        // The thread ends when nobody can hand over any more.
        drop(self.to);
        self.thread.join().ok().flatten()
    }
}

/// What is counted, empty.
pub(super) fn state(config: &Config, records: bool) -> Result<Arc<State>, RunError> {
    let engine = Engine::new(settings::engine(config, clock::wall_offset(), records)?, clock::now());
    let own = Own::new().map_err(system("setting up instruments"))?;
    Ok(Arc::new(State::new(engine, own)))
}

fn web(config: &Config, state: &Arc<State>) -> Result<Web, RunError> {
    let (telemetry_path, file) = (config.web_telemetry_path.clone(), config.web_config_file.clone());
    Ok(Web::new(Arc::clone(state), telemetry_path, file)?
        .with_hosts(settings::hosts(config))
        .at(settings::place(config))
        .with_limits(Limits::from(config))
        .with_local_users(&config.web_local_users)?)
}

/// Starts threads that write, with the rights of those.
fn writers<T: Send>(
    confinement: &Confinement,
    state: &State,
    start: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, RunError> {
    let started = confinement.within(Role::Outputs, start).and_then(|(started, report)| {
        confined(state, Role::Outputs, report.as_ref());
        started
    });
    started.map_err(system("starting threads"))
}

/// Starts the thread that connects for outputs, if one of them sends to another host.
fn dialer(
    plan: &Plan,
    config: &Config,
    confinement: &Confinement,
    state: &State,
) -> Result<Option<Dialer>, RunError> {
    let outputs = plan.outputs(config)?;
    let networks = networks(&outputs);
    if networks.is_empty() {
        return Ok(None);
    }
    let (dialer, report) = Dialer::start(confinement, &networks).map_err(system("starting threads"))?;
    confined(state, Role::Connector, report.as_ref());
    Ok(Some(dialer))
}

/// Those outputs that send to other hosts.
pub(super) fn networks(outputs: &[Named]) -> Vec<&Network> {
    outputs.iter().filter_map(|(_, output)| output.to.network()).collect()
}

/// What threads keep of their rights.
fn confinement(plan: &Plan, loaded: &Loaded, web: &Web) -> Result<Confinement, UserError> {
    let config = &loaded.config;
    let outputs = plan.outputs(config).unwrap_or_default();
    let networks = networks(&outputs);
    let files = networks.iter().flat_map(|network| network.files());
    let file = loaded.file.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_PATH));
    Ok(Confinement {
        off: !config.confine,
        identity: identity(config)?,
        packets: config.promiscuous || !plan.serves(),
        configuration: std::iter::once(file).chain(files).collect(),
        web: web.files(),
        outputs: plan.directories(config),
        ports: networks.iter().flat_map(|network| &network.to).map(|peer| peer.port).collect(),
        pins: config.pin.clone(),
        groups: None,
        named: Vec::new(),
        sockets: Vec::new(),
    })
}

/// Whom threads become.
pub(super) fn identity(config: &Config) -> Result<Identity, UserError> {
    if config.confine { Identity::choose(config.user.as_deref()) } else { Ok(Identity::Kept) }
}

/// Listens, unless somebody did already.
fn server(plan: &Plan, config: &Config, handed: Vec<Activated>, web: Web) -> Result<Server, WebError> {
    if !plan.serves() {
        return Server::bind(web, &[]);
    }
    if handed.is_empty() {
        return Server::bind(web, &config.web_listen_address);
    }
    let listener = |handed| match handed {
        Activated::Internet(listener) => Listener::Internet(listener),
        Activated::Local(listener) => Listener::Local(listener),
    };
    Ok(Server::on(web, handed.into_iter().map(listener).collect()))
}

/// Paths of the sockets that this process is to make, whose directories are there after this.
fn sockets(plan: &Plan, config: &Config) -> Result<Vec<PathBuf>, WebError> {
    let mut paths = Vec::new();
    for address in config.web_listen_address.iter().filter(|_| plan.serves()) {
        if let ListenAddress::Local(path) = address {
            web::prepare(path).map_err(|source| WebError::Bind { address: address.clone(), source })?;
            paths.push(path.clone());
        }
    }
    Ok(paths)
}
