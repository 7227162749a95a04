//! A run that counts, until its end.

use std::{
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
};

use tokio::{
    runtime::Runtime,
    sync::{oneshot, watch},
    time::{sleep, timeout},
};

use super::{
    Plan, RunError,
    counter::{Counter, LAST_DRAIN},
    error::system,
    hello::Hello,
    orders::{Order, Orders, Received, orders},
    parts::{Packets, Parts, networks},
    settings,
    signals::Signals,
    threads::{confined, count, identified, serve},
};
use crate::{
    config::{Config, Overrides, types::ListenAddress},
    confine::{Confinement, Reader, Role},
    sink::{
        Dialer, OutputError,
        run::{Named, Outputs},
    },
    state::State,
    systemd::{Notifier, Watchdog},
    telemetry::{Event, Log},
    web::Server,
};

/// A run whose parts have begun.
pub(super) struct Running<'a> {
    overrides: &'a Overrides,
    plan: &'a Plan,
    log: Log,
    /// What is in force.
    config: Config,
    state: Arc<State>,
    reader: Reader,
    dialer: Option<Dialer>,
    outputs: Option<Outputs>,
    packets: Option<Packets>,
    notifier: Arc<Notifier>,
    signals: Signals,
    orders: Orders,
    counting: Counting,
    serving: Serving,
}

/// The thread that drains.
struct Counting {
    thread: JoinHandle<()>,
    /// Told, or dropped, at its last drain.
    ended: oneshot::Receiver<()>,
}

/// The thread that answers, if there is one.
struct Serving {
    thread: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    go: Sender<()>,
}

impl<'a> Running<'a> {
    /// Begins to count, then to serve.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start(
        overrides: &'a Overrides,
        plan: &'a Plan,
        log: Log,
        config: Config,
        parts: Parts,
    ) -> Result<Self, RunError> {
        let Parts {
            state,
            confinement,
            reader,
            dialer,
            server,
            notifier,
            signals,
            outputs,
            packets,
            counter,
        } = parts;
        identified(&state, &confinement);
        listening(&server, &state);
        if plan.serves() && !plan.takes_standard_output(&config) {
            // It is for people; a closed standard output is no reason not to count.
            drop(crate::terminal::print(&hello(&server, &counter, &config, &state)));
        }
        let (orders, received) = orders().map_err(system("starting threads"))?;
        let counting = Counting::start(counter, received, &notifier, &state, &confinement)?;
        let serving = Serving::start(plan.serves().then_some(server), &state, &confinement)?;
        // No thread comes after this one but what those that are there start, with what they keep.
        confined(&state, Role::Main, confinement.enter(Role::Main).as_ref());
        serving.begin();
        notifier.say("READY=1");
        Ok(Self {
            overrides,
            plan,
            log,
            config,
            state,
            reader,
            dialer,
            outputs,
            packets,
            notifier,
            signals,
            orders,
            counting,
            serving,
        })
    }

    /// Runs until a signal, or the time that it was given, and ends: the last drain, then the server, then the
    /// programs, then what is still to be written.
    ///
    /// # Errors
    /// When counting ended by itself, and when a recording is not all that there was.
    pub(super) fn until_the_end(mut self, runtime: &Runtime) -> Result<(), RunError> {
        let result = runtime.block_on(self.wait());
        self.serving.end();
        result?;
        // It has said that it is at its end: this waits for the programs to be detached.
        drop(self.counting.thread.join());
        // It hands over no more: what was handed over is written.
        let records = self.outputs.and_then(Outputs::end);
        let packets = self.packets.and_then(Packets::end);
        match records.or(packets) {
            // What is there to take away is not all.
            Some(error) if !self.plan.serves() => Err(error.into()),
            _ => {
                if let Some(directory) = self.plan.recorded() {
                    let written = self.state.own.written();
                    self.state.events.emit(&Event::Recorded { directory, written: &written });
                }
                Ok(())
            }
        }
    }

    /// Until the last drain.
    async fn wait(&mut self) -> Result<(), RunError> {
        let duration = self.plan.duration();
        let over = sleep(duration.unwrap_or_default());
        tokio::pin!(over);
        loop {
            let name = tokio::select! {
                name = self.signals.next() => name,
                () = &mut over, if duration.is_some() => "",
                _ = &mut self.counting.ended => return Err(RunError::CounterEnded),
            };
            if name == "SIGHUP" {
                self.reload();
                continue;
            }
            if !name.is_empty() {
                self.state.events.emit(&Event::Stopping { signal: name });
            }
            self.notifier.say("STOPPING=1");
            self.orders.give(Order::Stop);
            // The page stays until the last drain is on it.
            return match timeout(LAST_DRAIN, &mut self.counting.ended).await {
                Ok(ended) => ended.map_err(|_| RunError::CounterEnded),
                Err(_) => Err(RunError::LastDrain),
            };
        }
    }

    fn reload(&mut self) {
        // Files may have been moved away, whatever the configuration says.
        if let Some(outputs) = &self.outputs {
            outputs.reopen();
        }
        // The files may be root's, whom this thread is not any more.
        let (overrides, plan) = (self.overrides.clone(), self.plan.clone());
        let load = move || -> Result<(Vec<Named>, Config), RunError> {
            let loaded = overrides.load()?;
            Ok((plan.read_outputs(&loaded.config)?, loaded.config))
        };
        match self.reader.run(load.clone()).unwrap_or_else(load) {
            Ok((named, config)) => self.change(named, config),
            Err(error) => {
                self.state.set_config_ok(false);
                self.state.events.emit(&Event::ReloadFailed { error: &error });
            }
        }
    }

    fn change(&mut self, named: Vec<Named>, mut config: Config) {
        let waiting = config.keep_fixed(&self.config);
        self.log.set_level(config.log_level);
        self.config = config.clone();
        if let Some(dialer) = &self.dialer {
            dialer.allow(&networks(&named));
        }
        // Whoever cannot take its part of it says so, and takes this back.
        self.state.set_config_ok(true);
        self.state.events.emit(&Event::Reloaded { waiting: &waiting });
        self.orders.give(Order::Reconfigure(Box::new(config), !named.is_empty()));
        match &self.outputs {
            Some(outputs) => outputs.change(named),
            // Nobody has kept the rights to make files.
            None => {
                for (output, _) in &named {
                    let error = &OutputError::NoneBefore;
                    self.state.events.emit(&Event::OutputRefused { output, error });
                    self.state.set_config_ok(false);
                }
            }
        }
    }
}

