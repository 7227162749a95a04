//! A terminal that can be looked at: tmux on a socket of its own, which goes with the value.

use std::process::{Command, Output, Stdio};

/// A terminal with a shell command in it.
pub(crate) struct Tmux {
    /// Holds the socket, which tmux leaves behind.
    directory: tempfile::TempDir,
}

impl Tmux {
    /// A terminal of this size. When the command has ended, how it ended and how the terminal is then stand there.
    pub(crate) fn start(columns: u16, rows: u16, term: &str, command: &str) -> Self {
        let this = Self { directory: tempfile::tempdir().expect("a directory") };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let script =
            format!("echo before; TERM={term} {command}; echo \"ended $?\"; stty -a; exec cat >/dev/null");
        this.tell(&["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, &script]);
        this
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-u", "-S"])
            .arg(self.directory.path().join("tmux"))
            .args(arguments)
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEIR_")) {
            command.env_remove(name);
        }
        command.env_remove("TMUX").env_remove("NO_COLOR").env("SHELL", "/bin/sh").env("LC_ALL", "C.UTF-8");
        command
    }

    fn tell(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("tmux");
        assert!(status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8_lossy(&stdout).into_owned()
    }

    /// The lines of the screen.
    pub(crate) fn screen(&self) -> Vec<String> {
        self.tell(&["capture-pane", "-p"]).lines().map(str::to_owned).collect()
    }

    /// The same with what gives it colours.
    pub(crate) fn coloured(&self) -> String {
        self.tell(&["capture-pane", "-p", "-e"])
    }

    /// Types text as it is.
    pub(crate) fn types(&self, text: &str) {
        self.tell(&["send-keys", "-l", text]);
    }

    /// Presses keys by their names, such as `Enter` or `Left`.
    pub(crate) fn keys(&self, names: &[&str]) {
        self.tell(&[&["send-keys"], names].concat());
    }

    /// A click of the left button, or a turn of the wheel (64 up, 65 down), at a column and a row from 1.
    pub(crate) fn mouse(&self, button: u8, column: usize, row: usize) {
        // tmux keeps the mouse to itself unless its bytes are typed.
        let sequence = format!("\x1b[<{button};{column};{row}M");
        let bytes: Vec<String> = sequence.bytes().map(|byte| format!("{byte:02x}")).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        self.tell(&[&["send-keys", "-H"], &*bytes].concat());
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tell(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// The process that the shell has started.
    pub(crate) fn child(&self) -> Option<i32> {
        let shell = self.tell(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Output { stdout, .. } = self.command(&["capture-pane", "-p"]).output().expect("tmux");
            eprintln!("--- the screen:\n{}", String::from_utf8_lossy(&stdout));
        }
        let _ = self.command(&["kill-server"]).output();
    }
}
