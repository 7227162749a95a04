//! The threads of a run, each with the rights that it keeps.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::{oneshot, watch},
};

use super::{
    counter::Counter,
    error::{RunError, system},
    orders::Received,
};
use crate::{
    confine::{Confinement, Identity, Report, Role},
    state::State,
    systemd::Watchdog,
    telemetry::Event,
    web::Server,
};

/// Says in a line if threads stay root.
pub(super) fn identified(state: &State, confinement: &Confinement) {
    if let Identity::Root(reason) = &confinement.identity {
        state.events.emit(&Event::StaysRoot { reason });
    }
}

/// For work that goes on when the server has stopped.
const FAREWELL: Duration = Duration::from_secs(1);

/// Says what a thread has given up.
pub(super) fn confined(state: &State, role: Role, report: Option<&Report>) {
    let holds = report.map_or_else(|| Report::MEANS.map(|by| (by, false)), Report::holds);
    for (by, holds) in holds {
        state.own.confined.with_label_values(&[role.as_str(), by]).set(holds.into());
    }
    if let Some(report) = report {
        state.events.emit(&Event::Confined { report });
    }
}

/// Counts on a thread that has given up its rights. `ended` is told, or dropped, at the last drain.
pub(super) fn count(
    counter: Counter,
    received: Received,
    mut watchdog: Watchdog,
    state: &Arc<State>,
    confinement: &Confinement,
    ended: oneshot::Sender<()>,
) -> Result<JoinHandle<()>, RunError> {
    let rights = Confinement { groups: counter.groups(), named: counter.named(), ..confinement.clone() };
    let shared = Arc::clone(state);
    let count = move || {
        confined(&shared, Role::Counter, rights.enter(Role::Counter).as_ref());
        counter.run(&received, &mut watchdog);
        // Whoever waits for the end sees it also when this thread panics: the sender is dropped.
        let _ = ended.send(());
    };
    let name = Role::Counter.as_str().to_owned();
    std::thread::Builder::new().name(name).spawn(count).map_err(system("starting threads"))
}

/// Serves on threads that have given up their rights, from the word on.
pub(super) fn serve(
    server: Server,
    stopped: watch::Receiver<bool>,
    go: Receiver<()>,
    state: &Arc<State>,
    confinement: &Confinement,
) -> Result<JoinHandle<()>, RunError> {
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
