//! What names took in a span of time.

use std::net::IpAddr;

use monitor_common::abi::Transport;

use super::{ASKED, DOMAINS, EDGES, HOSTS, Marks, NAMES, OWNERS, SERVICES, Who};
use crate::{
    record::{End, OwnerClass, Text},
    top::{Top, Weighed},
};

/// What a key took: its weight is the bytes of both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes that this host received.
    pub received: u64,
    /// Bytes that this host transmitted.
    pub transmitted: u64,
    /// Flows that began.
    pub connections: u64,
}

impl Taken {
    /// All of some together.
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut sum, taken| {
            sum.merge(taken);
            sum
        })
    }

    /// Bytes of both directions.
    pub const fn bytes(self) -> u64 {
        self.received.wrapping_add(self.transmitted)
    }
}

impl Weighed for Taken {
    fn weight(&self) -> u64 {
        self.bytes()
    }

    fn merge(&mut self, other: Self) {
        self.received = self.received.wrapping_add(other.received);
        self.transmitted = self.transmitted.wrapping_add(other.transmitted);
        self.connections = self.connections.wrapping_add(other.connections);
    }
}

/// How often a name was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Queries.
    pub queries: u64,
    /// Responses with another code than 0.
    pub errors: u64,
}

impl Weighed for Asked {
    fn weight(&self) -> u64 {
        self.queries.max(self.errors)
    }

    fn merge(&mut self, other: Self) {
        self.queries += other.queries;
        self.errors += other.errors;
    }
}

/// Who began a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Client {
    /// This host, whatever its address.
    Host,
    /// Another.
    Address(IpAddr),
}

/// A service: transport and port of servers that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServicePort {
    /// TCP, UDP or SCTP.
    pub transport: Transport,
    /// Port of the server.
    pub port: u16,
}

/// Under what a flow counts.
#[derive(Clone, Copy, Debug)]
pub struct Edge<'a> {
    /// Who began it.
    pub client: Client,
    /// Registrable domain of the server's name, or the name if it has none.
    pub domain: Option<&'a Text>,
    /// Name of the server.
    pub name: Option<&'a Text>,
    /// Its service, once the server has answered.
    pub service: Option<ServicePort>,
    /// Its ends that are other hosts: one, both where it is forwarded, none where it stays within this one.
    pub hosts: [Option<IpAddr>; 2],
    /// Whose it is, where owners are asked for: of this host's own end, or of the client's.
    pub owner: Option<&'a End>,
}

/// Under what the flow map counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeKey {
    /// Who began the flow.
    pub client: Client,
    /// What kind of owner it has, where owners are asked for.
    pub owner: Option<OwnerClass>,
    /// Unit of that owner.
    pub unit: Option<Text>,
    /// Name of its process.
    pub process: Option<Text>,
    /// As in [`Edge`].
    pub domain: Option<Text>,
    /// As in [`Edge`].
    pub service: Option<ServicePort>,
}

impl EdgeKey {
    fn of(edge: &Edge<'_>) -> Self {
        let owner = edge.owner.and_then(|end| end.owner.as_deref());
        Self {
            client: edge.client,
            owner: edge.owner.map(|end| end.class),
            unit: owner.and_then(|owner| owner.unit.clone()),
            process: owner.and_then(|owner| owner.process.clone()),
            domain: edge.domain.cloned(),
            service: edge.service,
        }
    }
}

/// Sums of a span of time.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Begin, flow clock.
    pub(super) begin: u64,
    /// What was counted before it.
    pub(super) before: Marks,
    /// Without a name.
    pub unresolved: Taken,
    /// By domain.
    pub domains: Top<Text, Taken>,
    /// By domain and name: bytes.
    pub names: Top<(Text, Text), u64>,
    /// By service; the rest has servers that have not answered.
    pub services: Top<ServicePort, Taken>,
    /// By address of other hosts.
    pub hosts: Top<IpAddr, Taken>,
    /// By owner: every byte of every flow for one, whatever its transport.
    pub owners: Top<Who, Taken>,
    /// By client, owner, domain and service: bytes.
    pub edges: Top<EdgeKey, u64>,
    /// By name that was asked for.
    pub asked: Top<Text, Asked>,
}

impl Bucket {
    /// Nothing yet. It keeps `times` as much of everything as the bounds say.
    pub(super) fn new(begin: u64, before: Marks, times: usize) -> Self {
        Self {
            begin,
            before,
            unresolved: Taken::default(),
            domains: Top::new(DOMAINS * times),
            names: Top::new(NAMES * times),
            services: Top::new(SERVICES * times),
            hosts: Top::new(HOSTS * times),
            owners: Top::new(OWNERS * times),
            edges: Top::new(EDGES * times),
            asked: Top::new(ASKED * times),
        }
    }

    pub(super) fn named(&mut self, edge: Edge<'_>, taken: Taken) {
        match edge.domain {
            Some(domain) => self.domains.entry(domain.clone()).merge(taken),
            None => self.unresolved.merge(taken),
        }
        if let (Some(domain), Some(name)) = (edge.domain, edge.name) {
            *self.names.entry((domain.clone(), name.clone())) += taken.bytes();
        }
        match edge.service {
            Some(service) => self.services.entry(service).merge(taken),
            None => self.services.add_rest(taken),
        }
        for host in edge.hosts.into_iter().flatten() {
            self.hosts.entry(host).merge(taken);
        }
        if let Some(end) = edge.owner.filter(|_| taken.connections > 0) {
            // Its bytes are counted where each has its owner.
            let who = Who::of(end.class, end.owner.as_deref());
            self.owners.entry(who).connections += taken.connections;
        }
        *self.edges.entry(EdgeKey::of(&edge)) += taken.bytes();
    }

    pub(super) fn owned(&mut self, who: Who, taken: Taken) {
        self.owners.entry(who).merge(taken);
    }

    pub(super) fn asked(&mut self, name: &Text, query: bool, failed: bool) {
        let asked = self.asked.entry(name.clone());
        asked.queries += u64::from(query);
        asked.errors += u64::from(failed);
    }

    /// Takes what another has counted.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.unresolved.merge(other.unresolved);
        self.domains.absorb(&other.domains);
        self.names.absorb(&other.names);
        self.services.absorb(&other.services);
        self.hosts.absorb(&other.hosts);
        self.owners.absorb(&other.owners);
        self.edges.absorb(&other.edges);
        self.asked.absorb(&other.asked);
    }
}
