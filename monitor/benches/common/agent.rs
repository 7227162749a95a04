//! `weir run` on this network namespace's `eth0`, and what it says of itself.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

const ADDRESS: &str = "127.0.0.1:10058";

/// Longest wait for anything, in looks of [`PAUSE`].
const PATIENCE: u32 = 3_000;
const PAUSE: Duration = Duration::from_millis(20);

/// A running agent; it ends with the value.
pub(crate) struct Agent {
    child: Child,
    settings: tempfile::NamedTempFile,
    max_flows: u32,
}

impl Agent {
    /// Starts one that drains ten times a second, so that the ring of samples holds many hellos' worth.
    pub(crate) fn start(max_flows: u32) -> Self {
        let settings = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
        std::fs::write(settings.path(), Self::settings(max_flows, "100ms")).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEIR_")) {
            command.env_remove(name);
        }
        let child = command
            .args(["run", "--interface", "eth0", "--config.file"])
            .arg(settings.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("weir");
        let this = Self { child, settings, max_flows };
        Self::wait_for("the agent", || {
            Self::get("/-/ready", "").is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
        });
        this
    }

    fn settings(max_flows: u32, interval: &str) -> String {
        let mut text =
            format!("drain-interval = \"{interval}\"\nmax-flows = {max_flows}\nlog.level = \"warn\"\n");
        // All hellos come within seconds here.
        let _ = writeln!(text, "samples.per-second = 1000000");
        text
    }

    /// From now on it drains once a second, as agents do.
    pub(crate) fn slow_down(&self) {
        std::fs::write(self.settings.path(), Self::settings(self.max_flows, "1s")).expect("a file");
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).expect("a signal");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An answer of HTTP, head and body.
    fn get(path: &str, header: &str) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(ADDRESS).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\n{header}\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(answer)
    }

    /// A scrape as Prometheus does it; the length of the answer.
    pub(crate) fn scrape() -> usize {
        Self::get("/metrics", "Accept-Encoding: gzip\r\n").map_or(0, |answer| answer.len())
    }

    /// Sum of the samples whose line begins with `name` and holds `label`.
    pub(crate) fn sum(name: &str, label: &str) -> f64 {
        let answer = Self::get("/metrics", "").unwrap_or_default();
        String::from_utf8_lossy(&answer)
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter(|line| line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub(crate) fn wait_for(what: &str, done: impl Fn() -> bool) {
        for _ in 0..PATIENCE {
            if done() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("waited for {what}");
    }

    /// Memory beyond the kernel's maps, MiB: what is resident of all mappings but theirs.
    pub(crate) fn memory(&self) -> f64 {
        let maps = std::fs::read_to_string(format!("/proc/{}/smaps", self.id())).expect("its mappings");
        let (mut kilobytes, mut theirs) = (0.0, false);
        for line in maps.lines() {
            if let Some(value) = line.strip_prefix("Rss:") {
                let value: f64 = value.trim().trim_end_matches(" kB").parse().unwrap_or_default();
                kilobytes += if theirs { 0.0 } else { value };
            } else if line.split(' ').next().is_some_and(|range| range.contains('-')) {
                theirs = line.contains("bpf-map") || line.contains("bpf_");
            }
        }
        kilobytes / 1024.0
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
