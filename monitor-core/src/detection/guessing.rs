//! Password guessing: many short sessions with a service where people log in, each much like the others.
//!
//! What is said in them is mostly encrypted, so their form must do: a try that failed is short, and one is as long
//! as the next, while sessions of people and programs that got in differ. Sessions at a fixed interval are checks of
//! health. HTTP says by itself that it refused (401).

use std::net::IpAddr;

use super::{
    Contact, GuessingConfig, Outcome, Sign,
    statistics::{mad, median},
};
use crate::{
    application::Application,
    label::DetectionKind,
    lru::Lru,
    record::{DetectionCounts, Id, Identity},
};

/// Sessions of a group that are remembered.
const SESSIONS: usize = 64;

/// Most bytes of payload that a server sends in one that failed: banners, key exchange, the refusal.
const BYTES_MAX: u64 = 16 * 1024;
/// Longest that one takes: several tries, each with a pause.
const SECONDS_MAX: u64 = 90;
/// Sources from which on one service is guessed at together, with three times the sessions.
const SOURCES: usize = 4;

/// A session.
#[derive(Clone, Copy, Debug)]
struct Session {
    start: u64,
    received: u32,
    source: IpAddr,
}

/// Sessions with one service, of one source or of all.
#[derive(Clone, Debug, Default)]
struct Group {
    sessions: Vec<Session>,
    /// Where the next one is put when there are [`SESSIONS`].
    next: usize,
    all: u64,
    since: u64,
    first: Id,
}

/// Who is guessed at, and by whom.
type Key = (Option<IpAddr>, IpAddr, u16);

#[derive(Debug)]
pub(super) struct Guesses {
    groups: Lru<Key, Group>,
    refused: Lru<Key, Group>,
    evicted: u64,
}

/// The service that people log in to.
fn service(contact: &Contact) -> Option<&'static str> {
    Some(match (contact.application, contact.port) {
        (Some(Application::Ssh), _) | (None, 22) => "ssh",
        (Some(Application::Rdp), _) | (None | Some(Application::Tls), 3389) => "rdp",
        (Some(Application::Ftp), _) | (None, 21) => "ftp",
        (Some(Application::Telnet), _) | (None, 23) => "telnet",
        (Some(Application::Smtp | Application::Tls), 465 | 587) => "smtp",
        (Some(Application::Imap), _) | (Some(Application::Tls), 993) => "imap",
        (Some(Application::Pop3), _) | (Some(Application::Tls), 995) => "pop3",
        (Some(Application::Rfb), _) => "vnc",
        (Some(Application::Mysql), _) => "mysql",
        (Some(Application::Postgresql), _) => "postgresql",
        (Some(Application::Mssql), _) => "mssql",
        (Some(Application::Redis), _) => "redis",
        (Some(Application::Mongodb), _) => "mongodb",
        (Some(Application::Ldap), _) => "ldap",
        (Some(Application::Smb), _) => "smb",
        _ => return None,
    })
}

impl Guesses {
    pub(super) fn new(max: u32) -> Self {
        Self { groups: Lru::new(max), refused: Lru::new(max / 4), evicted: 0 }
    }

    pub(super) fn numbers(&self) -> (u64, u64) {
        ((self.groups.len() + self.refused.len()) as u64, self.evicted)
    }

    /// A contact ended: perhaps a session.
    pub(super) fn contact(&mut self, contact: &Contact, config: &GuessingConfig, signs: &mut Vec<Sign>) {
        let Some(service) = service(contact) else { return };
        let short = contact.end.saturating_sub(contact.start) <= SECONDS_MAX * 1_000_000_000;
        let spoke = contact.sent.payload != 0 && contact.received.payload != 0;
        if contact.outcome != Outcome::Success || !short || !spoke || contact.received.payload > BYTES_MAX {
            return;
        }
        let session = Session {
            start: contact.start,
            received: contact.received.payload as u32,
            source: contact.client,
        };
        let threshold = config.sessions as usize;
        for (source, needed) in [(Some(contact.client), threshold), (None, threshold.saturating_mul(3))] {
            let key = (source, contact.server, contact.port);
            let Some(group) = note(&mut self.groups, &mut self.evicted, key, session, contact.id, config)
            else {
                continue;
            };
            let sources = group.sources();
            if threshold == 0 || group.recent(config) < needed.min(SESSIONS) || (group.all as usize) < needed
            {
                continue;
            }
            if (source.is_none() && sources < SOURCES) || !group.is_alike() || group.is_regular() {
                continue;
            }
            signs.push(group.sign(service, source, contact.server, contact.port, session.start, contact.id));
        }
    }

