//! Word to systemd (`sd_notify(3)`), if it started us and waits for it.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// The way to whoever started us. Connected once: threads that make no sockets any more can still send.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    patience: Option<Duration>,
}

impl Notifier {
    /// As the environment has it.
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name);
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let patience = number("WATCHDOG_USEC").filter(|n| ours && *n > 0).map(Duration::from_micros);
        Self { socket: variable("NOTIFY_SOCKET").and_then(|path| connect(&path)), patience }
    }

    /// Sends a state such as `READY=1`. Without systemd, or if it does not listen, nothing is lost.
    pub fn say(&self, state: &str) {
        if let Some(socket) = &self.socket {
            drop(socket.send(state.as_bytes()));
        }
    }
}

fn connect(path: &OsStr) -> Option<UnixDatagram> {
    let address = match path.as_bytes().split_first()? {
        (b'@', name) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(path),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    // Whoever does not read must not hold up the counting.
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

/// Tells that the counting goes on, each time that it has; whoever hears nothing for too long starts it anew.
#[derive(Debug)]
pub struct Watchdog {
    notifier: Arc<Notifier>,
    /// Nanoseconds of the flow clock between two words at least; `None`: nobody listens.
    every: Option<u64>,
    last: Option<u64>,
}

impl Watchdog {
    /// One that sends as often as it is wanted.
    pub fn new(notifier: Arc<Notifier>) -> Self {
        // Four times in the time after which it would be too late.
        let every = notifier.patience.map(|patience| patience.as_nanos() as u64 / 4);
        Self { notifier, every, last: None }
    }

    /// The flows are to be read within this time: systemd waits no longer than that either, however long its own
    /// `WatchdogSec=` is.
    pub fn expect_every(&mut self, deadline: Duration) {
        let Some(patience) = self.notifier.patience else { return };
        let patience = patience.min(deadline);
        self.every = Some(patience.as_nanos() as u64 / 4);
        self.notifier.say(&format!("WATCHDOG_USEC={}", patience.as_micros()));
    }

    /// The flows were read at this time (flow clock, ns).
    pub fn drained(&mut self, now: u64) {
        if self.is_due(now) {
            self.last = Some(now);
            self.notifier.say("WATCHDOG=1");
        }
    }

    fn is_due(&self, now: u64) -> bool {
        self.every.is_some_and(|every| self.last.is_none_or(|last| now.saturating_sub(last) >= every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_by_path_and_by_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let name = format!("weir-notify-{}", std::process::id());
        let hidden = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, path) in [(socket, path.into_os_string()), (hidden, format!("@{name}").into())] {
            Notifier { socket: connect(&path), patience: None }.say("READY=1");
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        }
        assert!(connect(OsStr::new("/nowhere/notify")).is_none());
        Notifier::default().say("READY=1");
    }

    #[test]
    fn systemd_waits_no_longer_than_drains_may_take() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let said = |patience: Option<u64>, deadline| {
            let notifier =
                Notifier { socket: connect(path.as_os_str()), patience: patience.map(Duration::from_secs) };
            let mut watchdog = Watchdog::new(Arc::new(notifier));
            watchdog.expect_every(Duration::from_secs(deadline));
            socket.set_nonblocking(true).unwrap();
            let mut buffer = [0; 64];
            let said = socket.recv(&mut buffer).map(|n| String::from_utf8_lossy(&buffer[..n]).into_owned());
            (said.unwrap_or_default(), watchdog.every)
        };
        assert_eq!(said(Some(180), 13), ("WATCHDOG_USEC=13000000".to_owned(), Some(3_250_000_000)));
        assert_eq!(said(Some(5), 13).0, "WATCHDOG_USEC=5000000");
        assert_eq!(said(None, 13), (String::new(), None), "nobody listens");
    }

    #[test]
    fn it_speaks_four_times_in_the_time_that_is_left_and_only_when_told() {
        let notifier = Notifier { socket: None, patience: Some(Duration::from_secs(4)) };
        let mut watchdog = Watchdog::new(Arc::new(notifier));
        let second = 1_000_000_000;
        assert!(watchdog.is_due(5 * second));
        watchdog.drained(5 * second);
        assert!(!watchdog.is_due(5 * second + second / 2));
        assert!(watchdog.is_due(6 * second));
        assert!(!Watchdog::new(Arc::default()).is_due(0), "nobody listens");
    }
}
