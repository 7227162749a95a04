//! The families whose keys traffic chooses, each declared once: its keys, how many counters a key has, and the
//! name under which its budget is set and shown.

use std::net::IpAddr;

use monitor_common::abi::{Direction, Transport};

use super::Io;
use crate::{
    label::Role,
    names::Name,
    record::{OwnerClass, Text},
    series::{Family, SeriesConfig},
};

/// A service: traffic with servers on one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceKey {
    /// TCP, UDP or SCTP.
    pub transport: Transport,
    /// Port of the server.
    pub port: u16,
    /// What this host is in it.
    pub role: Role,
}

/// The label of what has no series of its own.
pub const OTHER: &str = "other";

/// Traffic in one direction as the counters of a key of [`Families`].
pub const fn io_values(direction: Direction, io: Io) -> [u64; 4] {
    match direction {
        Direction::Receive => [io.bytes, 0, io.packets, 0],
        Direction::Transmit => [0, io.bytes, 0, io.packets],
    }
}

/// Makes all that has a part for each family.
macro_rules! families {
    ($($(#[doc = $doc:literal])+ $family:ident: $key:ty, $counters:literal = $name:literal;)+) => {
        /// The families whose keys traffic chooses; each flow counts once. Counters of a key are bytes
        /// received, bytes transmitted, packets received, packets transmitted: see [`io_values`].
        #[derive(Clone, Debug)]
        pub struct Families {
            $($(#[doc = $doc])+ pub $family: Family<$key, $counters>,)+
            /// What counts on no name: as [`Self::domains`].
            pub unresolved: [u64; 6],
        }

        /// Bounds of [`Families`].
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Budgets {
            $(
                #[doc = concat!("Of [`Families::", stringify!($family), "`].")]
                pub $family: SeriesConfig,
            )+
        }

        impl Budgets {
            /// The bounds of each family by its name.
            pub fn by_name(bounds: impl Fn(&str) -> SeriesConfig) -> Self {
                Self { $($family: bounds($name),)+ }
            }
        }

        impl Families {
            /// Names of the families, in settings and on the page.
            pub const NAMES: &[&str] = &[$($name),+];

            /// Empty families that begin now.
            pub(crate) fn new(budgets: &Budgets, now: u64) -> Self {
                Self { $($family: Family::new(budgets.$family, now),)+ unresolved: [0; 6] }
            }

            /// Other bounds from here on.
            pub(crate) fn reconfigure(&mut self, budgets: &Budgets, now: u64) {
                $(self.$family.reconfigure(budgets.$family, now);)+
            }

            /// A copy to write a page from, see [`Family::copied`].
            #[must_use]
            pub fn copied(&self, now: u64) -> Self {
                Self { $($family: self.$family.copied(now),)+ unresolved: self.unresolved }
            }

            /// Of each family its name, the time series that its keys hold, and how many additions went to `other`.
            pub fn uses(&self) -> Vec<(&'static str, u64, u64)> {
                vec![$(($name, self.$family.series(), self.$family.overflow())),+]
            }
        }
    };
}

/// Whose traffic counts under a key: of what kind the owner is, and its name, empty where it has none or is no process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnerKey {
    /// What kind of owner.
    pub class: OwnerClass,
    /// Its name.
    pub name: Text,
}

/// An owner and the registrable domain that it speaks with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnerDomainKey {
    /// The owner.
    pub owner: OwnerKey,
    /// The domain; empty: none is known.
    pub domain: Text,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerKey {
    /// What kind of owner; its name is the container's.
    pub owner: OwnerKey,
    /// Namespace of its pod.
    pub namespace: Text,
    /// Its pod.
    pub pod: Text,
    /// Its name in the pod.
    pub container: Text,
    /// Its image.
    pub image: Text,
}

families! {
    /// By service. Traffic of a server that has not answered goes to `other`.
    services: ServiceKey, 4 = "service_io";
    /// By address of the peer, if [`crate::engine::EngineConfig::peers`] says so.
    peers: IpAddr, 4 = "peer_io";
    /// By registrable domain (empty: the name has none) and source of the name: the counters of a key, and
    /// connections that the peer and that this host opened. What flows have gained and their names
    /// are still waited for is in none.
    domains: Name, 6 = "domain_io";
    /// By name and its source: bytes received and transmitted.
    names: Name, 2 = "name_io";
    /// By application: bytes received and transmitted.
    applications: Text, 2 = "application_io";
    /// How long TCP takes by registrable domain, empty for none: microseconds of handshakes, their number,
    /// microseconds to first responses, their number.
    latencies: Text, 4 = "domain_latency";
    /// By unit of the owner; each byte counts for one owner, see [`crate::record::Owned`].
    units: OwnerKey, 4 = "unit_io";
    /// By unit of the receiver, where both ends are on this host.
    unit_receivers: OwnerKey, 4 = "unit_received_io";
    /// By name of the owner's process.
    processes: OwnerKey, 4 = "process_io";
    /// By user of the owner.
    users: OwnerKey, 4 = "user_io";
    /// By container of the owner.
    containers: ContainerKey, 4 = "container_io";
    /// By unit of the owner and registrable domain of the server's name.
    unit_domains: OwnerDomainKey, 4 = "unit_domain_io";
    /// By container of the owner and registrable domain of the server's name.
    container_domains: OwnerDomainKey, 4 = "container_domain_io";
    /// TCP connection attempts by unit of whoever connects: established, and failed.
    unit_attempts: OwnerKey, 2 = "unit_attempts";
}
