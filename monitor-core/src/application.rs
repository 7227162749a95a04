//! Which protocol a flow speaks, by its first bytes.
//!
//! Only what nothing else writes by accident counts: what cannot be told for sure is left to the port. How each
//! is recognised says the list in [`recognise`].

mod recognise;

pub use recognise::{Sight, recognise};

use std::{collections::HashMap, sync::LazyLock};

use foldhash::fast::RandomState;

use crate::record::Carrier;

/// Applications by their words: asked for the service of each flow.
static BY_WORD: LazyLock<HashMap<&'static str, Application, RandomState>> =
    LazyLock::new(|| Application::ALL.iter().map(|known| (known.as_str(), *known)).collect());

/// Declares the applications with their words.
macro_rules! applications {
    ($($(#[$doc:meta])* $name:ident = $word:literal $([$($service:literal),+])?,)+) => {
        /// An application protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Application {
            $($(#[$doc])* $name,)+
        }

        impl Application {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The application that a registered service name means, where one of that name or of another is
            /// recognised by its bytes: one application is not to have two names.
            pub fn of_service(service: &str) -> Option<Self> {
                Some(match service {
                    $($($($service)|+ => Self::$name,)?)+
                    _ => return BY_WORD.get(service).copied(),
                })
            }

            /// The word in records and labels.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

applications! {
    /// TLS over TCP, whatever it carries.
    Tls = "tls",
    /// TLS over datagrams.
    Dtls = "dtls",
    /// QUIC, whatever it carries.
    Quic = "quic",
    /// HTTP/1.x in clear text.
    Http = "http",
    /// HTTP/2 in clear text.
    Http2 = "http2",
    /// The WebSocket protocol in clear text.
    WebSocket = "websocket",
    /// DNS.
    Dns = "dns" ["domain"],
    /// DNS over TLS: unreadable, but by port, protocol name and server recognised for what it is.
    Dot = "dot",
    /// DNS over HTTPS, likewise.
    Doh = "doh",
    /// DNS over QUIC, likewise.
    Doq = "doq",
    /// Multicast DNS.
    Mdns = "mdns",
    /// Link-local multicast name resolution.
    Llmnr = "llmnr",
    /// Secure shell.
    Ssh = "ssh",
    /// Mail transfer.
    Smtp = "smtp" ["submission"],
    /// Mail access.
    Imap = "imap",
    /// Mail retrieval.
    Pop3 = "pop3",
    /// File transfer, its control connection.
    Ftp = "ftp",
    /// Remote desktop.
    Rdp = "rdp" ["ms-wbt-server"],
    /// Remote framebuffer, known as VNC.
    Rfb = "rfb",
    /// The database's frontend protocol.
    Postgresql = "postgresql",
    /// The database's protocol, `MariaDB`'s too.
    Mysql = "mysql",
    /// The store's serialization protocol.
    Redis = "redis",
    /// Message queue of things.
    Mqtt = "mqtt",
    /// Message queue of enterprises.
    Amqp = "amqp",
    /// Time.
    Ntp = "ntp",
    /// Host configuration, of IPv4.
    Dhcp = "dhcp" ["bootps", "bootpc"],
    /// Peers of `BitTorrent`, and their distributed hash table.
    BitTorrent = "bittorrent",
    /// Session traversal.
    Stun = "stun",
    /// `WireGuard`.
    WireGuard = "wireguard",
    /// Session initiation.
    Sip = "sip",
    /// Streaming control.
    Rtsp = "rtsp",
    /// Windows' file sharing.
    Smb = "smb" ["microsoft-ds"],
    /// Discovery of `UPnP`.
    Ssdp = "ssdp",
    /// A header of the PROXY protocol with nothing known behind it.
    Proxy = "proxy-protocol",
    /// Apache Kafka's protocol.
    Kafka = "kafka",
    /// Oracle's Transparent Network Substrate.
    Oracle = "oracle" ["ttc"],
    /// The native protocol of Cassandra (CQL).
    Cassandra = "cassandra",
    /// The transport protocol between nodes of Elasticsearch.
    Elasticsearch = "elasticsearch",
    /// Lightweight directory access.
    Ldap = "ldap" ["msft-gc"],
    /// Microsoft SQL Server's Tabular Data Stream.
    Mssql = "mssql" ["ms-sql-s"],
    /// The database's wire protocol.
    Mongodb = "mongodb",
    /// The cache's text and binary protocols.
    Memcached = "memcached" ["memcache"],
    /// Distributed Relational Database Architecture, of DB2 and Derby.
    Drda = "drda",
    /// The messaging system's client protocol.
    Nats = "nats",
    /// Simple Text Oriented Messaging Protocol.
    Stomp = "stomp",
    /// `ActiveMQ`'s protocol.
    OpenWire = "openwire",
    /// MQTT for sensor networks.
    MqttSn = "mqtt-sn",
    /// Constrained Application Protocol.
    Coap = "coap",
    /// Job queue.
    Gearman = "gearman",
    /// Apache Thrift's binary protocol.
    Thrift = "thrift",
    /// Remote procedure calls in JSON.
    JsonRpc = "json-rpc",
    /// Object request brokers (GIOP).
    Corba = "corba" ["corba-iiop"],
    /// Remote method invocation of Java.
    Rmi = "rmi" ["rmiregistry"],
    /// DCE's and Microsoft's remote procedure calls.
    Dcerpc = "dcerpc" ["epmap"],
    /// Open network computing's remote procedure calls.
    SunRpc = "sunrpc",
    /// Network file system.
    Nfs = "nfs",
    /// Financial Information eXchange.
    Fix = "fix",
    /// Health Level 7 in its minimal framing.
    Hl7 = "hl7",
    /// Apache `JServ` Protocol.
    Ajp = "ajp",
    /// The gateway interface of web servers.
    FastCgi = "fastcgi",
    /// Real-time transport.
    Rtp = "rtp" ["avt-profile-1"],
    /// The control protocol of RTP.
    Rtcp = "rtcp" ["avt-profile-2"],
    /// MPEG transport streams in datagrams.
    MpegTs = "mpeg-ts",
    /// Real-time messaging, of Flash.
    Rtmp = "rtmp" ["macromedia-fcs"],
    /// Media gateway control.
    Mgcp = "mgcp" ["mgcp-gateway", "mgcp-callagent"],
    /// Media gateway control, H.248.
    Megaco = "megaco" ["megaco-h248", "h248-binary"],
    /// Call signalling of H.323.
    H323 = "h323" ["h323hostcall", "h323gatestat"],
    /// Skinny client control, of Cisco's telephones.
    Skinny = "skinny" ["cisco-sccp"],
    /// Inter-Asterisk exchange, version 2.
    Iax = "iax",
    /// Binary floor control.
    Bfcp = "bfcp",
    /// Voice chat.
    Mumble = "mumble",
    /// Short messages, peer to peer.
    Smpp = "smpp",
    /// `OpenVPN`.
    OpenVpn = "openvpn",
    /// Proxy of connections.
    Socks = "socks",
    /// Internet key exchange.
    Ike = "ike" ["isakmp"],
    /// Point-to-point tunnelling's control connection.
    Pptp = "pptp",
    /// Tailscale's path discovery.
    Tailscale = "tailscale",
    /// The mesh VPN.
    Tinc = "tinc",
    /// IPv6 through NATs.
    Teredo = "teredo",
    /// Encrypted queries to a resolver.
    Dnscrypt = "dnscrypt",
    /// Authenticated coarse time.
    Roughtime = "roughtime",
    /// Precise time (IEEE 1588).
    Ptp = "ptp" ["ptp-event", "ptp-general"],
    /// Authentication, authorization and accounting of network access.
    Radius = "radius" ["radius-acct", "radius-dynauth"],
    /// Its successor.
    Diameter = "diameter",
    /// Network management.
    Snmp = "snmp" ["snmptrap"],
    /// Network authentication.
    Kerberos = "kerberos",
    /// Border gateway protocol.
    Bgp = "bgp",
    /// Bidirectional forwarding detection.
    Bfd = "bfd" ["bfd-control", "bfd-echo", "bfd-multi-ctl", "bfd-lag"],
    /// Label distribution.
    Ldp = "ldp",
    /// Hot standby routers.
    Hsrp = "hsrp",
    /// Locator and identifier separation.
    Lisp = "lisp",
    /// Switches and their controller.
    OpenFlow = "openflow",
    /// Wireless access points and their controller.
    Capwap = "capwap" ["capwap-control", "capwap-data"],
    /// Tunnels of mobile networks.
    Gtp = "gtp" ["gtp-control", "gtp-user", "gprs-data"],
    /// Packet forwarding control of mobile networks.
    Pfcp = "pfcp",
    /// Port mappings of NATs.
    NatPmp = "nat-pmp",
    /// Host configuration, of IPv6.
    Dhcpv6 = "dhcpv6" ["dhcpv6-client", "dhcpv6-server"],
    /// Service location.
    Slp = "slp" ["svrloc"],
    /// Discovery of web services.
    WsDiscovery = "ws-discovery",
    /// Names of `NetBIOS`.
    NetbiosNs = "netbios-ns",
    /// Datagrams of `NetBIOS`.
    NetbiosDgm = "netbios-dgm",
    /// Sessions of `NetBIOS`.
    NetbiosSsn = "netbios-ssn",
    /// Log messages.
    Syslog = "syslog" ["syslog-conn"],
    /// Flow records of routers.
    NetFlow = "netflow",
    /// Flow records, as standardised.
    Ipfix = "ipfix",
    /// Samples of switches.
    SFlow = "sflow",
    /// Collected statistics.
    Collectd = "collectd",
    /// The monitoring system.
    Zabbix = "zabbix" ["zabbix-agent", "zabbix-trapper"],
    /// The monitoring system's node.
    Munin = "munin",
    /// The monitoring system's agent.
    Checkmk = "checkmk",
    /// The wireless detector's server.
    Kismet = "kismet",
    /// Remote management of machines that are off.
    Rmcp = "rmcp" ["asf-rmcp"],
    /// Modbus over TCP.
    Modbus = "modbus" ["mbap"],
    /// Distributed network protocol, of utilities.
    Dnp3 = "dnp3" ["dnp"],
    /// Telecontrol, IEC 60870-5-104.
    Iec104 = "iec-104",
    /// Metering, IEC 62056 (DLMS/COSEM).
    Iec62056 = "iec62056" ["dlms-cosem"],
    /// Building automation.
    Bacnet = "bacnet",
    /// Building automation, KNX.
    Knx = "knxnet-ip",
    /// OPC unified architecture.
    OpcUa = "opcua" ["opcua-tcp", "opcua-udp"],
    /// `EtherNet/IP`.
    EthernetIp = "ethernet-ip" ["ethernet-ip-2"],
    /// Common industrial protocol, its cyclic data.
    Cip = "cip",
    /// Siemens' controllers.
    S7 = "s7comm",
    /// Siemens' newer controllers.
    S7Plus = "s7comm-plus",
    /// Manufacturing messages, ISO 9506.
    Mms = "mms",
    /// Beckhoff's automation devices.
    Ads = "beckhoff-ads",
    /// Omron's controllers.
    Fins = "fins",
    /// HART over IP.
    HartIp = "hart-ip",
    /// High-speed LAN instruments.
    Hislip = "hislip",
    /// Synchrophasors, IEEE C37.118.
    Synchrophasor = "ieee-c37118",
    /// Middleware of vehicles.
    SomeIp = "someip",
    /// Real-time publish and subscribe, of DDS.
    Rtps = "rtps" ["rtps-discovery", "rtps-dd-ut", "rtps-dd-mt"],
    /// Messaging and presence.
    Xmpp = "xmpp" ["xmpp-client", "xmpp-server"],
    /// Internet relay chat.
    Irc = "irc" ["ircu"],
    /// News.
    Nntp = "nntp",
    /// Terminal.
    Telnet = "telnet",
    /// Remote shell.
    Rsh = "rsh" ["shell"],
    /// Data of file transfer: listings.
    FtpData = "ftp-data",
    /// Trivial file transfer.
    Tftp = "tftp",
    /// Version control.
    Git = "git",
    /// Synchronisation of files.
    Rsync = "rsync",
    /// Apple's file sharing.
    Afp = "afp" ["afpovertcp"],
    /// The Andrew file system's remote calls.
    Rx = "rx" ["afs3-fileserver", "afs3-callback", "afs3-prserver", "afs3-vlserver"],
    /// The cluster file system's network.
    Lustre = "lustre",
    /// Distributed storage.
    Ceph = "ceph",
    /// Search of libraries.
    Z3950 = "z3950" ["z39-50"],
    /// Displays of X.
    Xdmcp = "xdmcp",
    /// Citrix's remote desktop.
    Citrix = "citrix" ["ica"],
    /// Remote administration.
    Radmin = "radmin" ["radmin-port"],
    /// Remote support.
    Teamviewer = "teamviewer",
    /// Remote desktop.
    NoMachine = "nomachine",
    /// File sharing of the eDonkey network.
    Edonkey = "edonkey",
    /// File sharing.
    Gnutella = "gnutella" ["gnutella-svc", "gnutella-rtr"],
    /// Synchronisation of files between peers.
    Syncthing = "syncthing",
    /// The currency's peers.
    Bitcoin = "bitcoin",
    /// Discovery of Ethereum's peers.
    Ethereum = "ethereum",
    /// Monero's peers.
    Monero = "monero",
    /// Miners of currencies and their pool.
    Stratum = "stratum",
}

/// Resolvers that speak DNS over HTTPS under a name of their own: these names and all below them. A name
/// under which other pages are served too is not here.
const RESOLVERS: [&str; 16] = [
    "cloudflare-dns.com",
    "dns.adguard-dns.com",
    "dns.adguard.com",
    "dns.alidns.com",
    "dns.google",
    "dns.mullvad.net",
    "dns.nextdns.io",
    "dns.quad9.net",
    "dns.sb",
    "dns10.quad9.net",
    "dns11.quad9.net",
    "doh.cleanbrowsing.org",
    "doh.opendns.com",
    "doh.pub",
    "one.one.one.one",
    "unfiltered.adguard-dns.com",
];

/// Port of DNS over TLS (RFC 7858) and over QUIC (RFC 9250).
const DNS_OVER_TLS: u16 = 853;

impl Application {
    /// What a hello begins: DNS in it is known by the server's port, by the protocol's name (RFC 7301) or, over
    /// HTTPS, by the resolver's.
    pub fn of_hello(carrier: Carrier, name: &[u8], alpn: &[Box<[u8]>], port: u16) -> Self {
        let offers = |protocol: &[u8]| alpn.iter().any(|name| **name == *protocol);
        let resolver = || {
            RESOLVERS.iter().any(|known| {
                name.len().checked_sub(known.len()).is_some_and(|at| {
                    let (below, end) = name.split_at(at);
                    end.eq_ignore_ascii_case(known.as_bytes()) && (below.is_empty() || below.ends_with(b"."))
                })
            })
        };
        match carrier {
            Carrier::Tcp if port == DNS_OVER_TLS || offers(b"dot") => Self::Dot,
            Carrier::Quic if port == DNS_OVER_TLS || offers(b"doq") => Self::Doq,
            Carrier::Tcp | Carrier::Quic if (offers(b"h2") || offers(b"h3")) && resolver() => Self::Doh,
            Carrier::Tcp => Self::Tls,
            Carrier::Dtls => Self::Dtls,
            Carrier::Quic => Self::Quic,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_that_cannot_be_read_is_known_by_port_protocol_and_resolver() {
        let of = |carrier, name: &str, alpn: &[&str], port| {
            let alpn: Vec<Box<[u8]>> = alpn.iter().map(|name| name.as_bytes().into()).collect();
            Application::of_hello(carrier, name.as_bytes(), &alpn, port).as_str()
        };
        assert_eq!(of(Carrier::Tcp, "resolver.example", &[], 853), "dot");
        assert_eq!(of(Carrier::Tcp, "resolver.example", &["dot"], 443), "dot");
        assert_eq!(of(Carrier::Quic, "resolver.example", &["doq"], 853), "doq");
        assert_eq!(of(Carrier::Tcp, "DNS.google", &["h2", "http/1.1"], 443), "doh");
        assert_eq!(of(Carrier::Quic, "mozilla.cloudflare-dns.com", &["h3"], 443), "doh");
        assert_eq!(of(Carrier::Tcp, "notdns.google", &["h2"], 443), "tls");
        assert_eq!(of(Carrier::Quic, "www.example.org", &["h3"], 443), "quic");
        assert_eq!(of(Carrier::Dtls, "www.example.org", &[], 853), "dtls");
    }
}
