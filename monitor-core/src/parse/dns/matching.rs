//! Which response answers which query.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    net::IpAddr,
};

use foldhash::fast::RandomState;

use super::{Message, Question};
use crate::lru::Lru;

/// What a query and its response have in common beside the question (RFC 5452, 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// Who asks.
    pub client: IpAddr,
    /// Who is asked.
    pub server: IpAddr,
    /// Port of the client.
    pub client_port: u16,
    /// Port of the server.
    pub server_port: u16,
    /// IP protocol number of the transport.
    pub protocol: u8,
    /// Identifier of the messages.
    pub id: u16,
}

/// Bounds of a [`QueryTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchConfig {
    /// Queries that wait for their response at once; the oldest are taken for unanswered beyond that.
    pub queries: u32,
    /// Nanoseconds after which a query is taken for unanswered.
    pub timeout: u64,
}

impl Default for MatchConfig {
    fn default() -> Self {
        Self { queries: 16_384, timeout: 10_000_000_000 }
    }
}

/// What a response turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers the question that its client asked.
    Answer {
        /// Nanoseconds since the query.
        latency: u64,
    },
    /// It fits a query, but repeats no question by which it could be told to answer it: an error, or a
    /// query with none or several questions.
    Unnamed {
        /// Nanoseconds since the query.
        latency: u64,
    },
    /// The query was sent more than once, and a response to it came before: this is that to another copy.
    Again,
    /// It fits a query by addresses, ports and identifier, but answers another question: forged.
    OtherQuestion,
    /// No query waits for it: forged, late, repeated, or the query was not seen.
    Unsolicited,
}

impl Verdict {
    /// Nanoseconds from the query to this response.
    pub const fn latency(self) -> Option<u64> {
        match self {
            Self::Answer { latency } | Self::Unnamed { latency } => Some(latency),
            Self::Again | Self::OtherQuestion | Self::Unsolicited => None,
        }
    }

    /// Whether what it says may be believed as far as DNS can be: it was asked for.
    pub const fn names(self) -> bool {
        matches!(self, Self::Answer { .. })
    }
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    /// When it was first asked, flow clock.
    asked: u64,
    /// Hash of the question, with a seed of the process's own; `None`: not exactly one.
    question: Option<u64>,
    /// Copies of it to which no response has come.
    open: u16,
    /// A response has come to one of the copies.
    answered: bool,
}

/// Queries that wait for their responses.
#[derive(Debug)]
pub struct QueryTable {
    pending: Lru<Exchange, Pending>,
    timeout: u64,
    hasher: RandomState,
    unanswered: u64,
    /// Entries that wait for responses to further copies alone.
    answered: usize,
}

impl QueryTable {
    /// An empty table.
    pub fn new(config: MatchConfig) -> Self {
        Self {
            pending: Lru::new(config.queries),
            timeout: config.timeout,
            hasher: RandomState::default(),
            unanswered: 0,
            answered: 0,
        }
    }

    /// Notes a query. Returns whether it is a retransmission: the same question with the same identifier, ports and
    /// addresses as one that waits. Such a query counts from its first time.
    pub fn query(&mut self, exchange: Exchange, message: &Message<'_>, now: u64) -> bool {
        self.expire(now);
        let question = message.only_question().map(|question| self.hash(&question));
        if let Some(known) = self.pending.peek_mut(&exchange).filter(|known| known.question == question) {
            known.open = known.open.saturating_add(1);
            return true;
        }
        let pending = Pending { asked: now, question, open: 1, answered: false };
        if let Some((_, replaced)) = self.pending.insert(exchange, pending) {
            self.gone(replaced);
        }
        false
    }

    /// A query leaves the table.
    fn gone(&mut self, query: Pending) {
        self.unanswered += u64::from(!query.answered);
        self.answered -= usize::from(query.answered);
    }

    /// Finds the query of a response, which thereby is answered.
    pub fn response(&mut self, exchange: &Exchange, message: &Message<'_>, now: u64) -> Verdict {
        self.expire(now);
        let Some(query) = self.pending.peek(exchange).copied() else { return Verdict::Unsolicited };
        let latency = now.saturating_sub(query.asked);
        let verdict = match (query.question, message.only_question()) {
            (Some(asked), Some(answered)) if asked == self.hash(&answered) => Verdict::Answer { latency },
            (Some(_), Some(_)) => return Verdict::OtherQuestion,
            _ => Verdict::Unnamed { latency },
        };
        if query.open <= 1 {
            self.pending.remove(exchange);
            self.answered -= usize::from(query.answered);
        } else if let Some(known) = self.pending.peek_mut(exchange) {
            (known.open, known.answered) = (query.open - 1, true);
            self.answered += usize::from(!query.answered);
        }
        if query.answered { Verdict::Again } else { verdict }
    }

    /// Takes queries that waited too long for unanswered.
    pub fn expire(&mut self, now: u64) {
        while let Some((_, query)) =
            self.pending.oldest().filter(|(_, query)| now.saturating_sub(query.asked) > self.timeout)
        {
            let query = *query;
            self.pending.pop_oldest();
            self.gone(query);
        }
    }

    /// Queries so far that got no response in time, or that had to make room.
    pub const fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Queries that wait.
    pub fn waiting(&self) -> usize {
        self.pending.len().saturating_sub(self.answered)
    }

    fn hash(&self, question: &Question<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for label in question.name.labels() {
            // A label has at most 63 bytes.
            let mut lower = [0; 64];
            if let Some(lower) = lower.get_mut(..label.len()) {
                lower.copy_from_slice(label);
                lower.make_ascii_lowercase();
                lower.hash(&mut hasher);
            }
        }
        (question.kind, question.class).hash(&mut hasher);
        hasher.finish()
    }
}
