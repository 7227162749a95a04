//! What the live page and the terminal show: one snapshot of the engine feeds both.

mod first;
mod history;
mod snapshot;

pub use history::History;
pub use snapshot::{
    Dns, DnsName, Domain, DomainKind, Flows, Happening, InterfaceIo, Io, Losses, MapRow, Quantiles, Service,
    Severity, Snapshot, Tcp,
};
