//! Closed sets of label values: each an enum whose index addresses a column of the totals.

/// Declares an enum whose variants are label values, in index order.
macro_rules! label_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
        }

        impl $name {
            /// All, in index order.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Position in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The label value, and the value in records.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use label_enum;

label_enum! {
    /// What this host is in a flow.
    Role {
        /// It began the conversation.
        Client = "client",
        /// It was spoken to. Flows within the host (loopback) count here, as their server sees them.
        Server = "server",
        /// Neither end is an address of this host: routed, bridged or mirrored traffic.
        Forwarded = "forwarded",
    }
}

label_enum! {
    /// Where the peer is.
    Scope {
        /// In a network of this host, or in a range that is not routed on the internet.
        Local = "local",
        /// Anywhere else.
        Remote = "remote",
    }
}

label_enum! {
    /// What became of a packet at a hook.
    Outcome {
        /// Counted on a flow.
        Flow = "flow",
        /// No slot was free: counted in the coarse table and by traffic class.
        Overflow = "overflow",
        /// Carries no IP (ARP, LLDP, …).
        NotIp = "not_ip",
        /// A header is cut short or contradicts itself.
        Undecodable = "undecodable",
    }
}

label_enum! {
    /// Why a flow left the table, or why a record of it was written.
    EndReason {
        /// Both directions ended and the linger passed.
        Fin = "fin",
        /// A RST was seen and the linger passed.
        Rst = "rst",
        /// No packet for the idle timeout.
        Idle = "idle",
        /// It goes on; the export interval passed. Only in records.
        Active = "active",
        /// It made room for newer flows: the table was nearly full.
        Evicted = "evicted",
        /// The program ends.
        Shutdown = "shutdown",
    }
}

label_enum! {
    /// Which flows make room before their time while the table is short of it, the first to go first.
    LetGo {
        /// TCP connections that were closed by both sides or reset.
        Ended = "ended",
        /// Flows that nobody answered.
        Unanswered = "unanswered",
        /// UDP and other flows without connections, those that were silent longest first.
        Silent = "silent",
        /// TCP connections that were silent for the timeout of pressure.
        IdleTcp = "idle_tcp",
        /// Whatever was silent longest: all others together were not enough.
        Any = "any",
    }
}

/// Makes the set of TCP's counters.
macro_rules! tcp_counter {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $variant:ident, $unit:ident $(, $kind:ident $($metric:literal $help:literal)?)?;
    )+) => {
        label_enum! {
            /// What is counted of TCP segments (RFC 9293, RFC 3168); `syn` and `syn_ack` exclude each other.
            TcpCounter {
                $($(#[doc = $doc])+ $variant = stringify!($field),)+
            }
        }

        impl TcpCounter {
            /// Whether it counts segments with a flag of the header.
            pub fn is_flag(self) -> bool {
                const KINDS: [&str; TcpCounter::COUNT] = [$(concat!($(stringify!($kind))?)),+];
                KINDS[self.index()] == "flag"
            }
        }
    };
}

monitor_common::tcp_counters!(tcp_counter);

const _: () = assert!(TcpCounter::COUNT == monitor_common::abi::Counters::TCP);

label_enum! {
    /// State of a TCP connection, as it is seen from the middle.
    TcpState {
        /// A SYN without an answer yet.
        SynSent = "syn_sent",
        /// A SYN-ACK that is not yet acknowledged: half-open.
        SynReceived = "syn_received",
        /// A RST answered the SYN.
        Refused = "refused",
        /// Nothing completed the handshake in a minute.
        TimedOut = "timed_out",
        /// The handshake was completed.
        Established = "established",
        /// One side sent FIN.
        HalfClosed = "half_closed",
        /// Both sides sent FIN.
        Closed = "closed",
        /// A RST ended it.
        Reset = "reset",
        /// Its beginning was not seen.
        Midstream = "midstream",
    }
}

label_enum! {
    /// How a connection attempt (a fresh SYN) ended. Each attempt has exactly one result.
    AttemptResult {
        /// The handshake was completed.
        Established = "established",
        /// A RST answered the SYN.
        Refused = "refused",
        /// No answer completed the handshake within a minute after the last packet, or until the flow ended.
        TimedOut = "timed_out",
        /// A RST came after the SYN-ACK and before the handshake was complete, or the client gave up.
        Reset = "reset",
    }
}

label_enum! {
    /// How it is known who the client is; earlier ones win.
    ClientRule {
        /// It sent a SYN without ACK.
        Syn = "syn",
        /// It received a SYN-ACK.
        SynAck = "syn_ack",
        /// The other side has a listening socket on this host.
        Listener = "listener",
        /// Its port is ephemeral, the other's belongs to a known service.
        Port = "port",
        /// It sent the first packet that was seen.
        First = "first",
    }
}

label_enum! {
    /// A risk that traffic shows by itself.
    FindingKind {
        /// Somebody proved who they are without encryption: whoever listens can do so too.
        CleartextCredentials = "cleartext_credentials",
        /// SSL 3.0, TLS 1.0, TLS 1.1 or DTLS 1.0 was negotiated (RFC 8996).
        OldTls = "old_tls",
        /// A cipher suite was negotiated that is broken, for export, without encryption or anonymous.
        WeakCipher = "weak_cipher",
        /// The server's certificate had expired.
        CertificateExpired = "certificate_expired",
        /// The server's certificate was not valid yet.
        CertificateNotYetValid = "certificate_not_yet_valid",
        /// Issuer and subject of the server's certificate are the same.
        CertificateSelfSigned = "certificate_self_signed",
        /// The server's certificate has no name that the client asked for.
        CertificateNameMismatch = "certificate_name_mismatch",
    }
}

label_enum! {
    /// What a source reaches many of.
    FanoutKind {
        /// Addresses of servers.
        Hosts = "hosts",
        /// Port numbers of servers.
        Ports = "ports",
    }
}

label_enum! {
    /// Behaviour over many flows.
    DetectionKind {
        /// Contacts that mostly fail, of many hosts or ports.
        Scan = "scan",
        /// Sessions in which passwords are tried.
        PasswordGuessing = "password_guessing",
        /// Connections at intervals, as programs make them that wait for commands.
        Beacon = "beacon",
        /// Data inside a protocol that is there for something else.
        Tunnel = "tunnel",
        /// More packets than their receiver answers.
        Flood = "flood",
        /// More bytes sent than usual.
        Upload = "upload",
        /// The first contact with a domain.
        New = "new",
    }
}
