//! A running `weir run`, two namespaces for it, and its page.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use monitor::clock::Stopwatch;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    exposition::Page,
    netns::{DEADLINE, Namespace, wait_for},
};

pub(crate) const HERE: &str = "10.7.0.1";
pub(crate) const THERE: &str = "10.7.0.2";
pub(crate) const HERE6: &str = "fd00:7::1";
pub(crate) const THERE6: &str = "fd00:7::2";

/// Where an agent listens when nobody says otherwise; each namespace has this port for itself.
pub(crate) const ADDRESS: &str = "127.0.0.1:10058";

/// Two namespaces and a cable without offloads: `here` has `eth0`, `there` has `eth1`.
pub(crate) fn cable() -> (Namespace, Namespace) {
    let (here, there) = (Namespace::new(), Namespace::new());
    here.join("eth0", &there, "eth1", 7);
    plain(&here, "eth0");
    plain(&there, "eth1");
    (here, there)
}

/// What passes the device is what is on the wire.
pub(crate) fn plain(ns: &Namespace, device: &str) {
    ns.ethtool(device, "tso off gso off gro off tx off");
}

/// Where the binary is (`WEIR_TEST_BINARY`: of another build).
pub(crate) fn binary() -> String {
    std::env::var("WEIR_TEST_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_weir").to_owned())
}

/// A command of the binary in a namespace, without the environment of whoever runs the tests.
pub(crate) fn weir(ns: &Namespace, arguments: &[&str]) -> Command {
    without_settings(ns.command(&binary(), arguments))
}

/// Removes the agent's variables from a command's environment.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("WEIR_")) {
        command.env_remove(name);
    }
    // Tests have no scraper that new series must wait for.
    command.env("WEIR_SERIES_ZERO_FOR", "0s").stdin(Stdio::null());
    command
}

/// A command with its output in files, which nobody has to read for it to go on.
pub(crate) struct Running {
    child: Child,
    directory: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name| File::create(directory.path().join(name)).expect("a file");
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn();
        Self { child: child.unwrap_or_else(|e| panic!("{command:?}: {e}")), directory }
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).expect("its output")
    }

    pub(crate) fn stdout(&self) -> String {
        self.said("stdout")
    }

    pub(crate) fn stderr(&self) -> String {
        self.said("stderr")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("a signal");
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("wait")
    }

    /// Waits until it ends.
    pub(crate) fn end(&mut self) -> ExitStatus {
        wait_for("the end of the process", || self.ended())
    }

    /// Waits until the log has a line with all of these.
    pub(crate) fn wait_for_log(&self, parts: &[&str]) -> String {
        wait_for(&format!("a line with {parts:?}"), || {
            let log = self.stderr();
            log.lines().find(|l| parts.iter().all(|p| l.contains(p))).map(str::to_owned)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- standard error of the process:\n{}", self.stderr());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `weir run`.
pub(crate) struct Agent<'n> {
    pub(crate) ns: &'n Namespace,
    pub(crate) process: Running,
}

impl<'n> Agent<'n> {
    /// Starts one that drains ten times a second, unless it is told otherwise, and waits until it has drained.
    pub(crate) fn start(ns: &'n Namespace, arguments: &[&str]) -> Self {
        let mut all = vec!["run"];
        all.extend(arguments);
        if !arguments.iter().any(|a| a.starts_with("--drain-interval")) {
            all.push("--drain-interval=100ms");
        }
        Self::of(ns, Running::start(weir(ns, &all)))
    }

    /// Starts one whose settings are those of these arguments alone.
    pub(crate) fn start_with_file(ns: &'n Namespace, arguments: &[&str]) -> Self {
        Self::of(ns, Running::start(weir(ns, &[&["run"], arguments].concat())))
    }

    /// One that is being started; waits until it has drained.
    pub(crate) fn of(ns: &'n Namespace, process: Running) -> Self {
        let mut agent = Self { ns, process };
        wait_for("the agent to be ready", || {
            let ended = agent.process.ended();
            assert!(ended.is_none(), "it ended, {ended:?}: {}", agent.process.stderr());
            // One that waits for its interfaces has drained too.
            let ready = |answer: &Answer| answer.status == 200 || answer.body.contains("no interface");
            agent.try_get("/-/ready", "").filter(ready)
        });
        agent
    }

    fn try_get(&self, path: &str, headers: &str) -> Option<Answer> {
        self.ns.enter(|| get(ADDRESS, path, headers))
    }

    /// Asks for a path; header lines end with CRLF.
    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        self.try_get(path, headers).expect("an answer")
    }

    /// The page of metrics, which must be well-formed.
    pub(crate) fn page(&self) -> Page {
        Page::text(&self.get("/metrics", "").body)
    }

    /// Waits until the page is as it should be, and says what it is if it never is.
    pub(crate) fn wait_for(&self, what: &str, done: impl Fn(&Page) -> bool) -> Page {
        let mut last = self.page();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, || {
                last = self.page();
                done(&last).then_some(())
            });
        }));
        if let Err(panic) = outcome {
            eprintln!("--- the last page:\n{}", last.not_zero());
            std::panic::resume_unwind(panic);
        }
        last
    }

    /// Waits until a sum of samples has a value.
    pub(crate) fn wait_for_sum(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Page {
        self.wait_for(&format!("{name} {labels:?} = {value}"), |page| page.sum(name, labels) == value)
    }

    /// Waits until two drains have begun after this moment: what passed before is on the page.
    pub(crate) fn wait_for_drains(&self) -> Page {
        let drains = |page: &Page| page.sum("weir_drain_seconds_count", &[]);
        let now = drains(&self.page());
        // The stack sends a packet of its own now and then; one that comes within a drain is in the next.
        self.wait_for("two drains, and a pause for the last", |page| {
            drains(page) >= now + 2.0 && page.unaccounted() == 0.0
        })
    }

    /// Ends it by a signal; it must end well. Returns its log.
    pub(crate) fn stop(mut self, signal: Signal) -> String {
        self.process.signal(signal);
        let status = self.process.end();
        let log = self.process.stderr();
        assert!(status.success(), "{status}: {log}");
        log
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.end();
    }
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A request of this thread's namespace. `None`: nobody answers.
pub(crate) fn get(address: &str, path: &str, headers: &str) -> Option<Answer> {
    let address: SocketAddr = address.parse().expect("an address");
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// TLS for loopback and a password for ann: the flag of a web config, and the certificate that vouches for it.
pub(crate) fn guarded(directory: &tempfile::TempDir, password: &str) -> (String, PathBuf) {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let certificate = file(directory, "cert.pem", &key.cert.pem());
    file(directory, "key.pem", &key.signing_key.serialize_pem());
    let hash = bcrypt::hash(password, 4).expect("a hash");
    let content = format!(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  ann: {hash}\n"
    );
    (format!("--web.config.file={}", file(directory, "web.yml", &content).display()), certificate)
}

/// Lets time pass that is itself what is tested. All of it: threads of a scope that end wake whoever waits for them,
/// also when it waits for something else.
pub(crate) fn pause(time: Duration) {
    let start = Stopwatch::start();
    while let Some(rest) = time.checked_sub(start.elapsed()).filter(|rest| !rest.is_zero()) {
        std::thread::park_timeout(rest);
    }
}

/// A file for a test, which goes with its directory.
pub(crate) fn file(directory: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, content).expect("a file");
    path
}
