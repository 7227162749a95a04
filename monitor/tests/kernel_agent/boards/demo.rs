//! `demo/demo.py`, as `cargo xtask demo` starts it.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    agent::{Running, file, without_settings},
    clients::python,
    netns::{DEADLINE, poll, wait_for},
    prometheus,
};

/// The checkout.
pub(super) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A running demo.
pub(super) struct Demo {
    pub(super) process: Running,
    state: Value,
    directory: tempfile::TempDir,
}

impl Demo {
    /// Starts one and waits until it has told where everything is.
    pub(super) fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("state.json");
        let mut command = Command::new(python());
        command.arg(root().join("demo/demo.py")).args(["--any-port", "--weir", env!("CARGO_BIN_EXE_weir")]);
        command.args(rules(&directory)).arg("--state").arg(&state).args(arguments);
        let mut demo =
            Self { process: Running::start(without_settings(command)), state: Value::Null, directory };
        demo.state = wait_for("the demo", || {
            let ended = demo.process.ended();
            assert!(ended.is_none(), "it ended, {ended:?}: {}", demo.process.stderr());
            serde_json::from_str(&std::fs::read_to_string(&state).ok()?).ok()
        });
        demo
    }

    /// What Prometheus answers.
    pub(super) fn ask(&self, expression: &str) -> Vec<prometheus::Series> {
        prometheus::ask(self.prometheus(), expression).unwrap_or_else(|| panic!("no answer to {expression}"))
    }

    /// Where Prometheus listens.
    pub(super) fn prometheus(&self) -> &str {
        self.text("/prometheus")
    }

    /// The file with the settings of a host's Weir.
    pub(super) fn settings(&self, host: &str) -> PathBuf {
        self.text(&format!("/hosts/{host}/settings")).into()
    }

    /// Where a host's Weir is asked.
    pub(super) fn page(&self, host: &str) -> &str {
        self.text(&format!("/hosts/{host}/page"))
    }

    /// Sends a signal to a host's Weir.
    pub(super) fn signal(&self, host: &str, signal: Signal) {
        let process = self.state["hosts"][host]["process"].as_i64().expect("a process");
        kill(Pid::from_raw(process as i32), signal).expect("a signal");
    }

    /// Holds the thread of a host's Weir that reads the flows, as long as the value lasts.
    pub(super) fn hold_drains(&self, host: &str) -> Running {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel_agent/boards/hold.py");
        let process = self.state["hosts"][host]["process"].to_string();
        let mut command = Command::new("python3");
        command.args([script, &process, "counter"]);
        let mut held = Running::start(command);
        wait_for("the thread to be held", || {
            let ended = held.ended();
            assert!(ended.is_none(), "it ended, {ended:?}: {}", held.stderr());
            held.stdout().contains("held").then_some(())
        });
        held
    }

    /// Every place that must be gone when it has ended.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let hosts = self.state["hosts"].as_object().expect("hosts").values();
        let namespaces = hosts.map(|host| host["namespace"].as_str().expect("a namespace"));
        let mut places: Vec<PathBuf> = namespaces.map(|name| Path::new("/run/netns").join(name)).collect();
        places.push(self.text("/directory").into());
        places
    }

    /// The namespaces themselves, which live as long as a process is in one.
    pub(super) fn networks(&self) -> Vec<u64> {
        let places = self.places();
        let files = places.iter().filter(|place| place.starts_with("/run/netns"));
        files.map(|file| std::fs::metadata(file).expect("a namespace").ino()).collect()
    }

    /// Waits until it has ended, well.
    pub(super) fn end(&mut self) {
        let status = wait_for("the end of the demo", || self.process.ended());
        assert!(status.success(), "{status}: {}{}", self.process.stdout(), self.process.stderr());
    }

    fn text(&self, path: &str) -> &str {
        self.state.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path}: {}", self.state))
    }
}

impl Drop for Demo {
    /// It takes its namespaces away itself.
    fn drop(&mut self) {
        if self.process.ended().is_none() {
            self.process.signal(Signal::SIGTERM);
            // In vain: what it ran is left, and the test has failed before.
            let _ = poll(DEADLINE, || self.process.ended());
        }
    }
}

/// The rules of the boards' directory, whose alerts wait no longer than a second, and that find a drain late after
/// five: the arguments that name them.
fn rules(directory: &tempfile::TempDir) -> [String; 2] {
    for name in ["alerts.yaml", "recording.yaml"] {
        let text = std::fs::read_to_string(root().join("dashboards/rules").join(name)).expect("rules");
        let quick = text.lines().map(|line| match line.split_once("for: ") {
            Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 1s\n"),
            _ => format!("{line}\n"),
        });
        let text = quick.collect::<String>();
        let short =
            text.replace("weir_last_drain_timestamp_seconds > 120", "weir_last_drain_timestamp_seconds > 5");
        assert!(name != "alerts.yaml" || short != text, "another rule finds a drain late");
        file(directory, name, &short);
    }
    ["--rules".to_owned(), directory.path().display().to_string()]
}

impl Demo {
    /// The rules that its Prometheus has.
    pub(super) fn rules(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("recording.yaml")).expect("rules")
    }
}
