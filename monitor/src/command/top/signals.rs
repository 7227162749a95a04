//! Signals as the screens are told of them. Their defaults would leave the terminal as it is.

use std::{io, sync::mpsc::Sender, thread};

use tokio::signal::unix::{SignalKind, signal};

use super::screen::Input;

/// `SIGCONT` has another number on each machine.
fn continued() -> SignalKind {
    SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())
}

/// Tells of signals from now on, on a thread of its own.
pub(super) fn listen(to: Sender<Input>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
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
    // It goes with the process.
    thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(listen)).map(drop)
}
