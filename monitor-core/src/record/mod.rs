//! Records: what is written about flows and messages, the same live and offline.
//!
//! Plain data; [`to_json`] makes a line of it. What is absent is left out.

mod json;
mod line;
mod message;
mod owner;
mod packet;
mod text;
mod time;

use std::net::IpAddr;
use std::sync::Arc;

use monitor_common::abi::{FlowKey, Side, Transport};
use monitor_common::wire::Tunnel;
use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use message::{
    Answer, Carrier, DetectionCounts, DetectionRecord, DnsKind, DnsRecord, FanoutRecord, FindingRecord,
    HttpRecord, Question, TlsRecord,
};
pub use owner::{End, Owned, Owner, OwnerClass, OwnerSource};
pub use packet::PacketRecord;
pub use text::{TEXT_MAX, Text, escape};
pub use time::Time;

use crate::label::{ClientRule, EndReason, TcpCounter, TcpState};
use crate::schema::{Field, Record, Type, Value, record, values, words};

values! {
    Time: Time;
    Text: Text, Id;
}

words! { ClientRule, EndReason, TcpState, Peer, NameSource, ApplicationSource }

/// The number of a flow: no other flow of a run has it. JSON shows it as a string, since its numbers lose bits
/// above 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Id(pub u64);

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

record! {
    inline
    /// Which flow, and who speaks in it with whom: stands in every record.
    Identity {
        /// Number of the flow, which no other of the run has; its messages and findings have the same.
        id: Id;
        /// Transport protocol: `tcp`, `udp`, `icmp`, `icmpv6`, `sctp`, else the IP protocol number.
        transport: Protocol;
        /// Address of the initiator.
        client_ip: IpAddr;
        /// Port of the initiator; 0 where the protocol has none.
        client_port: u16;
        /// Address of the side that was spoken to.
        server_ip: IpAddr;
        /// Port of the side that was spoken to; 0 where the protocol has none.
        server_port: u16;
        /// Interface that saw it; absent offline.
        interface: Option<Text>;
        /// Whose it is; absent offline.
        owned: Option<Arc<Owned>>;
    }
}

/// The same in a record that has an `id` of another kind: the flow's is `flow_id` there.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedIdentity(pub Identity);

impl NamedIdentity {
    const FIELDS: [Field; Identity::FIELD_LIST.len()] = {
        let mut fields = [Identity::FIELD_LIST[0]; Identity::FIELD_LIST.len()];
        fields.copy_from_slice(Identity::FIELD_LIST);
        fields[0].name = "flow_id";
        fields
    };
}

impl std::ops::Deref for NamedIdentity {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Value for NamedIdentity {
    const TYPE: Type = Type::Inline(&Self::FIELDS);

