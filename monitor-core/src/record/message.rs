//! Records of messages above the transport.

use std::net::IpAddr;

use super::{Id, Identity, NamedIdentity, Text, Time};
use crate::{
    label::{DetectionKind, FanoutKind, FindingKind},
    schema::{record, words},
};

record! {
    record "tls"
    /// A TLS `ClientHello` over TCP, DTLS or QUIC, and what the server answered.
    TlsRecord {
        /// Time of the packet that completed the hello.
        time: Time;
        /// Transport, addresses and ports.
        identity: Identity;
        /// What carried the hello.
        carrier: Carrier;
        /// Server name indication; absent without the extension.
        server_name: Option<Text>;
        /// Application protocols offered.
        alpn: Vec<Text>;
        /// Whether the extension of an encrypted hello is there.
        ech: bool;
        /// Versions offered.
        versions: Vec<Text>;
        /// Groups offered.
        groups: Vec<Text>;
        /// Groups for which a key share was sent.
        key_shares: Vec<Text>;
        /// JA4 fingerprint of the client.
        ja4: Text;
        /// Version of QUIC.
        quic_version: Option<Text>;
        /// Version that the server chose.
        version: Option<Text>;
        /// Cipher suite that the server chose.
        cipher: Option<Text>;
        /// Group that the server chose.
        group: Option<Text>;
        /// Whether a session was resumed.
        resumed: Option<bool>;
        /// Whether the server asked for another hello.
        hello_retry: Option<bool>;
        /// Alert that ended the handshake.
        alert: Option<Text>;
        /// From the packet that completed the hello to the server's answer to it.
        answer_seconds: Option<f64>, Seconds;
    }
}

record! {
    record "dns"
    /// A DNS message, or one of mDNS or LLMNR.
    DnsRecord {
        /// Time of the packet that completed the message.
        time: Time;
        /// Transport, addresses and ports.
        identity: NamedIdentity;
        /// Which protocol.
        kind: DnsKind;
        /// Identifier of the message.
        id: u16;
        /// Whether it is a response.
        response: bool;
        /// Operation code.
        opcode: u8;
        /// Response code; absent in a query.
        rcode: Option<u16>;
        /// Whether it was cut to fit a datagram.
        truncated: bool;
        /// What is asked.
        questions: Vec<Question>;
        /// Records of the answer section.
        answers: Vec<Answer>;
        /// Records of the authority section.
        authority: Vec<Answer>;
        /// From the query to this response.
        latency_seconds: Option<f64>, Seconds;
        /// Whether this query was sent before and had no response yet.
        retransmission: bool;
    }
}

record! {
    part
    /// A question.
    Question {
        /// Name that is asked for; empty for the root.
        name: Text;
        /// Type by its IANA mnemonic, else the number.
        r#type: Text;
    }
}

record! {
    part
    /// A resource record.
    Answer {
        /// Name of the owner; empty for the root.
        name: Text;
        /// Type by its IANA mnemonic, else the number.
        r#type: Text;
        /// Time that it may be kept; absent where the message is cut before it.
        ttl: Option<u32>, Seconds;
        /// Its data in presentation form; absent where it is cut or malformed.
        data: Option<Text>;
    }
}

record! {
    record "http"
    /// A request or a response of HTTP/1.x; the response repeats the request's identity.
    HttpRecord {
        /// Time of the packet that completed the header.
        time: Time;
        /// Transport, addresses and ports.
        identity: Identity;
        /// Method of the request.
        method: Option<Text>;
        /// Host field as sent, port included; of an absolute URI its authority, of CONNECT its target.
        host: Option<Text>;
        /// Path, without the query string unless that is wanted.
        uri: Option<Text>;
        /// Status of the response.
        status: Option<u16>;
        /// Version of the protocol.
        version: Option<Text>;
        /// Media type of the body.
        content_type: Option<Text>;
        /// From the last byte of the request to the first of the response.
        response_seconds: Option<f64>, Seconds;
        /// Number of the request on its connection, from 1.
        request_index: Option<u32>;
        /// Whether the connection stays open.
        persistent: Option<bool>;
    }
}

record! {
    record "finding"
    /// Something in a flow that is a risk. It never holds the secret itself.
    FindingRecord {
        /// Time of the packet that showed it.
        time: Time;
        /// Transport, addresses and ports.
        identity: Identity;
        /// What was found.
        kind: FindingKind;
        /// What exactly: the protocol of the credentials, the version, the cipher, the name.
        detail: Text;
    }
}

record! {
    record "fanout"
    /// A source that reached unusually many hosts or ports within a window.
    FanoutRecord {
        /// When it passed the threshold.
        time: Time;
        /// Address of the source.
        source: IpAddr;
        /// What it reached many of.
        kind: FanoutKind;
        /// How many different ones, estimated beyond a few dozen.
        count: u64;
        /// Length of the window in which they are counted.
        window_seconds: f64, Seconds;
    }
}

record! {
    record "detection"
    /// Behaviour over many flows: one record when it is detected, without `until`, and one when it is over.
    DetectionRecord {
        /// When it was detected, or seen for the last time.
        time: Time;
        /// What.
        kind: DetectionKind;
        /// Which sort of it.
        detail: Text;
        /// Who does it; absent where many do.
        source_ip: Option<IpAddr>;
        /// To whom; absent where it is done to many.
        target_ip: Option<IpAddr>;
        /// On which port.
        target_port: Option<u16>;
        /// Under which name.
        name: Option<Text>;
        /// Begin of what was counted.
        since: Time;
        /// When it was seen for the last time; absent while it goes on.
        until: Option<Time>;
        /// How sure, from 0 to 1.
        score: f64;
        /// What was counted.
        counts: DetectionCounts;
        /// Number of the first flow that was counted.
        first_flow: Id;
        /// Number of the last one.
        last_flow: Id;
    }
}

record! {
    part
    /// What was counted for a detection; what does not apply is absent.
    #[derive(Default)]
    DetectionCounts {
        /// Flows or connections.
        flows: Option<u64>;
        /// Hosts: reached by the source, or reaching the target.
        hosts: Option<u64>;
        /// Ports of servers.
        ports: Option<u64>;
        /// Contacts that failed.
        failed: Option<u64>;
        /// Different names.
        names: Option<u64>;
        /// Packets or messages.
        packets: Option<u64>, Packets;
        /// Bytes.
        bytes: Option<u64>, Bytes;
        /// Bytes that are usual.
        usual_bytes: Option<u64>, Bytes;
        /// Median of the intervals.
        period_seconds: Option<f64>, Seconds;
        /// Median deviation of the intervals from it.
        jitter_seconds: Option<f64>, Seconds;
        /// Time in which it was counted.
        window_seconds: f64, Seconds;
    }
}

/// What carries a TLS hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A TCP stream.
    Tcp,
    /// Datagrams (RFC 9147).
    Dtls,
    /// CRYPTO frames (RFC 9001).
    Quic,
}

impl Carrier {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Dtls => "dtls",
            Self::Quic => "quic",
        }
    }
}

/// Which protocol a message in DNS form belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsKind {
    /// RFC 1035.
    Dns,
    /// RFC 6762.
    Mdns,
    /// RFC 4795.
    Llmnr,
}

impl DnsKind {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
        }
    }
}

words! { Carrier, DnsKind, FindingKind, FanoutKind, DetectionKind }
