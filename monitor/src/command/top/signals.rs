//! Signals as the screens are told of them. Their defaults would leave the terminal as it is.

use std::{io, sync::mpsc::Sender, thread};

use nix::sys::signal::{SigSet, Signal, raise};
use tokio::signal::unix::{SignalKind, signal};

use super::screen::Input;

/// `SIGCONT` has another number on each machine.
fn continued() -> SignalKind {
    SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())
}

fn stops() -> SigSet {
    SigSet::from(Signal::SIGTSTP)
}

/// Holds back what would stop this process with the terminal taken: from this thread, and from those that it starts
/// from now on.
pub(super) fn hold_stops() -> io::Result<()> {
    Ok(stops().thread_block()?)
}

/// Stops this process as if nothing had been held back; goes on when the shell says so. Of a job without a shell the
/// kernel leaves this out: nobody could make it go on.
pub(super) fn stop() -> io::Result<()> {
    stops().thread_unblock()?;
    // To this thread: no other takes it.
    let raised = raise(Signal::SIGTSTP);
    hold_stops()?;
    Ok(raised?)
}

/// Tells of signals from now on, on threads of their own.
pub(super) fn listen(to: Sender<Input>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    hold_stops()?;
    let told = to.clone();
    let (mut terminate, mut interrupt, mut hang_up, mut quit, mut again) = {
        let _within = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::quit())?,
            signal(continued())?,
        )
    };
    let listen = async move {
        loop {
            let input = tokio::select! {
                _ = terminate.recv() => Input::End,
                _ = interrupt.recv() => Input::End,
                _ = hang_up.recv() => Input::End,
                _ = quit.recv() => Input::End,
                _ = again.recv() => Input::Continued,
            };
            if to.send(input).is_err() {
                return;
            }
        }
    };
    // These go with the process.
    thread::Builder::new()
        .name("stops".to_owned())
        .spawn(move || while stops().wait().is_ok() && told.send(Input::Stop).is_ok() {})?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(listen)).map(drop)
}
