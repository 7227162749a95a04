//! What payload says: hellos, names and messages from the first bytes of a flow.
//!
//! [`Dpi`] takes payloads of all flows and gives [`Event`]s. It finds out what a flow speaks, puts its
//! bytes in order and hands them to the parser of that protocol ([`parse`](crate::parse)).

mod event;
mod flow;
pub mod inspector;
mod table;
#[cfg(test)]
mod tests;
mod understanding;

pub use event::{Event, Failure, Payload, Protocol, What};
pub use table::{Dpi, DpiConfig, DpiCounters};
pub use understanding::{Understanding, UnderstandingConfig};
