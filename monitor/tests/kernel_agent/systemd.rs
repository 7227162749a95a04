//! What systemd sees of a running instance, and what it gives it; the other side is played here.

use std::{io, os::unix::net::UnixDatagram, path::Path, time::Duration};

use nix::{
    sys::{
        ptrace,
        signal::Signal,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

use crate::{
    agent::{ADDRESS, Agent, Running, cable, file, get, pause, weir, without_settings},
    netns::{DEADLINE, uninterrupted, wait_for},
};

/// Systemd's end of the socket.
struct Notified(UnixDatagram);

impl Notified {
    fn bind(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Self(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 256];
        let length = uninterrupted(|| self.0.recv(&mut buffer)).expect("word of the agent");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// What has come and was not asked for yet.
    fn waiting(&self) -> usize {
        self.0.set_nonblocking(true).expect("a mode");
        let mut buffer = [0; 256];
        let count = std::iter::from_fn(|| self.0.recv(&mut buffer).ok()).count();
        self.0.set_nonblocking(false).expect("a mode");
        count
    }
}

/// The thread that reads the flows.
fn counter(pid: u32) -> Pid {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let is_counter =
        |path: &Path| std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name == "counter\n");
    let path = tasks.flatten().map(|task| task.path()).find(|path| is_counter(path)).expect("the counter");
    let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
    Pid::from_raw(id.expect("a number"))
}

#[test]
fn ready_watchdog_and_stopping_are_said_and_a_counter_that_stands_still_says_nothing() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let systemd = Notified::bind(&path);
    let mut command = weir(&here, &["run", "--interface=eth0", "--drain-interval=100ms"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let agent = Running::start(command);
    // Two threads say them: a drain may come before, and more than one.
    wait_for("word that it is ready", || (systemd.next() == "READY=1").then_some(()));
    for _ in 0..2 {
        wait_for("word that it is alive", || (systemd.next() == "WATCHDOG=1").then_some(()));
    }
    // One thread is held; the others go on.
    let counter = counter(agent.id());
    ptrace::seize(counter, ptrace::Options::empty()).expect("seize");
    ptrace::interrupt(counter).expect("interrupt");
    let stopped = || waitpid(counter, Some(WaitPidFlag::__WALL)).map_err(io::Error::from);
    uninterrupted(stopped).expect("it to stop");
    systemd.waiting();
    let mut answers = 0;
    for _ in 0..20 {
        let answer = here.enter(|| get(ADDRESS, "/-/healthy", "")).expect("an answer");
        answers += usize::from(answer.status == 200);
        pause(Duration::from_millis(30));
    }
    assert_eq!((answers, systemd.waiting()), (20, 0), "it serves, and the watchdog is not told so");
    ptrace::detach(counter, None).expect("detach");
    assert_eq!(systemd.next(), "WATCHDOG=1");
    agent.signal(Signal::SIGTERM);
    wait_for("word of the end", || (systemd.next() == "STOPPING=1").then_some(()));
}

#[test]
fn sockets_of_systemd_are_served_on_in_place_of_the_addresses() {
    const OTHER: &str = "127.0.0.1:10099";
    let (here, _there) = cable();
    let command = [
        "-l",
        OTHER,
        env!("CARGO_BIN_EXE_weir"),
        "run",
        "--interface=eth0",
        "--max-flows=64",
        "--drain-interval=100ms",
    ];
    let agent = Running::start(without_settings(here.command("systemd-socket-activate", &command)));
    wait_for("the socket", || agent.stderr().contains("Listening").then_some(()));
    // The first connection starts it, and is answered.
    let answer = here.enter(|| get(OTHER, "/-/healthy", "")).expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(here.enter(|| get(ADDRESS, "/-/healthy", "")).is_none(), "nobody listens there");
    assert!(agent.stdout().contains(&format!("Metrics: http://{OTHER}/metrics")), "{}", agent.stdout());
    agent.signal(Signal::SIGTERM);
}

#[test]
fn a_credential_is_the_web_config_when_no_other_is_named() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let hash = bcrypt::hash("sesame", 4).expect("a hash");
    file(&directory, "web.yml", &format!("basic_auth_users:\n  ann: {hash}\n"));
    let with = |arguments: &[&str]| {
        let mut command = weir(&here, arguments);
        command.env("CREDENTIALS_DIRECTORY", directory.path());
        command
    };
    let config = with(&["config"]).output().expect("weir");
    let config = String::from_utf8_lossy(&config.stdout).into_owned();
    let line = config.lines().find(|line| line.starts_with("web.config.file")).expect("its line");
    assert!(line.contains("web.yml") && line.ends_with("# credential"), "{line}");
    let other = file(&directory, "other.yml", "");
    let named = with(&["config", &format!("--web.config.file={}", other.display())]).output().expect("weir");
    assert!(!String::from_utf8_lossy(&named.stdout).contains("# credential"));
    let agent = Agent {
        ns: &here,
        process: Running::start(with(&[
            "run",
            "--interface=eth0",
            "--max-flows=64",
            "--drain-interval=100ms",
        ])),
    };
    wait_for("its pages", || agent.process.stdout().contains("Metrics: ").then_some(()));
    assert_eq!(agent.get("/metrics", "").status, 401);
    let right = "Authorization: Basic YW5uOnNlc2FtZQ==\r\n";
    assert_eq!(agent.get("/metrics", right).status, 200);
    // It is read again by whoever may, although root was given up: as `systemctl` would put another in its place.
    let hash = bcrypt::hash("simsalabim", 4).expect("a hash");
    file(&directory, "new", &format!("basic_auth_users:\n  ann: {hash}\n"));
    let at = |name| directory.path().join(name);
    std::fs::set_permissions(at("new"), std::os::unix::fs::PermissionsExt::from_mode(0o400)).expect("a mode");
    std::fs::rename(at("new"), at("web.yml")).expect("renamed");
    wait_for("the new password", || (agent.get("/metrics", right).status == 401).then_some(()));
    let new = "Authorization: Basic YW5uOnNpbXNhbGFiaW0=\r\n";
    assert_eq!(agent.get("/metrics", new).status, 200);
    agent.stop(Signal::SIGTERM);
}
