//! Everything that is worth a line in the log. Each is counted where it is logged, so that the two
//! cannot drift apart, and declared once: its name, its fields, its line and level, and what those who
//! watch are shown of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::feed::{
    Feed,
    Severity::{self, Info, Warning},
};
use super::pace::Pace;
use super::peer::Peer;
use monitor_core::engine::Violation;
use monitor_core::fanout::Detection;
use monitor_core::live::Surge;
use monitor_core::record::{DetectionRecord, FindingRecord, Text};
use tracing::{debug, error, info, warn};

use crate::config::types::ListenAddress;
use crate::confine::Report;

/// How often each event happened.
#[derive(Debug)]
pub struct Events {
    counts: [AtomicU64; KINDS],
    paces: [Pace; KINDS],
    feed: Feed,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            paces: std::array::from_fn(|_| Pace::default()),
            feed: Feed::default(),
        }
    }
}

impl Events {
    /// Logs and counts, and tells those who watch if it is of use to them. Of what strangers can make happen, only so
    /// many a second are logged and told.
    pub fn emit(&self, event: &Event<'_>) {
        let kind = event.index();
        self.counts[kind].fetch_add(1, Relaxed);
        if event.is_of_strangers() {
            let pace = &self.paces[kind];
            tell_left_out(kind, pace);
            if !pace.admit() {
                return;
            }
        }
        event.log();
        if let Some((severity, text)) = event.notice() {
            self.feed.push(NAMES[kind], severity, text);
        }
    }

    /// Tells of what was left out of the log, where nothing more of its kind came that would have.
    pub fn settle(&self) {
        for (kind, pace) in self.paces.iter().enumerate() {
            tell_left_out(kind, pace);
        }
    }

    /// Each event's name and how many of its kind are counted and not in the log.
    pub fn left_out(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.into_iter().zip(self.paces.iter().map(Pace::since_start))
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

/// Says how many lines of a kind are missing.
fn tell_left_out(kind: usize, pace: &Pace) {
    let left_out = pace.take_left_out();
    if left_out > 0 {
        warn!(event = NAMES[kind], left_out, "more of these happened than are logged");
    }
}

impl Event<'_> {
    /// Whether others can make it happen as often as they like.
    const fn is_of_strangers(&self) -> bool {
        matches!(
            self,
            Self::AnswerDisplaced { .. }
                | Self::ConnectionDisplaced { .. }
                | Self::ConnectionRefused { .. }
                | Self::ConnectionFailed { .. }
                | Self::AcceptFailed { .. }
                | Self::Unauthorized { .. }
                | Self::LoginFailed { .. }
                | Self::RequestRefused { .. }
                | Self::Fanout { .. }
                | Self::Detection { .. }
                | Self::Risk { .. }
                | Self::Surge { .. }
                | Self::Overflow { .. }
                | Self::KernelSide { .. }
                | Self::ConservationBroken { .. }
        )
    }
}

/// Declares events, each as `DOC Variant = "name" { fields } => line of the log;` and, where those who watch are to
/// see it, `show (severity, text);`. The first word is what lines call the event's name.
macro_rules! events {
    ($event:ident; $(
        $(#[doc = $doc:literal])+
        $variant:ident = $name:literal $({
            $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty,)+
        })?
        => $log:expr;
        $(show $show:expr;)?
    )+) => {
        /// Something that happened.
        #[derive(Debug)]
        pub enum Event<'a> {
            $($(#[doc = $doc])+ $variant $({ $($(#[doc = $field_doc])+ $field: $type,)+ })?,)+
        }

        /// Names of the events, by [`Event::index`].
        const NAMES: [&str; [$($name),+].len()] = [$($name),+];

        /// Number of events.
        const KINDS: usize = NAMES.len();

        impl Event<'_> {
            const fn index(&self) -> usize {
                enum Kind {
                    $($variant,)+
                }
                match self {
                    $(Self::$variant $({ $($field: _),+ })? => Kind::$variant as usize,)+
                }
            }

            /// What it says to those who watch; `None`: it is about Weir's own service alone.
            fn notice(&self) -> Option<(Severity, String)> {
                match self {
                    $(Self::$variant $({ $($field),+ })? => {
                        $($(let _ = $field;)+)?
                        events!(@show $($show)?)
                    })+
                }
            }

            fn log(&self) {
                match self {
                    $(Self::$variant $({ $($field),+ })? => {
                        let $event = $name;
                        $log;
                    })+
                }
            }
        }
    };
    (@show) => { None };
    (@show $show:expr) => { Some($show) };
}

events! {
    event;

    /// The page is served.
    Listening = "listening" {
        /// The socket.
        address: &'a ListenAddress,
        /// Whether TLS is on.
        tls: bool,
    }
        => info!(event, %address, tls, "serving");

    /// An address that others reach is served without a password or a certificate of the client.
    Unprotected = "unprotected" {
        /// The socket.
        address: SocketAddr,
    }
        => warn!(
            event, %address,
            "whoever reaches this address sees this host's traffic: set a password with --web.config.file"
        );

    /// An address that others reach takes passwords and has no TLS.
    PasswordsInClear = "passwords_in_clear" {
        /// The socket.
        address: SocketAddr,
    }
        => warn!(
            event, %address,
            "passwords come to this address in clear text: set up TLS with --web.config.file"
        );

    /// A variable looks like a setting and is none.
    UnknownVariable = "unknown_variable" {
        /// Its name.
        name: &'a str,
    }
        => warn!(event, name, "no setting has this variable");

    /// The configuration was reloaded.
    Reloaded = "reloaded" {
        /// Settings that changed and wait for a restart.
        waiting: &'a [&'static str],
    }
        => match *waiting {
            [] => info!(event, "configuration reloaded"),
            waiting => warn!(
                event,
                waiting = waiting.join(" "),
                "configuration reloaded; these settings change at the next start"
            ),
        };
        show match *waiting {
            [] => (Info, "configuration reloaded".to_owned()),
            waiting => {
                let waiting = waiting.join(", ");
                (Warning, format!("configuration reloaded; waiting for a restart: {waiting}"))
            }
        };

