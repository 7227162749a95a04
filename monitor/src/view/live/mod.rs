//! What the live page and the terminal show: one snapshot of the engine feeds both.

mod flow;
mod history;
mod owners;
mod paths;
mod read;
mod shared;
mod snapshot;

pub use flow::{FlowEvent, Life, Timeline};
pub use history::{History, Range};
pub use owners::OwnerRow;
pub(crate) use shared::json;
pub use shared::{Query, Shared};
pub use snapshot::{
    Dns, DnsName, Domain, DomainKind, Flows, Host, InterfaceIo, Io, Losses, MapRow, Quantiles, Service,
    Snapshot, Tcp,
};

pub use crate::telemetry::{Happening, Severity};

#[cfg(test)]
mod tests;
