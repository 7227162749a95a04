//! What protocols that are read have in common, and the list of them.

use std::fmt::Debug;

use monitor_common::abi::{Side, Transport};

use super::{context::Context, dns, hello, http};
use crate::{parse::http::Dialect, reassembly::GivenUp, record::DnsKind};

/// A protocol in one flow.
pub(super) trait Protocol: Debug + Send + Sync {
    /// Reads the sender's next bytes: of a stream as they lie there, or a datagram.
    fn read(&mut self, to: &mut Context<'_>, bytes: &[u8]) -> Step;

    /// Bytes of the sender are missing before the next ones, for good: they passed unseen, or too much waits
    /// behind them, which is then the reason.
    fn gap(&mut self, to: &mut Context<'_>, missing: u64, why: Option<GivenUp>);

    /// Whether nothing more that a side says is wanted.
    fn is_done(&self, side: Side) -> bool;

    /// Whether something is told when the flow falls silent.
    fn waits(&self) -> bool {
        false
    }

    /// Bytes of memory that it holds beyond itself.
    fn memory(&self) -> usize;

    /// The flow is over, or forgotten: tells what was not finished.
    fn close(&mut self, _to: &mut Context<'_>) {}
}

/// What became of bytes.
pub(super) enum Step {
    /// So many were read; the rest is too little to go on.
    Read(usize),
    /// So many were read; what follows is another protocol.
    Leave(usize),
}

/// Bytes with which something may begin.
pub(super) struct Opening<'a> {
    pub(super) transport: Transport,
    pub(super) bytes: &'a [u8],
    pub(super) sender: Side,
    /// Ports of sender and receiver.
    pub(super) ports: (u16, u16),
    /// Nothing else came before them in their direction, as far as it was seen.
    pub(super) first: bool,
    pub(super) dialect: Dialect,
}

/// Whether a protocol begins.
pub(super) enum Begins {
    No,
    /// There are too few bytes to tell.
    Unclear,
    Yes(Box<dyn Protocol>),
    /// A datagram with a message of DNS, which stands alone: nothing is to be kept of its flow.
    Message(DnsKind),
}

/// All protocols. The first that knows the bytes for its own has them.
const PROTOCOLS: [fn(&Opening<'_>) -> Begins; 6] =
    [hello::tls, hello::quic, hello::dtls, dns::begins, http::begins, http::begins_2];

/// Which protocol bytes begin.
pub(super) fn begin(opening: &Opening<'_>) -> Begins {
    let mut unclear = false;
    for begins in PROTOCOLS {
        match begins(opening) {
            Begins::No => {}
            Begins::Unclear => unclear = true,
            found => return found,
        }
    }
    if unclear { Begins::Unclear } else { Begins::No }
}