    fn emit<S: SerializeStruct>(&self, _: &'static str, to: &mut S) -> Result<(), S::Error> {
        let Identity { id, transport, client_ip, client_port, server_ip, server_port, interface, owned } =
            &self.0;
        id.emit("flow_id", to)?;
        transport.emit("transport", to)?;
        client_ip.emit("client_ip", to)?;
        client_port.emit("client_port", to)?;
        server_ip.emit("server_ip", to)?;
        server_port.emit("server_port", to)?;
        interface.emit("interface", to)?;
        owned.emit("owned", to)
    }
}

impl Identity {
    /// That of a flow of which `client` is the initiator. `interface`: empty for none.
    pub(crate) fn new(id: Id, key: &FlowKey, client: Side, interface: &str) -> Self {
        let end = |side| {
            let (address, port) = key.endpoint(side);
            (address.to_ip(key.version()), port)
        };
        let ((client_ip, client_port), (server_ip, server_port)) = (end(client), end(client.other()));
        Self {
            id,
            transport: Protocol(key.protocol),
            client_ip,
            client_port,
            server_ip,
            server_port,
            interface: (!interface.is_empty()).then(|| Text::from(interface)),
            owned: None,
        }
    }
}

record! {
    record "flow"
    /// A flow, or what it did since its last record.
    FlowRecord {
        /// Time of the first packet.
        start: Time;
        /// Time of the last packet.
        end: Time;
        /// Transport, addresses and ports.
        identity: Identity;
        /// How it is known who the client is.
        client_rule: ClientRule;
        /// VLAN identifiers of the first packet, outermost first.
        vlans: Vlans;
        /// Outermost encapsulation.
        tunnel: Option<Tunnel>;
        /// What the client sent.
        sent: Traffic;
        /// What the server sent.
        received: Traffic;
        /// State of the TCP connection.
        state: Option<TcpState>;
        /// Who sent the first FIN or RST.
        closed_by: Option<Peer>;
        /// From the SYN to the ACK that completes the handshake.
        handshake_seconds: Option<f64>, Seconds;
        /// Round trips by the side that acknowledged.
        rtt_seconds: BySide<RoundTrip>, Seconds;
        /// From the last byte of the first request to the first byte of the response; absent when the
        /// server speaks first.
        first_response_seconds: Option<f64>, Seconds;
        /// Maximum segment size option by the side that sent it.
        mss: BySide<u16>, Bytes;
        /// Window scale option (a shift) by the side that sent it.
        window_scale: BySide<u8>;
        /// Time to live or hop limit of the first packet by the side that sent it.
        ttl: BySide<u8>;
        /// Number of its first frame in its capture file, from 1, as Wireshark numbers it; absent live.
        first_frame: Option<u64>;
        /// Number of its last frame in its capture file; absent live.
        last_frame: Option<u64>;
        /// Capture file of the first frame, where several are read together.
        first_file: Option<Text>;
        /// Capture file of the last frame, where several are read together.
        last_file: Option<Text>;
        /// Why the record was written.
        end_reason: Option<EndReason>;
        /// Name of the server as the client asked for it.
        name: Option<Text>;
        /// Where the name comes from.
        name_source: Option<NameSource>;
        /// Registrable domain of the name (Public Suffix List).
        domain: Option<Text>;
        /// Application protocol.
        application: Option<Text>;
        /// How the application is known.
        application_source: Option<ApplicationSource>;
        /// Address of the client in whose name a proxy opened the connection, by its PROXY protocol header.
        proxied_client_ip: Option<IpAddr>;
        /// Its port.
        proxied_client_port: Option<u16>;
    }
}

record! {
    part
    /// What one side of a flow sent.
    #[derive(Default)]
    Traffic {
        /// Packets on the wire.
        packets: u64, Packets;
        /// Bytes on the wire, from the link layer on.
        bytes: u64, Bytes;
        /// Bytes of the IP packets, headers included.
        ip_bytes: u64, Bytes;
        /// TCP or UDP payload.
        payload_bytes: u64, Bytes;
        /// IP fragments.
        fragments: u64, Packets;
        /// What only TCP has.
        tcp: Option<TcpTraffic>;
    }
}

/// Makes the fields of TCP's counters.
macro_rules! tcp_traffic {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $variant:ident, $unit:ident $(, $kind:ident $($metric:literal $help:literal)?)?;
    )+) => {
        record! {
            inline
            /// TCP segments of one side by what they carried or meant.
            #[derive(Default)]
            TcpTraffic {
                $($(#[doc = $doc])+ $field: u64, $unit;)+
            }
        }

        impl TcpTraffic {
            /// With the number of each counter.
            pub(crate) fn of(number: impl Fn(TcpCounter) -> u64) -> Self {
                Self { $($field: number(TcpCounter::$variant),)+ }
            }

            /// The number of a counter.
            pub const fn get(&self, counter: TcpCounter) -> u64 {
                match counter {
                    $(TcpCounter::$variant => self.$field,)+
                }
            }

            /// Adds those of another.
            pub const fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
            }
        }
    };
}

monitor_common::tcp_counters!(tcp_traffic);

record! {
    part
    /// Round trips of a flow's data.
    #[derive(Copy)]
    RoundTrip {
        /// Shortest.
        min: f64, Seconds;
        /// Mean.
        mean: f64, Seconds;
        /// Longest.
        max: f64, Seconds;
        /// Number of them.
        samples: u32;
    }
}

/// A value of each side, where it is known; absent when neither is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BySide<T> {
    /// The client's.
    pub client: Option<T>,
    /// The server's.
    pub server: Option<T>,
}

/// Schema of a value by side.
const fn by_side(kind: Type) -> [Field; 2] {
    let field =
        Field { name: "client", kind, unit: crate::schema::Unit::None, optional: true, doc: "The client's." };
    [field, Field { name: "server", doc: "The server's.", ..field }]
}

impl<T: Value + Serialize> Value for BySide<T> {
    const TYPE: Type = Type::Record(const { &by_side(T::TYPE) });
    const OPTIONAL: bool = true;

    fn emit<S: SerializeStruct>(&self, name: &'static str, to: &mut S) -> Result<(), S::Error> {
        if self.client.is_none() && self.server.is_none() {
            to.skip_field(name)
        } else {
            to.serialize_field(name, self)
        }
    }
}

impl<T: Value + Serialize> Serialize for BySide<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut to = serializer.serialize_struct("BySide", 2)?;
        self.client.emit("client", &mut to)?;
        self.server.emit("server", &mut to)?;
        to.end()
    }
}

/// An IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol(pub u8);

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Transport::from_protocol(self.0) {
            Transport::Other => self.0.fmt(f),
            known => f.pad(known.as_str()),
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Transport::from_protocol(self.0) {
            Transport::Other => serializer.collect_str(&self.0),
            known => serializer.serialize_str(known.as_str()),
        }
    }
}

values! { Word: Protocol; }

/// VLAN identifiers (12 bits), outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vlans(pub Vec<u16>);

impl Value for Vlans {
    const TYPE: Type = Type::List(&Type::Integer);
    const OPTIONAL: bool = true;

    fn emit<S: SerializeStruct>(&self, name: &'static str, to: &mut S) -> Result<(), S::Error> {
        if self.0.is_empty() { to.skip_field(name) } else { to.serialize_field(name, &self.0) }
    }
}

impl Value for Tunnel {
    const TYPE: Type = Type::Word;

