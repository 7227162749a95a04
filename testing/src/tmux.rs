//! A terminal that can be looked at: tmux on a socket of its own, which goes with the value.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use crate::{
    skip::skip,
    wait::{DEADLINE, poll},
};

/// Whether there is a terminal to look at; says so where there is none.
pub fn is_there() -> bool {
    let there = Command::new("tmux").arg("-V").output().is_ok();
    if !there {
        skip("tmux", "it is not installed; `cargo xtask test` brings it");
    }
    there
}

/// A terminal with a shell command in it.
pub struct Tmux {
    /// Holds the socket, which tmux leaves behind, and what the terminal was told.
    directory: tempfile::TempDir,
}

impl Tmux {
    /// A terminal of this size. When the command has ended, its exit code stands there.
    pub fn start(columns: u16, rows: u16, term: &str, command: &str) -> Self {
        let this = Self { directory: tempfile::tempdir().expect("a directory") };
        let (before, after) = (this.path("before"), this.path("after"));
        let script = format!(
            "stty -g >{before}; echo before; TERM={term} {command}; code=$?; stty -g >{after}; \
             echo \"ended $code\"; exec cat >/dev/null"
        );
        this.open(columns, rows, &script);
        this
    }

    /// A terminal of this size with a shell that stops jobs and goes on with them.
    pub fn shell(columns: u16, rows: u16) -> Self {
        let this = Self { directory: tempfile::tempdir().expect("a directory") };
        this.open(columns, rows, "PS1='here: ' ENV= exec sh -i");
        this.wait_text("here:");
        this
    }

    fn open(&self, columns: u16, rows: u16, script: &str) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let record = format!("cat >{}", self.path("written"));
        let session = ["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, script];
        self.tell(&[&session[..], &[";", "pipe-pane", &record]].concat());
    }

    /// A file beside the terminal.
    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
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
    pub fn screen(&self) -> Vec<String> {
        self.tell(&["capture-pane", "-p"]).lines().map(str::to_owned).collect()
    }

    /// The same with what gives it colours.
    pub fn coloured(&self) -> String {
        self.tell(&["capture-pane", "-p", "-e"])
    }

    /// Types text as it is.
    pub fn types(&self, text: &str) {
        self.tell(&["send-keys", "-l", text]);
    }

    /// Presses keys by their names, such as `Enter` or `Left`.
    pub fn keys(&self, names: &[&str]) {
        self.tell(&[&["send-keys"], names].concat());
    }

    /// A click of the left button, or a turn of the wheel (64 up, 65 down), at a column and a row from 1.
    pub fn mouse(&self, button: u8, column: usize, row: usize) {
        // tmux keeps the mouse to itself unless its bytes are typed.
        let sequence = format!("\x1b[<{button};{column};{row}M");
        let bytes: Vec<String> = sequence.bytes().map(|byte| format!("{byte:02x}")).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        self.tell(&[&["send-keys", "-H"], &*bytes].concat());
    }

    /// Waits until the screen is as it should be.
    pub fn wait_screen(&self, what: &str, done: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut last = Vec::new();
        let found = poll(DEADLINE, || {
            last = self.screen();
            done(&last).then_some(())
        });
        assert!(found.is_some(), "no {what} in {last:#?}");
        last
    }

    /// Waits until a text stands on the screen.
    pub fn wait_text(&self, text: &str) -> Vec<String> {
        self.wait_screen(text, |screen| screen.iter().any(|line| line.contains(text)))
    }

    /// What a program has changed of the terminal's modes, as the terminal itself has it.
    pub fn modes(&self) -> Vec<&'static str> {
        let flags = [
            ("another screen", "alternate_on", "1"),
            ("no cursor", "cursor_flag", "0"),
            ("mouse", "mouse_any_flag", "1"),
            ("mouse as SGR", "mouse_sgr_flag", "1"),
        ];
        let mut modes: Vec<&str> = flags
            .into_iter()
            .filter(|(_, flag, value)| {
                self.tell(&["display-message", "-p", &format!("#{{{flag}}}")]).trim() == *value
            })
            .map(|(mode, ..)| mode)
            .collect();
        // Of this one tmux says nothing: what was written last holds.
        let written = fs::read(self.path("written")).unwrap_or_default();
        let last = |sequence: &[u8]| written.windows(sequence.len()).rposition(|bytes| bytes == sequence);
        if last(b"\x1b[?2004h") > last(b"\x1b[?2004l") {
            modes.push("pastes marked");
        }
        modes
    }

    /// Asserts that a program has the terminal for itself.
    pub fn assert_taken(&self) {
        let all = ["another screen", "no cursor", "mouse", "mouse as SGR", "pastes marked"];
        self.wait_screen("a taken terminal", |_| self.modes() == all);
    }

    /// Waits for the end of the command of [`Self::start`]; the terminal must be as it was before. Returns the
    /// screen.
    pub fn given_back(&self, code: i32) -> Vec<String> {
        let screen = self.wait_text(&format!("ended {code}"));
        assert!(screen.iter().any(|line| line.contains("before")), "{screen:#?}");
        assert_eq!(self.modes(), Vec::<&str>::new());
        self.same_settings();
        screen
    }

    /// Asserts that lines are edited, echoed and signalled as before (`termios(3)`): by what `stty -g` wrote into the
    /// files `before` and `after`.
    pub fn same_settings(&self) {
        let [before, after] =
            ["before", "after"].map(|name| fs::read_to_string(self.path(name)).expect("settings"));
        assert!(before.contains(':'), "{before}");
        assert_eq!(before, after);
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.tell(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Sets the terminal back to how it is without a program, as others do who have it meanwhile.
    pub fn leave(&self) {
        let tty = self.tell(&["display-message", "-p", "#{pane_tty}"]);
        let off = "\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[?1049l";
        fs::write(tty.trim(), off).expect("the terminal");
        let set = Command::new("stty").args(["-F", tty.trim(), "sane"]).status().expect("stty");
        assert!(set.success());
        self.wait_screen("a free terminal", |_| self.modes().is_empty());
    }

    /// The process that the shell has started.
    pub fn child(&self) -> Option<i32> {
        let shell = self.tell(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(Output { stdout, .. }) = self.command(&["capture-pane", "-p"]).output()
        {
            eprintln!("--- the screen:\n{}", String::from_utf8_lossy(&stdout));
        }
        let _ = self.command(&["kill-server"]).output();
    }
}
