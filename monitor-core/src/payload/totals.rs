//! What was met in payload, and what is held of it.

/// What was met in payload since the start, and what is held of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadTotals {
    /// Messages of DNS, mDNS and LLMNR.
    pub dns_messages: u64,
    /// Responses that nobody asked for, or that answer another question.
    pub dns_unsolicited: u64,
    /// Queries that got no response.
    pub dns_unanswered: u64,
    /// Requests and responses of HTTP.
    pub http_messages: u64,
    /// Holes in streams that were given up.
    pub gaps: u64,
    /// Conversations that are held.
    pub flows: u64,
    /// Bytes that they hold.
    pub bytes: u64,
    /// Those of them that wait in TCP streams to be read, or behind holes.
    pub waiting: u64,
    /// Conversations that were given up because there were too many.
    pub evicted_flows: u64,
    /// Conversations that were given up because all of them held too many bytes.
    pub evicted_bytes: u64,
    /// Those of them of which bytes waited in a TCP stream.
    pub budget_hits: u64,
    /// Names of addresses that are remembered.
    pub names: u64,
    /// Names that still counted and had to make room.
    pub names_evicted: u64,
}
