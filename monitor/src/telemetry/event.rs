//! Everything that is worth a line in the log. Each is counted where it is logged, so that the two
//! cannot drift apart.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::feed::{Feed, Severity};
use monitor_core::engine::Violation;
use monitor_core::fanout::Detection;
use monitor_core::live::Surge;
use monitor_core::record::FindingRecord;
use tracing::{debug, error, info, warn};

use crate::confine::Report;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The page is served.
    Listening {
        /// The socket.
        address: SocketAddr,
        /// Whether TLS is on.
        tls: bool,
    },
    /// An address that others reach is served without a password or a certificate of the client.
    Unprotected {
        /// The socket.
        address: SocketAddr,
    },
    /// An address that others reach takes passwords and has no TLS.
    PasswordsInClear {
        /// The socket.
        address: SocketAddr,
    },
    /// A variable looks like a setting and is none.
    UnknownVariable {
        /// Its name.
        name: &'a str,
    },
    /// The configuration was read again.
    Reloaded {
        /// Settings that changed and wait for a restart.
        waiting: &'a [&'static str],
    },
    /// The configuration could not be read again; the old one holds.
    ReloadFailed {
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    },
    /// The web config was read again, and holds.
    WebConfigRead {
        /// The file.
        path: &'a Path,
    },
    /// The web config could not be read again; the old one holds.
    WebConfigFailed {
        /// The file.
        path: &'a Path,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    },
    /// A connection that kept the server waiting the longest was ended for a new one: as many were open as
    /// may be.
    ConnectionDisplaced {
        /// Who came.
        peer: SocketAddr,
    },
    /// A connection was turned away: as many are at work as may be open.
    ConnectionRefused {
        /// Who it was.
        peer: SocketAddr,
    },
    /// A connection ended in an error of the other side's making.
    ConnectionFailed {
        /// Who it was.
        peer: SocketAddr,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    },
    /// No connection could be accepted.
    AcceptFailed {
        /// Why.
        error: &'a std::io::Error,
    },
    /// A request without a valid user and password.
    Unauthorized {
        /// Who it was.
        peer: SocketAddr,
    },
    /// A request took too long or came while too many were served.
    RequestRefused {
        /// Who it was.
        peer: SocketAddr,
        /// The answer.
        status: u16,
    },
    /// A drain failed.
    DrainFailed {
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    },
    /// A drain found packets that nothing accounts for.
    ConservationBroken {
        /// Where and how many.
        violation: &'a Violation,
    },
    /// An interface is counted from now on.
    Attached {
        /// Its name.
        interface: &'a str,
    },
    /// Counting goes on from the pins of an earlier instance.
    TakenOver {
        /// How many interfaces it counted.
        interfaces: usize,
    },
    /// An interface is counted no more: it is gone, or no longer meant.
    Detached {
        /// Its name.
        interface: &'a str,
    },
    /// An interface that came cannot be counted.
    AttachFailed {
        /// Its name.
        interface: &'a str,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    },
    /// A source reaches unusually many hosts or ports.
    Fanout {
        /// Who and how many.
        detection: &'a Detection,
    },
    /// The flow table has no room: packets count, but on no flow.
    Overflow {
        /// How many since the drain before.
        packets: u64,
    },
    /// Attempts to connect fail much more often than usual.
    Surge {
        /// How, and how many.
        surge: &'a Surge,
    },
    /// Traffic shows a risk.
    Risk {
        /// Which and where.
        record: &'a FindingRecord,
    },
    /// The kernel side met an error that should not happen.
    KernelSide {
        /// What it says.
        message: &'a str,
    },
    /// Interfaces cannot be read.
    HostFailed {
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    },
    /// Records could not be written; each further failure is counted by the metric alone.
    OutputFailed {
        /// Which output.
        output: &'a str,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    },
    /// Records can be written again.
    OutputRecovered {
        /// Which output.
        output: &'a str,
    },
    /// A file of records was removed while it was written; what comes is in a new one.
    OutputRemoved {
        /// Which output.
        output: &'a str,
        /// The file.
        path: &'a Path,
        /// Records that were in it.
        records: u64,
    },
    /// An output did not end in time; what it had not written is lost.
    OutputUnfinished {
        /// Which output.
        output: &'a str,
        /// Records that it had not written.
        records: u64,
    },
    /// A file that an earlier run left unfinished has its name now.
    LeftoverFinished {
        /// Which output.
        output: &'a str,
        /// The file.
        path: &'a Path,
    },
    /// A file that an earlier run left unfinished could not be read and was removed.
    LeftoverDiscarded {
        /// Which output.
        output: &'a str,
        /// The file.
        path: &'a Path,
    },
    /// Packets of an interface are in no file: they came faster than they could be written.
    PacketsDropped {
        /// The interface.
        interface: &'a str,
        /// How many.
        packets: u64,
    },
    /// A thread has given up what it does not need.
    Confined {
        /// What, and what not.
        report: &'a Report,
    },
    /// All rights are kept.
    Unconfined,
    /// Threads keep root's number.
    StaysRoot {
        /// Why.
        reason: &'a str,
    },
    /// Whether another instance counts an interface cannot be seen as well as it should.
    Unlocked {
        /// Why.
        reason: &'a str,
    },
    /// A signal ends the run.
    Stopping {
        /// Its name.
        signal: &'static str,
    },
}

/// Number of variants of [`Event`].
const KINDS: usize = 38;

/// Names of the events, by [`Event::index`].
const NAMES: [&str; KINDS] = [
    "listening",
    "unprotected",
    "unknown_variable",
    "reloaded",
    "reload_failed",
    "web_config_failed",
    "connection_refused",
    "connection_failed",
    "accept_failed",
    "unauthorized",
    "request_refused",
    "drain_failed",
    "conservation_broken",
    "stopping",
    "attached",
    "detached",
    "attach_failed",
    "host_failed",
    "kernel_side",
    "fanout",
    "output_failed",
    "output_recovered",
    "packets_dropped",
    "overflow",
    "surge",
    "risk",
    "confined",
    "taken_over",
    "connection_displaced",
    "passwords_in_clear",
    "unconfined",
    "web_config_read",
    "stays_root",
    "unlocked",
    "output_removed",
    "output_unfinished",
    "leftover_finished",
    "leftover_discarded",
];

/// How often each event happened.
#[derive(Debug)]
pub struct Events {
    counts: [AtomicU64; KINDS],
    feed: Feed,
}

impl Default for Events {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), feed: Feed::default() }
    }
}