    /// The configuration could not be read again; the old one holds.
    ReloadFailed = "reload_failed" {
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => error!(event, error = *error, "reload failed, the previous configuration stays in force");
        show (Warning, format!("reload failed: {error}"));

    /// An output could not be made of a configuration that was read again.
    OutputRefused = "output_refused" {
        /// Its name.
        output: &'a str,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => error!(event, output, error = *error, "output not changed by the reload; it continues as before");
        show (Warning, format!("output {output} not changed: {error}"));

    /// The web config was read again, and holds.
    WebConfigRead = "web_config_read" {
        /// The file.
        path: &'a Path,
    }
        => info!(event, path = %path.display(), "web config reloaded");
        show (Info, "web config reloaded".to_owned());

    /// The web config could not be read again; the old one holds.
    WebConfigFailed = "web_config_failed" {
        /// The file.
        path: &'a Path,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => error!(event, path = %path.display(), error = *error, "web config not reloaded, the previous one stays in force");
        show (Warning, format!("web config not reloaded: {error}"));

    /// A connection that kept the server waiting the longest was ended for a new one: as many were open as
    /// may be.
    ConnectionDisplaced = "connection_displaced" {
        /// Who came.
        peer: Peer,
    }
        => debug!(event, %peer, "too many connections, the one that waited longest was ended");

    /// A connection was turned away: as many are at work as may be open.
    ConnectionRefused = "connection_refused" {
        /// Who it was.
        peer: Peer,
    }
        => debug!(event, %peer, "too many connections");

    /// An answer that its client did not take gave way to others: memory for answers was short.
    AnswerDisplaced = "answer_displaced" {
        /// Who did not take it.
        peer: Peer,
    }
        => debug!(event, %peer, "memory for answers is short, one that was not taken was ended");

    /// A connection ended in an error of the other side's making.
    ConnectionFailed = "connection_failed" {
        /// Who it was.
        peer: Peer,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => debug!(event, %peer, error = *error, "connection failed");

    /// No connection could be accepted.
    AcceptFailed = "accept_failed" {
        /// Why.
        error: &'a std::io::Error,
    }
        => error!(event, %error, "cannot accept connections");

    /// A wrong user or password.
    LoginFailed = "login_failed" {
        /// Who gave it.
        peer: Peer,
    }
        => warn!(event, %peer, "wrong user or password");

    /// A request without user and password where they are needed.
    Unauthorized = "unauthorized" {
        /// Who it was.
        peer: Peer,
    }
        => debug!(event, %peer, "no user and password");

    /// A request took too long or came while too many were served.
    RequestRefused = "request_refused" {
        /// Who it was.
        peer: Peer,
        /// The answer.
        status: u16,
    }
        => debug!(event, %peer, status, "request turned away");

    /// A drain failed.
    DrainFailed = "drain_failed" {
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => error!(event, error = *error, "flows could not be read");
        show (Warning, format!("flows could not be read: {error}"));

    /// A drain found packets that nothing accounts for.
    ConservationBroken = "conservation_broken" {
        /// Where and how many.
        violation: &'a Violation,
    }
        => error!(
            event,
            interface = violation.interface,
            direction = violation.direction.as_str(),
            before = violation.before,
            accounted = violation.accounted,
            after = violation.after,
            "packets seen and packets accounted for differ: please report this"
        );
        show (
            Warning,
            format!(
                "{} {}: packets seen and packets accounted for differ",
                violation.interface,
                violation.direction.as_str()
            ),
        );

    /// An interface is counted from now on.
    Attached = "attached" {
        /// Its name.
        interface: &'a str,
    }
        => info!(event, interface, "counting");
        show (Info, format!("{interface} is counted"));

    /// Counting goes on from the pins of an earlier instance.
    TakenOver = "taken_over" {
        /// How many interfaces it counted.
        interfaces: usize,
    }
        => info!(event, interfaces, "continuing from the pins of an earlier instance");
        show (Info, "counting continues from the pins of an earlier instance".to_owned());

    /// Pins that could not be gone on from were ended: what passed until the next interface was counted is in no number.
    PinsReplaced = "pins_replaced" {
        /// What they differ in.
        what: &'a str,
    }
        => warn!(event, what, "pins of another version or other settings were ended; counting starts again");
        show (Warning, format!("pins that differ in {what} were ended; counting starts again"));

    /// An interface is counted no more: it is gone, or no longer meant.
    Detached = "detached" {
        /// Its name.
        interface: &'a str,
    }
        => info!(event, interface, "no longer counting");
        show (Info, format!("{interface} is no longer counted"));

    /// An interface that came cannot be counted.
    AttachFailed = "attach_failed" {
        /// Its name.
        interface: &'a str,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => warn!(
            event,
            interface,
            error = *error,
            "cannot be counted; tried again when interfaces change"
        );
        show (Warning, format!("{interface} cannot be counted: {error}"));

    /// A source reaches unusually many hosts or ports.
    Fanout = "fanout" {
        /// Who and how many.
        detection: &'a Detection,
    }
        => warn!(
            event,
            source = %detection.source,
            kind = detection.kind.as_str(),
            count = detection.count,
            window_seconds = detection.window / 1_000_000_000,
            "a source reaches unusually many hosts or ports"
        );
        show (
            Warning,
            format!(
                "{} reached {} {} within {} s: a scan?",
                detection.source,
                detection.count,
                detection.kind.as_str(),
                detection.window / 1_000_000_000
            ),
        );

    /// A detection began or is over: behaviour over many flows.
    Detection = "detection" {
        /// What, who and how much.
        record: &'a DetectionRecord,
    }
        => warn!(
            event,
            kind = record.kind.as_str(),
            detail = record.detail.as_str(),
            source = record.source_ip.map(tracing::field::display),
            target = record.target_ip.map(tracing::field::display),
            name = record.name.as_ref().map(Text::as_str),
            score = record.score,
            over = record.until.is_some(),
            "flows together look like an attack or a fault: see docs/detections.md"
        );
        show (Warning, record.line());

    /// The flow table has no room: packets count, but on no flow.
    Overflow = "overflow" {
        /// How many since the drain before.
        packets: u64,
    }
        => warn!(
            event,
            packets, "the flow table is full: packets count, but on no flow; see --max-flows"
        );
        show (Warning, format!("flow table full: {packets} packets found no room"));

    /// Attempts to connect fail much more often than usual.
    Surge = "surge" {
        /// How, and how many.
        surge: &'a Surge,
    }
        => warn!(
            event,
            result = surge.result.as_str(),
            per_second = surge.per_second,
            "connection attempts fail more often than usual"
        );
        show (
            Warning,
            format!("connection attempts: {:.0} a second {}", surge.per_second, surge.result.as_str()),
        );

    /// Traffic shows a risk.
    Risk = "risk" {
        /// Which and where.
        record: &'a FindingRecord,
    }
        => info!(
            event,
            kind = record.kind.as_str(),
            detail = record.detail.as_str(),
            client = %record.identity.client_ip,
            server = %record.identity.server_ip,
            "traffic shows a risk"
        );
        show (
            Warning,
            format!(
                "{}: {}, {} to {}",
                record.kind.as_str(),
                record.detail.as_str(),
                record.identity.client_ip,
                record.identity.server_ip
            ),
        );

    /// The kernel side met an error that should not happen.
    KernelSide = "kernel_side" {
        /// What it says.
        message: &'a str,
    }
        => error!(event, message, "the kernel side met an error: please report this");
        show (Warning, format!("kernel side: {message}"));

    /// Interfaces cannot be read.
    HostFailed = "host_failed" {
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => error!(event, error = *error, "interfaces cannot be read");
        show (Warning, format!("interfaces cannot be read: {error}"));

    /// Records could not be written; each further failure is counted by the metric alone.
    OutputFailed = "output_failed" {
        /// Which output.
        output: &'a str,
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => error!(
            event,
            output,
            error = *error,
            "records cannot be written; counting continues, and every batch is tried"
        );
        show (Warning, format!("{output}: records cannot be written: {error}"));

    /// Records can be written again.
    OutputRecovered = "output_recovered" {
        /// Which output.
        output: &'a str,
    }
        => info!(event, output, "records can be written again");
        show (Info, format!("{output}: records can be written again"));

    /// A file of records was removed while it was written; what comes is in a new one.
    OutputRemoved = "output_removed" {
        /// Which output.
        output: &'a str,
        /// The file.
        path: &'a Path,
        /// Records that were in it.
        records: u64,
    }
        => warn!(
            event,
            output,
            path = %path.display(),
            records,
            "a file was removed while it was written; what comes is in a new one"
        );
        show (Warning, format!("{output}: a file with {records} records was removed while it was written"));

    /// An output did not end in time; what it had not written is lost.
    OutputUnfinished = "output_unfinished" {
        /// Which output.
        output: &'a str,
        /// Records that it had not written.
        records: u64,
    }
        => error!(
            event,
            output, records, "the output did not end in time; what it had not written is lost"
        );
        show (Warning, format!("{output}: {records} records could not be written before the end"));

    /// A file that an earlier run left unfinished has its name now.
    LeftoverFinished = "leftover_finished" {
        /// Which output.
        output: &'a str,
        /// The file.
        path: &'a Path,
    }
        => warn!(
            event,
            output,
            path = %path.display(),
            "an earlier run left this file unfinished; what was whole in it is there"
        );

    /// A file that an earlier run left unfinished could not be read and was removed.
    LeftoverDiscarded = "leftover_discarded" {
        /// Which output.
        output: &'a str,
        /// The file.
        path: &'a Path,
    }
        => warn!(
            event,
            output,
            path = %path.display(),
            "an earlier run left this file unfinished; nothing in it could be read, and it was removed"
        );

    /// Packets of an interface are in no file: they came faster than they could be written.
    PacketsDropped = "packets_dropped" {
        /// The interface.
        interface: &'a str,
        /// How many.
        packets: u64,
    }
        => warn!(
            event,
            interface,
            packets,
            "packets came faster than they could be written; write to a faster disk, or less with --snaplen"
        );
        show (Warning, format!("{interface}: {packets} packets are in no file"));

    /// A thread has given up what it does not need.
    Confined = "confined" {
        /// What, and what not.
        report: &'a Report,
    }
        => {
            let (thread, kept, missing) = (report.role.as_str(), report.kept.join(" "), report.missing());
            if missing.is_empty() {
                debug!(event, thread, kept, "confined");
            } else {
                info!(event, thread, kept, missing, "confined in part");
            }
        };

    /// All rights are kept.
    Unconfined = "unconfined"
        => warn!(
            event,
            "confine is off, which is for debugging alone: no rights are given up after the start"
        );

    /// Threads keep root's number.
    StaysRoot = "stays_root" {
        /// Why.
        reason: &'a str,
    }
        => info!(event, reason, "threads stay root's, with no more capabilities than they need");

    /// Whether another instance counts an interface cannot be seen as well as it should.
    Unlocked = "unlocked" {
        /// Why.
        reason: &'a str,
    }
        => info!(event, reason, "another instance on the same interfaces may go unseen");

    /// Whose the flows are cannot be found out, or not for all of them.
    Unowned = "unowned" {
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => warn!(event, error = *error, "owners of flows are not known");
        show (Warning, format!("owners of flows are not known: {error}"));

    /// A container runtime does not say what its containers are called.
    Unnamed = "unnamed" {
        /// Its socket.
        path: &'a Path,
        /// Why not.
        error: &'a (dyn std::error::Error + 'static),
    }
        => warn!(event, socket = %path.display(), error = *error, "names of containers are not known");

    /// Translated connections cannot be followed: this kernel has no table of them, or does not show it.
    Untranslated = "untranslated" {
        /// Why.
        error: &'a (dyn std::error::Error + 'static),
    }
        => info!(event, error = *error, "flows before and behind a translation of addresses are not joined");

    /// A recording is over, and all of it is written.
    Recorded = "recorded" {
        /// Its directory.
        directory: &'a Path,
        /// What was written.
        written: &'a str,
    }
        => info!(event, directory = %directory.display(), written, "recording complete");
        show (Info, format!("recording complete: {written}"));

    /// A signal ends the run.
    Stopping = "stopping" {
        /// Its name.
        signal: &'static str,
    }
        => info!(event, signal, "stopping");
        show (Info, format!("stopping on {signal}"));
}

#[cfg(test)]
mod tests;
