//! Flows: what a slot says, read again and again.

pub(crate) mod devices;
pub(crate) mod entry;
pub(crate) mod expiry;
pub(crate) mod group;
mod heaviest;
pub(crate) mod naming;
pub(crate) mod owner;
pub(crate) mod pressure;
pub(crate) mod rate;
pub(crate) mod reading;
pub(crate) mod record;
pub(crate) mod role;
pub(crate) mod silent;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod translation;
mod view;

pub use expiry::Timeouts;
pub use owner::{Claim, Socket};
pub use view::{End, Endpoint, FlowId, FlowView, NoFlowId, Rate, RoundTrip, Sent};
