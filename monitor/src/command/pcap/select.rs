//! What `--filter` lets through: flows, and with them their messages and packets.
//!
//! What a flow amounts to is known when it is over, its packets come before. A filter that asks for such
//! things is answered by reading twice: first for the flows that pass, then for what belongs to them.

use std::{collections::HashSet, path::PathBuf};

use monitor_common::{abi::IpVersion, wire::Packet};
use monitor_core::{
    engine::EngineConfig,
    filter::Filter,
    offline::Outcome,
    record::{AnyRecord, Id, Identity, Protocol},
};

use super::{
    CommandError,
    progress::Progress,
    read::{self, How},
};
use crate::sink::{OutputError, Sink, Tally};

/// What passes.
pub(super) enum Selection {
    /// Everything.
    All,
    /// What the filter says of addresses, ports and transport.
    Packets(Filter),
    /// These flows.
    Flows(Flows),
}

/// Flows by their numbers: each reading of the same files gives the same.
#[derive(Default)]
pub(super) struct Flows(HashSet<Id>);

/// The selection of a filter. Reads the files for it where it must.
pub(super) fn find(
    filter: Option<Filter>,
    paths: &[PathBuf],
    engine: &EngineConfig,
    progress: &mut Progress,
) -> Result<Selection, CommandError> {
    let Some(filter) = filter else { return Ok(Selection::All) };
    if filter.is_about_packets() {
        return Ok(Selection::Packets(filter));
    }
    if let Some(path) = once(paths) {
        return Err(CommandError::Once { path: path.clone() });
    }
    let mut flows = Flows::default();
    let mut outputs: [Box<dyn Sink + '_>; 1] = [Box::new(Collector { filter, flows: &mut flows })];
    let how = How {
        paths,
        strict: false,
        complain: false,
        selection: &Selection::All,
        page: false,
        local: &[],
        engine,
    };
    read::run(how, &mut outputs, progress)?;
    drop(outputs);
    Ok(Selection::Flows(flows))
}

/// A path that cannot be read twice.
pub(super) fn once(paths: &[PathBuf]) -> Option<&PathBuf> {
    paths.iter().find(|path| path.as_os_str() == "-" || !path.is_file() && path.exists())
}

impl Selection {
    /// Whether a record passes.
    pub(super) fn record(&self, record: &AnyRecord) -> bool {
        match self {
            Self::All => true,
            Self::Packets(filter) => record.identity().is_some_and(|identity| filter.matches(identity)),
            Self::Flows(flows) => record.identity().is_some_and(|identity| flows.0.contains(&identity.id)),
        }
    }

    /// Whether a packet passes.
    pub(super) fn packet(&self, outcome: Outcome, packet: &Packet) -> bool {
        match (self, outcome) {
            (Self::All, _) => true,
            (Self::Packets(filter), Outcome::Flow { .. } | Outcome::Overflow) => {
                filter.matches(&identity(packet))
            }
            (Self::Flows(flows), Outcome::Flow { id, .. }) => flows.0.contains(&id),
            _ => false,
        }
    }
}

/// A packet's ends, the sender as the client.
fn identity(packet: &Packet) -> Identity {
    let version = if packet.ip_version == 4 { IpVersion::V4 } else { IpVersion::V6 };
    Identity {
        id: Id::default(),
        transport: Protocol(packet.protocol),
        client_ip: packet.source.to_ip(version),
        client_port: packet.source_port,
        server_ip: packet.destination.to_ip(version),
        server_port: packet.destination_port,
        interface: None,
        owned: None,
    }
}

/// Takes the flows that pass.
struct Collector<'a> {
    filter: Filter,
    flows: &'a mut Flows,
}

impl Sink for Collector<'_> {
    fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        for record in records {
            if let AnyRecord::Flow(flow) = record
                && self.filter.matches(&**flow)
            {
                self.flows.0.insert(flow.identity.id);
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<(), OutputError> {
        Ok(())
    }
}
