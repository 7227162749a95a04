//! Grace periods in a hurry, for as long as many programs are attached or detached at once.
//!
//! Each program that is attached at TCX or detached from it waits for a grace period of RCU, with the lock of all
//! interfaces held, so that threads of one's own do not help (kernel/bpf/tcx.c, `tcx_entry_sync`): some 10 ms each, ten
//! seconds for five hundred interfaces, in which nobody can change any. The kernel has a switch that makes grace
//! periods a hundred times shorter at the price of an interrupt a CPU (Documentation/admin-guide/kernel-parameters.txt,
//! `rcupdate.rcu_expedited`). Here it is on for the second that takes, where this process may and nobody else has set
//! it. A kernel that must not be interrupted says so by `rcu_normal`, which prevails.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

const SWITCH: &str = "/sys/kernel/rcu_expedited";

/// The switch, if this process may use it: opened before rights are given up.
#[derive(Debug)]
pub(super) struct Expedite(Option<File>);

impl Expedite {
    pub(super) fn new() -> Self {
        Self(OpenOptions::new().read(true).write(true).open(SWITCH).ok())
    }

    /// Hurries until the guard is dropped. `None`: it is on already, or cannot be.
    pub(super) fn begin(&self) -> Option<Hurry> {
        let file = self.0.as_ref()?.try_clone().ok()?;
        let mut is = [0];
        let is_off = matches!(file.read_at(&mut is, 0), Ok(1)) && is == *b"0";
        (is_off && file.write_at(b"1", 0).is_ok()).then_some(Hurry(file))
    }
}

/// The switch is on.
#[derive(Debug)]
pub struct Hurry(File);

impl Drop for Hurry {
    fn drop(&mut self) {
        // What could be switched on can be switched off.
        drop(self.0.write_at(b"0", 0));
    }
}