impl Counting {
    fn start(
        counter: Counter,
        received: Received,
        notifier: &Arc<Notifier>,
        state: &Arc<State>,
        confinement: &Confinement,
    ) -> Result<Self, RunError> {
        let (told, ended) = oneshot::channel();
        let watchdog = Watchdog::new(Arc::clone(notifier));
        let thread = count(counter, received, watchdog, state, confinement, told)?;
        Ok(Self { thread, ended })
    }
}

impl Serving {
    fn start(
        server: Option<Server>,
        state: &Arc<State>,
        confinement: &Confinement,
    ) -> Result<Self, RunError> {
        let (stop, stopped) = watch::channel(false);
        let (go, gone) = channel();
        let thread = server.map(|server| serve(server, stopped, gone, state, confinement)).transpose()?;
        Ok(Self { thread, stop, go })
    }

    /// The first connection is accepted when all have given up their rights.
    fn begin(&self) {
        // An error: nobody serves.
        let _ = self.go.send(());
    }

    fn end(&mut self) {
        // An error means that nobody serves any more.
        let _ = self.stop.send(true);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Says where it listens, and what is unwise about that.
fn listening(server: &Server, state: &State) {
    let web = server.web().config();
    for path in server.sockets() {
        state.events.emit(&Event::Listening { address: &ListenAddress::Local(path), tls: false });
    }
    for address in server.addresses() {
        let tls = web.tls.is_some();
        state.events.emit(&Event::Listening { address: &ListenAddress::Internet(address), tls });
        if let Some(warning) = web.warning(address) {
            state.events.emit(&warning);
        }
    }
}

/// What people are told at the start.
fn hello(server: &Server, counter: &Counter, config: &Config, state: &State) -> String {
    let web = server.web().config();
    Hello {
        interfaces: &counter.interfaces(),
        addresses: &server.addresses(),
        sockets: &server.sockets(),
        telemetry_path: &settings::place(config).of(config.web_telemetry_path.as_str()),
        tls: web.tls.is_some(),
        password: !web.users.is_empty(),
        max_flows: config.max_flows.get(),
        table_bytes: counter.table_bytes(),
        host: &state.host,
    }
    .text()
}
