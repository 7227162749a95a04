//! What payload says: hellos, names and messages from the first bytes of a flow.
//!
//! [`Dpi`] takes payloads of all flows and gives [`Event`]s. It finds out what a flow speaks, puts its
//! bytes in order and hands them to the parser of that protocol; each parser is pure and stands alone.
//!
//! All that is read here was written by somebody else, perhaps to do harm: every parser works within
//! bounds of memory and time that do not depend on what it reads, and says by a typed error why it
//! could not.

pub mod dns;
mod event;
mod flow;
pub mod http;
pub mod http2;
pub mod inspector;
pub mod quic;
pub mod reassembly;
mod table;
#[cfg(test)]
mod tests;
pub mod tls;
mod understanding;

pub use event::{Event, Failure, Payload, Protocol, What};
pub use table::{Dpi, DpiConfig, DpiCounters};
pub use understanding::{Understanding, UnderstandingConfig};