    fn emit<S: SerializeStruct>(&self, name: &'static str, to: &mut S) -> Result<(), S::Error> {
        to.serialize_field(name, tunnel_name(*self))
    }
}

/// The word for an encapsulation.
pub const fn tunnel_name(tunnel: Tunnel) -> &'static str {
    match tunnel {
        Tunnel::Vxlan => "vxlan",
        Tunnel::Geneve => "geneve",
        Tunnel::Gre => "gre",
        Tunnel::Erspan => "erspan",
        Tunnel::Ipip => "ipip",
        Tunnel::Ipv6 => "ipv6",
        Tunnel::GreUdp => "gre_udp",
        Tunnel::MplsUdp => "mpls_udp",
        Tunnel::Teredo => "teredo",
        Tunnel::GtpU => "gtp_u",
        Tunnel::Mpls => "mpls",
        Tunnel::Pppoe => "pppoe",
        Tunnel::Pbb => "pbb",
        Tunnel::VnTag => "vn_tag",
        Tunnel::CiscoSgt => "cisco_sgt",
        Tunnel::L2tp => "l2tp",
        Tunnel::Srv6 => "srv6",
        Tunnel::EtherIp => "etherip",
        Tunnel::FabricPath => "fabricpath",
        Tunnel::Macsec => "macsec",
        Tunnel::Nsh => "nsh",
        Tunnel::PimRegister => "pim_register",
        Tunnel::Lisp => "lisp",
    }
}

/// One of the two ends of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The initiator.
    Client,
    /// The other.
    Server,
}

impl Peer {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// Where the name of a flow comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameSource {
    /// Server name indication of a TLS hello (RFC 6066, 3).
    Sni,
    /// The same of a hello within QUIC.
    Quic,
    /// Host field of an HTTP request.
    Http,
    /// A DNS answer that gave the server's address.
    Dns,
    /// The server's certificate.
    Certificate,
    /// Public name of an encrypted hello: the true name is hidden.
    Ech,
    /// That of another connection of QUIC with the same server, which fell silent when this flow began: likely it
    /// moved to other addresses.
    Migration,
}

impl NameSource {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sni => "sni",
            Self::Quic => "quic",
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Certificate => "certificate",
            Self::Ech => "ech",
            Self::Migration => "migration",
        }
    }
}

/// How the application of a flow is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplicationSource {
    /// Its bytes were understood.
    Wire,
    /// By the server's port alone.
    Port,
    /// The configuration says so.
    Config,
}

impl ApplicationSource {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Port => "port",
            Self::Config => "config",
        }
    }
}

/// Declares [`AnyRecord`], and with it every kind of record.
macro_rules! any_record {
    ($($(#[$doc:meta])* $kind:ident($record:ident);)+) => {
        /// A record of any kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum AnyRecord {
            $($(#[$doc])* $kind(Box<$record>),)+
        }

        /// Every kind of record with its fields.
        pub const RECORDS: &[(&str, &[Field])] = &[$(($record::KIND, $record::FIELDS),)+];

        impl AnyRecord {
            /// Its kind, as in the field `record`.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $record::KIND,)+
                }
            }
        }

        impl Serialize for AnyRecord {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$kind(record) => record.serialize(serializer),)+
                }
            }
        }
    };
}

any_record! {
    /// A flow.
    Flow(FlowRecord);
    /// A hello of TLS.
    Tls(TlsRecord);
    /// A DNS message.
    Dns(DnsRecord);
    /// A request or response of HTTP.
    Http(HttpRecord);
    /// A risk in a flow.
    Finding(FindingRecord);
    /// A source that reaches unusually many hosts or ports.
    Fanout(FanoutRecord);
    /// Behaviour over many flows.
    Detection(DetectionRecord);
}

impl AnyRecord {
    /// Who speaks with whom; `None` for what is no flow's.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Flow(record) => Some(&record.identity),
            Self::Tls(record) => Some(&record.identity),
            Self::Dns(record) => Some(&record.identity),
            Self::Http(record) => Some(&record.identity),
            Self::Finding(record) => Some(&record.identity),
            Self::Fanout(_) | Self::Detection(_) => None,
        }
    }

    /// When it was complete; of a flow, when it began.
    pub fn time(&self) -> Time {
        match self {
            Self::Flow(record) => record.start,
            Self::Tls(record) => record.time,
            Self::Dns(record) => record.time,
            Self::Http(record) => record.time,
            Self::Finding(record) => record.time,
            Self::Fanout(record) => record.time,
            Self::Detection(record) => record.time,
        }
    }

    /// Appends it as one line of JSON; see [`to_json`].
    ///
    /// # Errors
    /// As for [`to_json`].
    pub fn to_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        to_json(self, out)
    }
}

/// Appends the record as one line of JSON (RFC 8259), with its newline.
///
/// # Errors
/// None that a record of this crate can cause; on an error of `serde_json` the line is taken back.
pub fn to_json<R: Serialize>(record: &R, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let begin = out.len();
    let written = record.serialize(json::Json(out));
    if written.is_ok() {
        out.push(b'\n');
    } else {
        out.truncate(begin);
    }
    written
}

#[cfg(test)]
pub(crate) mod tests;
