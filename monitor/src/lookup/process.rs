//! What `/proc` says of a process (`proc_pid_stat(5)`, `proc_pid_cmdline(5)`), as far as everybody may read it.

use std::fs::{self, File};
use std::io::Read as _;

use monitor_core::record::{Text, Time};

use super::secrets;

/// Bytes of a command line that are looked at.
const COMMAND: u64 = 1024;
/// Inode of the initial namespace of processes (`include/linux/proc_ns.h`, `PROC_PID_INIT_INO`): where this is
/// another, the numbers that the kernel keeps are not those of `/proc`.
const INITIAL: &str = "pid:[4026531836]";
/// `USER_HZ`, in which times are given to user space.
const TICKS: u64 = 100;

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    /// Name of its leading thread.
    pub(super) name: Text,
    pub(super) command: Option<Text>,
    pub(super) exe: Option<Text>,
    pub(super) start: Option<Time>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Processes {
    /// Numbers of `/proc` are those that the kernel keeps.
    same: bool,
    /// When the host was started, seconds since the Unix epoch.
    boot: Option<u64>,
}

impl Processes {
    pub(super) fn new() -> Self {
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
        Self { same: namespace.as_os_str() == INITIAL, boot }
    }

    /// The process with this number, if it is still there; `name`: what it was called, so that another which has its
    /// number by now is not taken for it.
    pub(super) fn read(&self, pid: u32, name: Option<&Text>) -> Option<Process> {
        if !self.same {
            return None;
        }
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let (found, ticks) = stat_of(&stat)?;
        if name.is_some_and(|name| *name != found) {
            return None;
        }
        let start = |boot: u64| {
            let since = ticks.checked_mul(1_000_000_000 / TICKS)?;
            boot.checked_mul(1_000_000_000)?.checked_add(since).map(Time)
        };
        let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
        Some(Process {
            name: found,
            command: command(pid),
            exe: exe.map(|exe| Text::new(exe.as_os_str().as_encoded_bytes())),
            start: self.boot.and_then(start),
        })
    }
}

/// Name and start of a process in ticks since the host was started.
pub(super) fn stat_of(stat: &[u8]) -> Option<(Text, u64)> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(open + 1..close)?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    // The 22nd field of the line; the third is the first behind the name.
    let start = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some((Text::new(name), start))
}

fn command(pid: u32) -> Option<Text> {
    let mut line = Vec::new();
    File::open(format!("/proc/{pid}/cmdline")).ok()?.take(COMMAND).read_to_end(&mut line).ok()?;
    let command = secrets::first_words(&line);
    (!command.is_empty()).then(|| Text::new(&command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read_and_another_of_its_number_is_not_taken_for_it() {
        let processes = Processes::new();
        let pid = std::process::id();
        let (name, _) = stat_of(&fs::read("/proc/self/stat").unwrap()).unwrap();
        if !processes.same {
            testing::skip::skip("initial namespace of processes", "this one is another");
            return;
        }
        let process = processes.read(pid, Some(&name)).unwrap();
        assert!(process.command.is_some() && process.exe.is_some() && process.start.is_some());
        assert!(processes.read(pid, Some(&Text::from("somebody else"))).is_none());
    }

    #[test]
    fn names_with_brackets_and_spaces_are_read_whole_and_what_is_cut_is_none() {
        let line = b"7 (a) (b c) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        let (name, start) = stat_of(line).unwrap();
        assert_eq!((name.as_str(), start), ("a) (b c", 4242));
        for end in 0..line.len() - 8 {
            drop(stat_of(&line[..end]));
        }
        assert!(stat_of(b"7 (x) S 1").is_none() && stat_of(b")(").is_none());
    }
}