impl Events {
    /// Logs and counts, and tells those who watch if it is of use to them.
    pub fn emit(&self, event: &Event<'_>) {
        self.counts[event.index()].fetch_add(1, Relaxed);
        event.log();
        if let Some((severity, text)) = event.notice() {
            self.feed.push(NAMES[event.index()], severity, text);
        }
    }

    /// What those who watch are told.
    pub const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Each event's name and count.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.into_iter().zip(self.counts.iter().map(|n| n.load(Relaxed)))
    }
}

impl Event<'_> {
    const fn index(&self) -> usize {
        match self {
            Self::Listening { .. } => 0,
            Self::Unprotected { .. } => 1,
            Self::UnknownVariable { .. } => 2,
            Self::Reloaded { .. } => 3,
            Self::ReloadFailed { .. } => 4,
            Self::WebConfigFailed { .. } => 5,
            Self::ConnectionRefused { .. } => 6,
            Self::ConnectionFailed { .. } => 7,
            Self::AcceptFailed { .. } => 8,
            Self::Unauthorized { .. } => 9,
            Self::RequestRefused { .. } => 10,
            Self::DrainFailed { .. } => 11,
            Self::ConservationBroken { .. } => 12,
            Self::Stopping { .. } => 13,
            Self::Attached { .. } => 14,
            Self::Detached { .. } => 15,
            Self::AttachFailed { .. } => 16,
            Self::HostFailed { .. } => 17,
            Self::KernelSide { .. } => 18,
            Self::Fanout { .. } => 19,
            Self::OutputFailed { .. } => 20,
            Self::OutputRecovered { .. } => 21,
            Self::PacketsDropped { .. } => 22,
            Self::Overflow { .. } => 23,
            Self::Surge { .. } => 24,
            Self::Risk { .. } => 25,
            Self::Confined { .. } => 26,
            Self::TakenOver { .. } => 27,
            Self::ConnectionDisplaced { .. } => 28,
            Self::PasswordsInClear { .. } => 29,
            Self::Unconfined => 30,
            Self::WebConfigRead { .. } => 31,
            Self::StaysRoot { .. } => 32,
            Self::Unlocked { .. } => 33,
            Self::OutputRemoved { .. } => 34,
            Self::OutputUnfinished { .. } => 35,
            Self::LeftoverFinished { .. } => 36,
            Self::LeftoverDiscarded { .. } => 37,
        }
    }

    /// What it says to those who watch; `None`: it is about Weir's own service alone.
    fn notice(&self) -> Option<(Severity, String)> {
        use Severity::{Info, Warning};
        let notice = match self {
            Self::Reloaded { waiting: [] } => (Info, "configuration read again".to_owned()),
            Self::Reloaded { waiting } => {
                (Warning, format!("configuration read again; waiting for a restart: {}", waiting.join(", ")))
            }
            Self::WebConfigRead { .. } => (Info, "web config read again".to_owned()),
            Self::ReloadFailed { error } | Self::WebConfigFailed { error, .. } => {
                (Warning, format!("configuration not read again: {error}"))
            }
            Self::DrainFailed { error } => (Warning, format!("flows could not be read: {error}")),
            Self::ConservationBroken { violation } => (
                Warning,
                format!(
                    "{} {}: packets seen and packets accounted for differ",
                    violation.interface,
                    violation.direction.as_str()
                ),
            ),
            Self::Stopping { signal } => (Info, format!("stopping on {signal}")),
            Self::Attached { interface } => (Info, format!("{interface} is counted")),
            Self::TakenOver { .. } => {
                (Info, "counting goes on from the pins of an earlier instance".to_owned())
            }
            Self::Detached { interface } => (Info, format!("{interface} is no longer counted")),
            Self::AttachFailed { interface, error } => {
                (Warning, format!("{interface} cannot be counted: {error}"))
            }
            Self::HostFailed { error } => (Warning, format!("interfaces cannot be read: {error}")),
            Self::KernelSide { message } => (Warning, format!("kernel side: {message}")),
            Self::Fanout { detection } => (
                Warning,
                format!(
                    "{} reached {} {} within {} s: a scan?",
                    detection.source,
                    detection.count,
                    detection.kind.as_str(),
                    detection.window / 1_000_000_000
                ),
            ),
            Self::Overflow { packets } => {
                (Warning, format!("flow table full: {packets} packets found no room"))
            }
            Self::Surge { surge } => (
                Warning,
                format!("connection attempts: {:.0} a second {}", surge.per_second, surge.result.as_str()),
            ),
            Self::Risk { record } => (
                Warning,
                format!(
                    "{}: {}, {} to {}",
                    record.kind.as_str(),
                    record.detail.as_str(),
                    record.identity.client_ip,
                    record.identity.server_ip
                ),
            ),
            Self::OutputFailed { output, error } => {
                (Warning, format!("{output}: records cannot be written: {error}"))
            }
            Self::OutputRecovered { output } => (Info, format!("{output}: records can be written again")),
            Self::OutputRemoved { output, records, .. } => {
                (Warning, format!("{output}: a file with {records} records was removed while it was written"))
            }
            Self::OutputUnfinished { output, records } => {
                (Warning, format!("{output}: {records} records could not be written before the end"))
            }
            Self::PacketsDropped { interface, packets } => {
                (Warning, format!("{interface}: {packets} packets are in no file"))
            }
            Self::Listening { .. }
            | Self::LeftoverFinished { .. }
            | Self::LeftoverDiscarded { .. }
            | Self::Confined { .. }
            | Self::Unconfined
            | Self::StaysRoot { .. }
            | Self::Unlocked { .. }
            | Self::Unprotected { .. }
            | Self::PasswordsInClear { .. }
            | Self::UnknownVariable { .. }
            | Self::ConnectionDisplaced { .. }
            | Self::ConnectionRefused { .. }
            | Self::ConnectionFailed { .. }
            | Self::AcceptFailed { .. }
            | Self::Unauthorized { .. }
            | Self::RequestRefused { .. } => return None,
        };
        Some(notice)
    }

    fn log(&self) {
        let event = NAMES[self.index()];
        match self {
            Self::Listening { address, tls } => info!(event, %address, tls, "serving"),
            Self::Unprotected { address } => warn!(
                event, %address,
                "whoever reaches this address sees this host's traffic: set a password with --web.config.file"
            ),
            Self::PasswordsInClear { address } => warn!(
                event, %address,
                "passwords come to this address in clear text: set up TLS with --web.config.file"
            ),
            Self::UnknownVariable { name } => warn!(event, name, "no setting has this variable"),
            Self::Reloaded { waiting: [] } => info!(event, "configuration read again"),
            Self::Reloaded { waiting } => warn!(
                event,
                waiting = waiting.join(" "),
                "configuration read again; these settings change at the next start"
            ),
            Self::ReloadFailed { error } => {
                error!(event, error = *error, "configuration not read again, the old one holds");
            }
            Self::WebConfigRead { path } => info!(event, path = %path.display(), "web config read again"),
            Self::WebConfigFailed { path, error } => {
                error!(event, path = %path.display(), error = *error, "web config not read again, the old one holds");
            }
            Self::ConnectionDisplaced { peer } => {
                debug!(event, %peer, "too many connections, the one that waited longest was ended");
            }
            Self::ConnectionRefused { peer } => debug!(event, %peer, "too many connections"),
            Self::ConnectionFailed { peer, error } => {
                debug!(event, %peer, error = *error, "connection failed");
            }
            Self::AcceptFailed { error } => error!(event, %error, "cannot accept connections"),
            Self::Unauthorized { peer } => debug!(event, %peer, "no valid user and password"),
            Self::RequestRefused { peer, status } => debug!(event, %peer, status, "request turned away"),
            Self::DrainFailed { error } => error!(event, error = *error, "flows could not be read"),
            Self::ConservationBroken { violation } => error!(
                event,
                interface = violation.interface,
                direction = violation.direction.as_str(),
                before = violation.before,
                accounted = violation.accounted,
                after = violation.after,
                "packets seen and packets accounted for differ: please report this"
            ),
            Self::Attached { interface } => info!(event, interface, "counting"),
            Self::TakenOver { interfaces } => {
                info!(event, interfaces, "going on from the pins of an earlier instance");
            }
            Self::Detached { interface } => info!(event, interface, "no longer counting"),
            Self::AttachFailed { interface, error } => {
                warn!(
                    event,
                    interface,
                    error = *error,
                    "cannot be counted; tried again when interfaces change"
                );
            }
            Self::KernelSide { message } => {
                error!(event, message, "the kernel side met an error: please report this");
            }
            Self::Fanout { detection } => warn!(
                event,
                source = %detection.source,
                kind = detection.kind.as_str(),
                count = detection.count,
                window_seconds = detection.window / 1_000_000_000,
                "a source reaches unusually many hosts or ports"
            ),
            Self::Overflow { packets } => warn!(
                event,
                packets, "the flow table is full: packets count, but on no flow; see --max-flows"
            ),
            Self::Surge { surge } => warn!(
                event,
                result = surge.result.as_str(),
                per_second = surge.per_second,
                "connection attempts fail more often than usual"
            ),
            Self::Risk { record } => info!(
                event,
                kind = record.kind.as_str(),
                detail = record.detail.as_str(),
                client = %record.identity.client_ip,
                server = %record.identity.server_ip,
                "traffic shows a risk"
            ),
            Self::HostFailed { error } => error!(event, error = *error, "interfaces cannot be read"),
            Self::OutputFailed { output, error } => error!(
                event,
                output,
                error = *error,
                "records cannot be written; counting goes on, and every batch is tried"
            ),
            Self::OutputRecovered { output } => info!(event, output, "records can be written again"),
            Self::OutputRemoved { output, path, records } => warn!(
                event,
                output,
                path = %path.display(),
                records,
                "a file was removed while it was written; what comes is in a new one"
            ),
            Self::OutputUnfinished { output, records } => error!(
                event,
                output, records, "the output did not end in time; what it had not written is lost"
            ),
            Self::LeftoverFinished { output, path } => warn!(
                event,
                output,
                path = %path.display(),
                "an earlier run left this file unfinished; what was whole in it is there"
            ),
            Self::LeftoverDiscarded { output, path } => warn!(
                event,
                output,
                path = %path.display(),
                "an earlier run left this file unfinished; nothing in it could be read, and it was removed"
            ),
            Self::PacketsDropped { interface, packets } => warn!(
                event,
                interface,
                packets,
                "packets came faster than they could be written; write to a faster disk, or less with --snaplen"
            ),
            Self::Unconfined => {
                warn!(
                    event,
                    "confine is off, which is for debugging alone: no rights are given up after the start"
                );
            }
            Self::StaysRoot { reason } => {
                info!(event, reason, "threads stay root's, with no more capabilities than they need");
            }
            Self::Unlocked { reason } => {
                info!(event, reason, "another instance on the same interfaces may go unseen");
            }
            Self::Confined { report } => {
                let (thread, kept, missing) = (report.role.as_str(), report.kept.join(" "), report.missing());
                if missing.is_empty() {
                    debug!(event, thread, kept, "confined");
                } else {
                    info!(event, thread, kept, missing, "confined in part");
                }
            }
            Self::Stopping { signal } => info!(event, signal, "stopping"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_under_its_own_name() {
        let events = Events::default();
        events.emit(&Event::Stopping { signal: "SIGTERM" });
        events.emit(&Event::Unprotected { address: SocketAddr::from(([0, 0, 0, 0], 1)) });
        let counts: Vec<_> = events.counts().filter(|(_, n)| *n > 0).collect();
        assert_eq!(counts, [("unprotected", 1), ("stopping", 1)]);
    }
}