    /// A server of HTTP refused who asked.
    pub(super) fn refused(
        &mut self,
        identity: &Identity,
        time: u64,
        config: &GuessingConfig,
        signs: &mut Vec<Sign>,
    ) {
        let session = Session { start: time, received: 0, source: identity.client_ip };
        let key = (Some(identity.client_ip), identity.server_ip, identity.server_port);
        let Some(group) = note(&mut self.refused, &mut self.evicted, key, session, identity.id, config)
        else {
            return;
        };
        let threshold = config.sessions as usize;
        if threshold != 0
            && group.all as usize >= threshold
            && group.recent(config) >= threshold.min(SESSIONS)
        {
            signs.push(group.sign("http", key.0, key.1, key.2, time, identity.id));
        }
    }
}

/// Adds a session to its group, which begins anew when a window has passed without enough.
fn note<'a>(
    groups: &'a mut Lru<Key, Group>,
    evicted: &mut u64,
    key: Key,
    session: Session,
    id: Id,
    config: &GuessingConfig,
) -> Option<&'a mut Group> {
    if groups.peek(&key).is_none() && groups.insert(key, Group::default()).is_some() {
        *evicted += 1;
    }
    let group = groups.get(&key)?;
    let last = group.sessions.iter().map(|session| session.start).max().unwrap_or(0);
    if group.all == 0 || session.start.saturating_sub(last) > config.window {
        *group = Group { since: session.start, first: id, ..Group::default() };
    }
    group.all += 1;
    if group.sessions.len() < SESSIONS {
        group.sessions.push(session);
    } else if let Some(place) = group.sessions.get_mut(group.next) {
        *place = session;
        group.next = (group.next + 1) % SESSIONS;
    }
    Some(group)
}

impl Group {
    /// Sessions within a window of the last.
    fn recent(&self, config: &GuessingConfig) -> usize {
        let last = self.sessions.iter().map(|session| session.start).max().unwrap_or(0);
        self.sessions.iter().filter(|session| last - session.start <= config.window).count()
    }

    fn sources(&self) -> usize {
        let mut sources: Vec<IpAddr> = self.sessions.iter().map(|session| session.source).collect();
        sources.sort_unstable();
        sources.dedup();
        sources.len()
    }

    /// Whether the server's part of most is nearly the same.
    fn is_alike(&self) -> bool {
        let received: Vec<f64> = self.sessions.iter().map(|session| f64::from(session.received)).collect();
        let middle = median(&received);
        mad(&received, middle) <= middle * 0.15
    }

    /// Whether they come at an interval, as those of a program that looks whether the service is there.
    fn is_regular(&self) -> bool {
        let mut starts: Vec<u64> = self.sessions.iter().map(|session| session.start).collect();
        starts.sort_unstable();
        let gaps: Vec<f64> = starts.iter().zip(starts.iter().skip(1)).map(|(a, b)| (b - a) as f64).collect();
        let middle = median(&gaps);
        middle >= 1e9 && mad(&gaps, middle) <= middle * 0.05
    }

    fn sign(
        &self,
        detail: &'static str,
        source: Option<IpAddr>,
        target: IpAddr,
        port: u16,
        time: u64,
        last: Id,
    ) -> Sign {
        let received: Vec<f64> = self.sessions.iter().map(|session| f64::from(session.received)).collect();
        let middle = median(&received);
        let spread = if middle > 0.0 { mad(&received, middle) / middle } else { 0.0 };
        Sign {
            kind: DetectionKind::PasswordGuessing,
            detail,
            source,
            target: Some(target),
            port: Some(port),
            name: None,
            score: 1.0 - spread.min(1.0),
            counts: DetectionCounts {
                flows: Some(self.all),
                hosts: source.is_none().then(|| self.sources() as u64),
                window_seconds: time.saturating_sub(self.since) as f64 / 1e9,
                ..DetectionCounts::default()
            },
            since: self.since,
            time,
            first: self.first,
            last,
        }
    }
}
