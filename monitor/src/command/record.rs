//! `weir record --csv FILE`: a table of this host's packets with the names of their flows, in one command.
//!
//! A name may come after a flow's first packets, so the packets are recorded first, by a process of its own with the
//! few privileges of a recording, and become rows when it is over, as `weir pcap --packets` makes them.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

use super::{CommandError, pcap};
use crate::{
    app::Table,
    sink::{Fields, Packets, Tally},
};

/// Where packets wait, beside the file.
fn waiting(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".recording");
    PathBuf::from(name)
}

/// Records, and writes the table.
pub(crate) fn run(table: Table<'_>) -> Result<(), CommandError> {
    let directory = waiting(table.file);
    let fields = Fields::choose(table.fields)?;
    let mut tally = Tally::default();
    // Made first: what cannot be written is known before anything is recorded.
    let rows = Packets::create(table.file, &fields, Vec::new(), table.replace, &mut tally)?;
    let status = record(&directory)?;
    if !status.success() {
        return Err(CommandError::Recording);
    }
    let packets = directory.join("packets.pcapng");
    let count = pcap::table(&packets, rows)?;
    let removed = fs::remove_file(&packets).and_then(|()| fs::remove_dir(&directory));
    super::say(&format_args!("{}: {count} packets", table.file.display()));
    removed.map_err(|source| CommandError::Left { directory, source })
}

/// This command in a process of its own, which records into a directory; signals that end it are passed on to it.
fn record(directory: &Path) -> Result<ExitStatus, CommandError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before there is anybody to pass them on to: a signal that comes in between is not lost.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let child = Command::new("/proc/self/exe")
            .args(env::args_os().skip(1))
            .arg("--inner")
            .arg(directory)
            // What a terminal sends comes once, from here.
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        let ended = tokio::task::spawn_blocking(move || wait(child));
        tokio::pin!(ended);
        loop {
            let (signal, _) = tokio::select! {
                status = &mut ended => return status.map_err(io::Error::other)?.map_err(Into::into),
                came = interrupt.recv() => (Signal::INT, came),
                came = terminate.recv() => (Signal::TERM, came),
                came = hang_up.recv() => (Signal::TERM, came),
            };
            // One that has just ended takes none.
            let _ = kill_process(pid, signal);
        }
    })
}

fn wait(mut child: Child) -> io::Result<ExitStatus> {
    child.wait()
}
