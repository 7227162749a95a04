//! `weir run`: from a configuration to a clean end.

mod counter;
mod difference;
mod hello;
mod orders;
mod outputs;
mod own;
mod settings;
mod told;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use monitor_core::engine::Engine;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::config::outputs::Network;
use crate::config::secret::SecretError;
use crate::config::types::ListenAddress;
use crate::config::{Config, ConfigError, DEFAULT_PATH, Loaded, Overrides};
use crate::confine::{Confinement, Identity, Reader, Report, Role, UserError};
use crate::host::HostError;
use crate::lock::LockError;
use crate::sink::{
    Dialer, OutputError, Place,
    run::{Named, Outputs},
};
use crate::source::ebpf;
use crate::state::State;
use crate::systemd::{self, Notifier, Watchdog};
use crate::telemetry::{Event, Log, LogError, Own};
use crate::web::{Limits, Listener, Server, Web, WebError};
use counter::{Counter, LAST_DRAIN};
use hello::Hello;
use orders::{Order, Orders, orders};
pub use outputs::{Plan, Recording, RunOutputs};
pub(crate) use outputs::{given, named, short_forms};
pub use own::OwnRun;
pub(crate) use settings::source as source_options;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log could not be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The user that was named cannot be had.
    #[error(transparent)]
    User(#[from] UserError),
    /// The server could not.
    #[error(transparent)]
    Web(#[from] WebError),
    /// Records cannot be written anywhere.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// What an output needs of files is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The host cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Another instance counts already.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The kernel side refuses.
    #[error(transparent)]
    Source(#[from] ebpf::Error),
    /// A named interface is not there.
    #[error("{name}: no such interface; give one of {known}")]
    NoSuchInterface {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nothing to count on.
    #[error("interfaces: none is up and no loopback; name one with --interface ({known})")]
    NoInterface {
        /// What there is.
        known: String,
    },
    /// Frames for other hosts cannot be asked for.
    #[error(
        "making {interface} promiscuous: {source}; run as root or grant CAP_NET_RAW, or leave out --promiscuous"
    )]
    Promiscuous {
        /// The interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
    /// Packets of an interface cannot be had.
    #[error("packets of {interface}: {source}; run as root or grant CAP_NET_RAW")]
    Tap {
        /// The interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
    /// Threads, signals or instruments could not be set up.
    #[error("{operation}: {source}; raise the limits of this process (ulimit)")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The counting thread ended by itself.
    #[error("counting ended unexpectedly; see the log, and please report this")]
    CounterEnded,
}

fn system<E: std::error::Error + Send + Sync + 'static>(operation: &'static str) -> impl Fn(E) -> RunError {
    move |source| RunError::System { operation, source: Box::new(source) }
}

/// Whether the wall clock moved against the flow clock by more than reading them can explain.
const fn clock_is_off(held: i64, now: i64) -> bool {
    held.abs_diff(now) > 50_000_000
}

/// Runs until a signal ends it, or the time that it was given.
pub fn run(overrides: &Overrides, plan: &Plan) -> Result<(), RunError> {
    let mut loaded = overrides.load()?;
    // Nothing that a user could do otherwise would help.
    if !ebpf::is_embedded() {
        return Err(ebpf::Error::NoKernelSide.into());
    }
    if !plan.serves() && !loaded.is_from_flag("samples.enabled") {
        // Names are what a recording is for.
        loaded.config.samples_enabled = true;
    }
    if !plan.serves() {
        // What is taken away ends with the recording.
        loaded.config.pin = None;
    }
    let log = Log::start(loaded.config.log_level, loaded.config.log_format)?;
    // For signals and the end; what is asked over HTTP runs on threads with fewer rights.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(system("starting threads"))?;
    App { overrides, plan, log, running: loaded.config.clone(), reader: None, dialer: None }
        .run(&runtime, &loaded)
}

/// A run.
struct App<'a> {
    overrides: &'a Overrides,
    plan: &'a Plan,
    log: Log,
    running: Config,
    /// Reads the configuration again.
    reader: Option<Reader>,
    /// Connects for outputs.
    dialer: Option<Dialer>,
}

impl App<'_> {
    fn run(mut self, runtime: &Runtime, loaded: &Loaded) -> Result<(), RunError> {
        let config = &loaded.config;
        let place = self.plan.place()?;
        let sinks = self.plan.prepare(config)?;
        let packets = self.plan.packets()?;
        let records = !sinks.is_empty();
        let engine = Engine::new(settings::engine(config, clock::wall_offset(), records)?, clock::now());
        let own = Own::new().map_err(system("setting up instruments"))?;
        let state = Arc::new(State::new(engine, own));
        for name in &loaded.unknown_variables {
            state.events.emit(&Event::UnknownVariable { name });
        }
        if !config.confine {
            state.events.emit(&Event::Unconfined);
        }
        // What fails often and fast comes first: address in use, wrong web config, no such interface.
        let web =
            Web::new(Arc::clone(&state), config.web_telemetry_path.clone(), config.web_config_file.clone())?
                .with_hosts(settings::hosts(config))
                .at(settings::place(config))
                .with_limits(Limits::from(config))
                .with_local_users(&config.web_local_users)?;
        let confinement = self.confinement(loaded, &web)?;
        let (reader, report) = Reader::start(&confinement).map_err(system("starting threads"))?;
        confined(&state, Role::Files, report.as_ref());
        self.reader = Some(reader.clone());
        let server = self.server(config, web.with_reader(reader))?;
        let notifier = Arc::new(Notifier::from_environment());
        let mut signals =
            runtime.block_on(async { Signals::new() }).map_err(system("listening to signals"))?;
        let outputs = if records {
            let dialer = self.dialer(config, &confinement, &state)?;
            let start = || Outputs::start(Arc::clone(&state), sinks, dialer.clone());
            self.dialer.clone_from(&dialer);
            let started = confinement.within(Role::Outputs, start).and_then(|(started, report)| {
                confined(&state, Role::Outputs, report.as_ref());
                started
            });
            Some(started.map_err(system("starting threads"))?)
        } else {
            None
        };
        let mut writing = None;
        let mut recorder = None;
        if let Some(packets) = packets {
            let start = || packets.start(Arc::clone(&state));
            let (to, thread) = confinement
                .within(Role::Outputs, start)
                .and_then(|(started, report)| {
                    confined(&state, Role::Outputs, report.as_ref());
                    started
                })
                .map_err(system("starting threads"))?;
            recorder = Some(to);
            writing = Some(thread);
        }
        let counter = Counter::open(
            Arc::clone(&state),
            config.clone(),
            outputs.as_ref().map(Outputs::feed),
            recorder.clone(),
        )?;
        // Nothing of an earlier recording goes, and nothing new comes, before it is sure that this one counts.
        place.map(Place::begin).transpose()?;
        if let Some(recorder) = recorder {
            recorder.begin();
        }

        identified(&state, &confinement);
        self.hello(&server, &counter, &state);
        let (orders, received) = orders().map_err(system("starting threads"))?;
        let (ended, mut end) = oneshot::channel();
        let mut watchdog = Watchdog::new(Arc::clone(&notifier));
        let rights = Confinement { groups: counter.groups(), ..confinement.clone() };
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("counter".to_owned())
            .spawn(move || {
                confined(&shared, Role::Counter, rights.enter(Role::Counter).as_ref());
                counter.run(&received, &mut watchdog);
                // Whoever waits for the end sees it also when this thread panics: the sender is dropped.
                let _ = ended.send(());
            })
            .map_err(system("starting threads"))?;
        let (stop, stopped) = watch::channel(false);
        let (go, gone) = channel();
        let serving =
            self.plan.serves().then(|| serve(server, stopped, gone, &state, &confinement)).transpose()?;
        // No thread comes after this one but what those that are there start, with what they keep.
        confined(&state, Role::Main, confinement.enter(Role::Main).as_ref());
        // The first connection is accepted when all have given up their rights. An error: nobody serves.
        let _ = go.send(());
        notifier.say("READY=1");

        let duration = self.plan.duration();
        let result = runtime.block_on(async {
            let over = sleep(duration.unwrap_or_default());
            tokio::pin!(over);
            loop {
                let name = tokio::select! {
                    name = signals.next() => name,
                    () = &mut over, if duration.is_some() => "",
                    _ = &mut end => break Err(RunError::CounterEnded),
                };
                match name {
                    "SIGHUP" => self.reload(&state, &orders, outputs.as_ref()),
                    name => {
                        if !name.is_empty() {
                            state.events.emit(&Event::Stopping { signal: name });
                        }
                        notifier.say("STOPPING=1");
                        orders.give(Order::Stop);
                        // The page stays until the last drain is on it.
                        let last = timeout(LAST_DRAIN, &mut end).await;
                        break if matches!(last, Ok(Ok(()))) { Ok(()) } else { Err(RunError::CounterEnded) };
                    }
                }
            }
        });
        // An error means that nobody serves any more.
        let _ = stop.send(true);
        drop(serving.map(std::thread::JoinHandle::join));
        result?;
        // It has said that it is at its end: this waits for the programs to be detached.
        drop(thread.join());
        // It hands over no more: what was handed over is written.
        let records = outputs.and_then(Outputs::end);
        let packets = writing.and_then(|thread| thread.join().ok().flatten());
        match records.or(packets) {
            // What is there to take away is not all.
            Some(error) if !self.plan.serves() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Starts the thread that connects for outputs, if one of them sends to another host.
    fn dialer(
        &self,
        config: &Config,
        confinement: &Confinement,
        state: &State,
    ) -> Result<Option<Dialer>, RunError> {
        let outputs = self.plan.outputs(config)?;
        let networks = networks(&outputs);
        if networks.is_empty() {
            return Ok(None);
        }
        let (dialer, report) = Dialer::start(confinement, &networks).map_err(system("starting threads"))?;
        confined(state, Role::Connector, report.as_ref());
        Ok(Some(dialer))
    }

    /// What threads keep of their rights.
    fn confinement(&self, loaded: &Loaded, web: &Web) -> Result<Confinement, UserError> {
        let default = std::path::PathBuf::from(DEFAULT_PATH);
        let outputs = self.plan.outputs(&loaded.config).unwrap_or_default();
        let networks = networks(&outputs);
        let files = networks.iter().flat_map(|network| network.files());
        Ok(Confinement {
            off: !loaded.config.confine,
            identity: identity(&loaded.config)?,
            packets: loaded.config.promiscuous || !self.plan.serves(),
            configuration: std::iter::once(loaded.file.clone().unwrap_or(default)).chain(files).collect(),
            web: web.files(),
            outputs: self.plan.directories(&loaded.config),
            ports: networks.iter().flat_map(|network| &network.to).map(|peer| peer.port).collect(),
            pins: loaded.config.pin.clone(),
            groups: None,
        })
    }

    /// Listens, unless somebody did already.
    fn server(&self, config: &Config, web: Web) -> Result<Server, WebError> {
        if !self.plan.serves() {
            return Server::bind(web, &[]);
        }
        let listeners = systemd::listeners()?;
        if listeners.is_empty() {
            return Server::bind(web, &config.web_listen_address);
        }
        Ok(Server::on(web, listeners.into_iter().map(Listener::Internet).collect()))
    }

    fn hello(&self, server: &Server, counter: &Counter, state: &State) {
        let web = server.web().config();
        let (tls, password) = (web.tls.is_some(), !web.users.is_empty());
        let (addresses, sockets) = (server.addresses(), server.sockets());
        for path in &sockets {
            state.events.emit(&Event::Listening { address: &ListenAddress::Local(path.clone()), tls: false });
        }
        for address in &addresses {
            state.events.emit(&Event::Listening { address: &ListenAddress::Internet(*address), tls });
            if let Some(warning) = web.warning(*address) {
                state.events.emit(&warning);
            }
        }
        let hello = Hello {
            interfaces: &counter.interfaces(),
            addresses: &addresses,
            sockets: &sockets,
            telemetry_path: &settings::place(&self.running).of(self.running.web_telemetry_path.as_str()),
            tls,
            password,
            max_flows: self.running.max_flows.get(),
            table_bytes: counter.table_bytes(),
            host: &state.host,
        };
        if !self.plan.serves() || self.plan.takes_standard_output(&self.running) {
            return;
        }
        // It is for people; a closed standard output is no reason not to count.
        drop(crate::terminal::print(&hello.text()));
    }

    fn reload(&mut self, state: &State, orders: &Orders, outputs: Option<&Outputs>) {
        // Files may have been moved away, whatever the configuration says.
        if let Some(outputs) = outputs {
            outputs.reopen();
        }
        // The files may be root's, whom this thread is not any more.
        let (overrides, plan) = (self.overrides.clone(), self.plan.clone());
        let load = move || -> Result<(Vec<Named>, Config), RunError> {
            let loaded = overrides.load()?;
            Ok((plan.read_outputs(&loaded.config)?, loaded.config))
        };
        let read = self.reader.as_ref().and_then(|reader| reader.run(load.clone()));
        let loaded = read.unwrap_or_else(load);
        match loaded {
            Ok((named, mut config)) => {
                let waiting = config.keep_fixed(&self.running);
                self.log.set_level(config.log_level);
                self.running = config.clone();
                orders.give(Order::Reconfigure(Box::new(config), !named.is_empty()));
                if let Some(dialer) = &self.dialer {
                    dialer.allow(&networks(&named));
                }
                match outputs {
                    Some(outputs) => outputs.change(named),
                    // Nobody has kept the rights to make files.
                    None if !named.is_empty() => {
                        state.events.emit(&Event::ReloadFailed { error: &OutputError::NoneBefore });
                    }
                    None => {}
                }
                state.set_config_ok(true);
                state.events.emit(&Event::Reloaded { waiting: &waiting });
            }
            Err(error) => {
                state.set_config_ok(false);
                state.events.emit(&Event::ReloadFailed { error: &error });
            }
        }
    }
}

/// Those outputs that send to other hosts.
fn networks(outputs: &[Named]) -> Vec<&Network> {
    outputs.iter().filter_map(|(_, output)| output.to.network()).collect()
}

/// Whom threads become.
fn identity(config: &Config) -> Result<Identity, UserError> {
    if config.confine { Identity::choose(config.user.as_deref()) } else { Ok(Identity::Kept) }
}

/// Says in a line if threads stay root.
fn identified(state: &State, confinement: &Confinement) {
    if let Identity::Root(reason) = &confinement.identity {
        state.events.emit(&Event::StaysRoot { reason });
    }
}

/// For work that goes on when the server has stopped.
const FAREWELL: Duration = Duration::from_secs(1);

/// Says what a thread has given up.
fn confined(state: &State, role: Role, report: Option<&Report>) {
    let holds = report.map_or_else(|| Report::MEANS.map(|by| (by, false)), Report::holds);
    for (by, holds) in holds {
        state.own.confined.with_label_values(&[role.as_str(), by]).set(holds.into());
    }
    if let Some(report) = report {
        state.events.emit(&Event::Confined { report });
    }
}

/// Serves on threads that have given up their rights, from the word on.
fn serve(
    server: Server,
    stopped: watch::Receiver<bool>,
    go: Receiver<()>,
    state: &Arc<State>,
    confinement: &Confinement,
) -> Result<std::thread::JoinHandle<()>, RunError> {
    let (shared, confinement) = (Arc::clone(state), confinement.clone());
    let (ready, begun) = channel();
    let thread = std::thread::Builder::new()
        .name(Role::Server.as_str().to_owned())
        .spawn(move || {
            confined(&shared, Role::Server, confinement.enter(Role::Server).as_ref());
            // What takes long, or waits, runs on threads of its own.
            let name = Role::Server.as_str();
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .max_blocking_threads(server.web().blocking_threads())
                .thread_name(name)
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => {
                    drop(ready.send(Ok(())));
                    // An error: the run has ended, and `stopped` says so.
                    let _ = go.recv();
                    runtime.block_on(server.run(stopped));
                    // Nobody waits for what is still being made.
                    runtime.shutdown_timeout(FAREWELL);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })
        .map_err(system("starting threads"))?;
    match begun.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(system("starting threads")(error)),
        Err(error) => Err(system("starting threads")(error)),
    }
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}
