//! Every setting, once: its name, type, default, help and what a reload can do with it.
//!
//! The name is the key in the file (`[web] telemetry-path`), the flag (`--web.telemetry-path`) and,
//! in capitals with `_`, the variable (`WEIR_WEB_TELEMETRY_PATH`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::ConfigError;
use super::layers::{Effective, Layers};
use super::outputs::Outputs;
use super::types::{
    Except, ExternalUrl, Ingress, ListenAddress, LogFormat, LogLevel, Name, NamedPort, Pattern, Protocol,
    RoutePrefix, UrlPath,
};
use super::value::{Number, Period, Shape, Value};

/// What SIGHUP does with a setting that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It holds from then on.
    Live,
    /// It waits for the next start.
    Restart,
}

/// What is known of a setting before it has a value.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// What it means, for `--help` and `weir config`.
    pub help: &'static str,
    /// What stands for its value in help.
    pub value_name: &'static str,
    /// Its default, as a text.
    pub default: &'static str,
    /// How it is written.
    pub shape: Shape,
    /// What a reload can do with it.
    pub reload: Reload,
}

impl Setting {
    /// The name of its environment variable.
    pub fn variable(&self) -> String {
        variable(self.key)
    }

    /// The setting of that name.
    pub fn named(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|s| s.key == key)
    }
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    let upper = key.to_ascii_uppercase().replace(['.', '-'], "_");
    format!("WEIR_{upper}")
}

macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty = $key:literal, $value_name:literal, $default:literal, $reload:ident;
    )+) => {
        /// The whole configuration, validated.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        /// Every setting, in the order of help and of `weir config`.
        pub static SETTINGS: &[Setting] = &[$(
            Setting {
                key: $key,
                help: concat!($($doc),+).trim_ascii(),
                value_name: $value_name,
                default: $default,
                shape: <$type as Value>::SHAPE,
                reload: Reload::$reload,
            },
        )+];

        /// Where the setting of a field stands in [`SETTINGS`].
        #[expect(non_camel_case_types, reason = "the variants are the names of the fields")]
        enum Index { $($field,)+ }

        impl Config {
            /// Reads each setting from the highest layer that has it.
            pub(super) fn read(layers: &Layers) -> Result<(Self, Vec<Effective>), ConfigError> {
                let mut effective = Vec::with_capacity(SETTINGS.len());
                let config = Self {
                    $($field: layers.resolve::<$type>(&SETTINGS[Index::$field as usize], &mut effective)?,)+
                };
                Ok((config, effective))
            }

            /// Puts the old value back wherever a change waits for a restart, and names those.
            pub fn keep_fixed(&mut self, running: &Self) -> Vec<&'static str> {
                let mut waiting = Vec::new();
                $(
                    if SETTINGS[Index::$field as usize].reload == Reload::Restart
                        && self.$field != running.$field
                    {
                        self.$field = running.$field.clone();
                        waiting.push($key);
                    }
                )+
                waiting
            }
        }
    };
}

/// A timeout: a second to a week.
type Timeout = Period<1_000, 604_800_000>;

settings! {
    /// Interfaces to watch: names, globs or `any`; without one, those with a default route; where there is none, all that are up and not loopback.
    interface: Vec<Pattern> = "interface", "NAME,…", "", Live;
    /// Interfaces to leave out, even if `interface` names them.
    exclude: Vec<Pattern> = "exclude", "NAME,…", "", Live;
    /// Interfaces that lead outwards: of forwarded flows what leaves by them is out, what comes in by them is in, also where another interface saw the flow first; without one, those with a default route; where there is none, addresses decide.
    wan: Vec<Pattern> = "wan", "NAME,…", "", Live;
    /// Where packets that come in are counted: `tc`, `xdp` (before the kernel's network stack) or `xdp-generic` (slow, for tests).
    ingress: Ingress = "ingress", "HOOK", "tc", Restart;
    /// Count packets of other hosts too: for mirror ports.
    promiscuous: bool = "promiscuous", "BOOL", "false", Restart;
    /// Flows that the kernel table holds; what does not fit is counted as overflow.
    max_flows: Number<16, 16_777_216> = "max-flows", "N", "131072", Restart;
    /// Keep programs and tables in this directory of a BPF file system, such as `/sys/fs/bpf/weir`: they count on while no instance runs, and the next one continues from there; `weir unpin` ends it. Takes 640 bytes a flow and 8 MiB more.
    pin: Option<PathBuf> = "pin", "DIR", "", Restart;
    /// Pins of another version, or of other settings, are ended and counting starts again, where they would be refused: event `pins_replaced`. For upgrades that nobody watches; it must stand beside `pin`.
    pin_replace: bool = "pin-replace", "BOOL", "false", Restart;
    /// Time between two readings of the kernel table.
    drain_interval: Period<100, 60_000> = "drain-interval", "TIME", "1s", Live;

    /// An open TCP connection without packets ends after this: by default later than keep-alives come (RFC 5382, REQ-5). One that continues after it is the same connection, `timeout.pressure` holds where the table is short of room, and attempts without answer or half-closed connections end after 5 minutes at most.
    timeout_tcp: Timeout = "timeout.tcp", "TIME", "2h4m", Live;
    /// A UDP flow without packets ends after this.
    timeout_udp: Timeout = "timeout.udp", "TIME", "1m", Live;
    /// Any other flow without packets ends after this.
    timeout_other: Timeout = "timeout.other", "TIME", "30s", Live;
    /// Write a record of a continuing flow this often, where records are written.
    timeout_active: Timeout = "timeout.active", "TIME", "1m", Live;
    /// A TCP flow closed by both sides stays this long, for late segments.
    timeout_fin: Timeout = "timeout.fin", "TIME", "5s", Live;
    /// A TCP flow that was reset stays this long.
    timeout_rst: Timeout = "timeout.rst", "TIME", "2s", Live;
    /// A TCP connection without packets ends after this while the table is short of room.
    timeout_pressure: Timeout = "timeout.pressure", "TIME", "30s", Live;

    /// Time series of each family whose keys traffic chooses, two to six a key; the rest is summed as `other`.
    series_max: Number<1, 1_000_000> = "series.max", "N", "400", Live;
    /// New time series an hour and family; what comes beyond counts under `other`.
    series_new_per_hour: Number<1, 10_000_000> = "series.new-per-hour", "N", "2000", Live;
    /// A key without traffic for this long gives way to a new one when all series are taken.
    series_idle: Timeout = "series.idle", "TIME", "10m", Live;
    /// `series.max` of single families: `service_io`, `peer_io`, `domain_io`, `name_io`, `application_io`, `domain_latency`, `unit_io`, `unit_received_io`, `process_io`, `user_io`, `container_io`, `unit_domain_io`, `container_domain_io`, `unit_attempts`.
    series_family: BTreeMap<Name, Number<1, 1_000_000>> = "series.family", "FAMILY=N,…", "", Live;
    /// How long a new series is 0, so that `rate()` sees its first increment: two scrape intervals.
    series_zero_for: Period<0, 3_600_000> = "series.zero-for", "TIME", "30s", Live;
    /// Whether OpenMetrics says when each of these series began (`_created`). Prometheus stores it as one more series each.
    series_created: bool = "series.created", "BOOL", "false", Live;
    /// Count bytes by the address of the peer (`weir_peer_io_bytes_total`).
    peers: bool = "peers", "BOOL", "false", Live;
    /// Names of services by port, over IANA's: `8443` of every transport, or `8443/tcp`.
    services: BTreeMap<NamedPort, String> = "services", "PORT=NAME,…", "", Live;
    /// Protocols of your own that look like a known one: in the file a table each, such as `[protocols.htcpcp]` with `like = "http"` (any method makes a request) and `ports = [5030]`; elsewhere `htcpcp=like=http;ports=5030+5031`.
    protocols: BTreeMap<Name, Protocol> = "protocols", "NAME=PROTOCOL,…", "", Live;
    /// Names that hellos show in place of an encrypted one, beside those that DNS tells.
    public_names: Vec<String> = "public-names", "NAME,…", "cloudflare-ech.com", Live;

    /// Find out whose the flows are: process, user, unit, container. Needs control groups of version 2.
    owners_enabled: bool = "owners.enabled", "BOOL", "true", Restart;
    /// Join what is seen before and behind this host's translation of addresses (SNAT, DNAT) by the kernel's table of connections: a container's flow counts once, with its owner.
    owners_conntrack: bool = "owners.conntrack", "BOOL", "true", Restart;
    /// Directory of the kubelet's logs: names in its `pods` and `containers` say which pod and container a process is in.
    owners_pod_logs: Option<PathBuf> = "owners.pod-logs", "DIR", "/var/log", Restart;
    /// Unix sockets of container runtimes with Docker's API (podman's too) that are asked for names, images and Compose services of containers. Such a socket is as good as root: it is connected at the start, and asked nothing after.
    owners_runtimes: Vec<PathBuf> = "owners.runtimes", "SOCKET,…", "", Restart;
    /// Count by unit of systemd (`weir_unit_io_bytes_total`), connection attempts too.
    owners_units: bool = "owners.units", "BOOL", "true", Live;
    /// Count by name of the process (`weir_process_io_bytes_total`).
    owners_processes: bool = "owners.processes", "BOOL", "true", Live;
    /// Count by user (`weir_user_io_bytes_total`).
    owners_users: bool = "owners.users", "BOOL", "false", Live;
    /// Count by container (`weir_container_io_bytes_total`).
    owners_containers: bool = "owners.containers", "BOOL", "false", Live;
    /// Count by unit and registrable domain (`weir_unit_domain_io_bytes_total`).
    owners_unit_domains: bool = "owners.unit-domains", "BOOL", "false", Live;
    /// Count by container and registrable domain (`weir_container_domain_io_bytes_total`).
    owners_container_domains: bool = "owners.container-domains", "BOOL", "false", Live;

    /// Time in which a source is watched for how many hosts or ports it reaches.
    fanout_window: Timeout = "fanout.window", "TIME", "1m", Live;
    /// Report a source once it reaches this many servers within the window; 0: never.
    fanout_hosts: Number<0, 1_000_000> = "fanout.hosts", "N", "256", Live;
    /// Report a source once it reaches this many ports of servers within the window; 0: never.
    fanout_ports: Number<0, 65_535> = "fanout.ports", "N", "128", Live;
    /// Sources that are watched at once, about 2 KiB each at most; the least recently active give way.
    fanout_max_sources: Number<16, 1_000_000> = "fanout.max-sources", "N", "4096", Live;

    /// Whether behaviour over many flows is looked for: scans, password guessing, beacons, tunnels, floods, uploads.
    detection_enabled: bool = "detection.enabled", "BOOL", "true", Live;
    /// Addresses, networks and names (with all below them) that no detection is reported for.
    detection_except: Vec<Except> = "detection.except", "WHOM,…", "", Live;
    /// Close a detection after this time without another sign of it.
    detection_hold: Timeout = "detection.hold", "TIME", "5m", Live;
    /// Entries of each table of detections, 200 bytes to 2 KiB each; the least recently active give way.
    detection_max_entries: Number<64, 1_000_000> = "detection.max-entries", "N", "8192", Live;
    /// Report a scan once one port has failed on this many hosts within detection.scan.window; 0: never.
    detection_scan_hosts: Number<0, 1_000_000> = "detection.scan.hosts", "N", "16", Live;
    /// Report a scan once this many ports of one host have failed; 0: never.
    detection_scan_ports: Number<0, 65_535> = "detection.scan.ports", "N", "32", Live;
    /// Time in which failures are counted for a scan.
    detection_scan_window: Timeout = "detection.scan.window", "TIME", "1h", Live;
    /// Report password guessing once a source has had this many short sessions with one login service; 0: never.
    detection_guessing_sessions: Number<0, 1_000_000> = "detection.guessing.sessions", "N", "20", Live;
    /// Longest time between two of these sessions, and in which the last of them count.
    detection_guessing_window: Timeout = "detection.guessing.window", "TIME", "10m", Live;
    /// Connections of a client with a server that a beacon needs at least; 0: never report one.
    detection_beacon_connections: Number<0, 1_000_000> = "detection.beacon.connections", "N", "16", Live;
    /// Report a beacon from this score on, in percent.
    detection_beacon_score: Number<1, 100> = "detection.beacon.score", "PERCENT", "90", Live;
    /// Bytes of different names below a domain, within detection.tunnel.window, that are a tunnel; 0: never.
    detection_tunnel_name_bytes: Number<0, 1_000_000_000> = "detection.tunnel.name-bytes", "BYTES", "2500", Live;
    /// Bytes of TXT, NULL and private answers below a domain that are a tunnel; 0: never.
    detection_tunnel_answer_bytes: Number<0, 1_000_000_000> = "detection.tunnel.answer-bytes", "BYTES", "16384", Live;
    /// Time in which names and answers are counted.
    detection_tunnel_window: Timeout = "detection.tunnel.window", "TIME", "10m", Live;
    /// Echoes each way that an ICMP tunnel needs at least; 0: never report one.
    detection_tunnel_echoes: Number<0, 1_000_000_000> = "detection.tunnel.echoes", "N", "16", Live;
    /// SYNs per second to a host without a connection that are a flood; 0: never.
    detection_flood_syn: Number<0, 1_000_000_000> = "detection.flood.syn", "N", "100", Live;
    /// Unanswered datagrams per second to a host, in 50 flows or more, that are a flood; 0: never.
    detection_flood_udp: Number<0, 1_000_000_000> = "detection.flood.udp", "N", "1000", Live;
    /// ICMP messages per second to a host that are a flood; 0: never.
    detection_flood_icmp: Number<0, 1_000_000_000> = "detection.flood.icmp", "N", "500", Live;
    /// Answers per second of amplifiers that a host did not ask for that are a flood; 0: never.
    detection_flood_reflection: Number<0, 1_000_000_000> = "detection.flood.reflection", "N", "100", Live;
    /// Report an upload once a client has sent this many megabytes to a server in ten minutes; 0: never.
    detection_upload_megabytes: Number<0, 1_000_000_000> = "detection.upload.megabytes", "N", "100", Live;
    /// Report the first contact of a client with a domain.
    detection_new_enabled: bool = "detection.new.enabled", "BOOL", "false", Live;
    /// How long a client's contacts are learnt before first ones are reported.
    detection_new_learning: Timeout = "detection.new.learning", "TIME", "24h", Live;

    /// UDP ports of VXLAN: at most two.
    tunnel_vxlan: Vec<Number<1, 65_535>> = "tunnel.vxlan", "PORT,…", "4789,8472", Restart;
    /// UDP port of GENEVE; 0: none.
    tunnel_geneve: Number<0, 65_535> = "tunnel.geneve", "PORT", "6081", Restart;
    /// UDP port of GTP-U; 0: none.
    tunnel_gtp_u: Number<0, 65_535> = "tunnel.gtp-u", "PORT", "2152", Restart;
    /// UDP port of Teredo; 0: none.
    tunnel_teredo: Number<0, 65_535> = "tunnel.teredo", "PORT", "3544", Restart;
    /// UDP port of GRE in UDP; 0: none.
    tunnel_gre: Number<0, 65_535> = "tunnel.gre", "PORT", "4754", Restart;
    /// UDP port of MPLS in UDP; 0: none.
    tunnel_mpls: Number<0, 65_535> = "tunnel.mpls", "PORT", "6635", Restart;
    /// UDP port of VXLAN-GPE; 0: none.
    tunnel_vxlan_gpe: Number<0, 65_535> = "tunnel.vxlan-gpe", "PORT", "4790", Restart;
    /// UDP port of L2TP; 0: none.
    tunnel_l2tp: Number<0, 65_535> = "tunnel.l2tp", "PORT", "1701", Restart;

    /// Read the first payload bytes of flows: names, protocols and messages come from them.
    samples_enabled: bool = "samples.enabled", "BOOL", "true", Restart;
    /// Payload bytes copied of each direction of a TCP flow.
    samples_flow_bytes: Number<0, 1_048_576> = "samples.flow-bytes", "SIZE", "16Ki", Live;
    /// Samples per second and CPU.
    samples_per_second: Number<0, 1_000_000> = "samples.per-second", "N", "5000", Live;
    /// Longest sample.
    samples_max_bytes: Number<64, 4_096> = "samples.max-bytes", "SIZE", "4Ki", Live;
    /// Samples of each direction of a UDP flow that is no DNS.
    samples_udp_packets: Number<0, 64> = "samples.udp-packets", "N", "4", Live;

    /// Addresses to serve on; `:10058` is every address of the host, `unix:/run/weir-web/weir.sock` a socket for its owner and group.
    web_listen_address: Vec<ListenAddress> = "web.listen-address", "ADDRESS,…", "127.0.0.1:10058", Restart;
    /// TLS and passwords of the web server, in the form of Prometheus' exporter-toolkit (keys: docs/rights.md); a relative path is taken from the working directory; its files are reloaded when they change.
    web_config_file: Option<PathBuf> = "web.config.file", "FILE", "", Restart;
    /// Path of the metrics.
    web_telemetry_path: UrlPath = "web.telemetry-path", "PATH", "/metrics", Restart;
    /// URL by which others reach the page, such as that of a reverse proxy; its host may be asked for like those of `web.hosts`, and its path is what `web.route-prefix` is by default.
    web_external_url: Option<ExternalUrl> = "web.external-url", "URL", "", Restart;
    /// Path before all paths of the web server; `/` behind a proxy that takes the path of `web.external-url` off.
    web_route_prefix: Option<RoutePrefix> = "web.route-prefix", "PATH", "", Restart;

    /// Names by which a page without a password may be asked for on a loopback address, beside `localhost` and this host's own: a web site cannot make a browser read it under another.
    web_hosts: Vec<String> = "web.hosts", "NAME,…", "", Restart;

    /// Maximum simultaneous connections. When all are taken, the one that has kept the server waiting longest gives way, or one of the client with most of them.
    web_max_connections: Number<8, 65_536> = "web.max-connections", "N", "256", Restart;
    /// Memory of answers that are made or sent, for all clients together; metrics have as much again for themselves. Where it is short, answers that their clients do not take give way.
    web_max_answer_bytes: Number<1_048_576, 4_294_967_295> = "web.max-answer-bytes", "SIZE", "64Mi", Restart;
    /// Threads that make answers. Metrics, streams and passwords have one each besides.
    web_max_workers: Number<1, 64> = "web.max-workers", "N", "2", Restart;
    /// Requests that wait for a thread or for memory; beyond, those of the client with most of them are answered 503.
    web_max_waiting: Number<1, 65_536> = "web.max-waiting", "N", "128", Restart;
    /// Maximum simultaneous streams of `/api/v1/live/stream`.
    web_max_watchers: Number<0, 65_536> = "web.max-watchers", "N", "64", Restart;
    /// Percent of a core that the events of all streams may take: when it does not suffice, events come less often.
    web_watch_cpu: Number<1, 100> = "web.watch-cpu", "PERCENT", "25", Restart;
    /// Passwords that wait to be checked, one after another; beyond, those of the address with most of them are answered 429.
    web_max_logins: Number<1, 65_536> = "web.max-logins", "N", "64", Restart;
    /// How long the answer to a wrong password is held back after the one before it to the same address; 30 s at most.
    web_login_delay: Period<0, 60_000> = "web.login-delay", "TIME", "1s", Restart;
    /// Time for a request's header, and between two requests of a connection.
    web_header_timeout: Period<100, 3_600_000> = "web.header-timeout", "TIME", "30s", Restart;
    /// Time for an answer until its first byte.
    web_answer_timeout: Period<100, 3_600_000> = "web.answer-timeout", "TIME", "20s", Restart;
    /// How long a client may take nothing of its answer.
    web_stall_timeout: Period<100, 3_600_000> = "web.stall-timeout", "TIME", "30s", Restart;

    /// User to switch to after startup, a name or a UID; none: `weir` where there is such a user, else an unused UID.
    user: Option<String> = "user", "NAME", "", Restart;
    /// Users of this host, by name or number, who may read what is served on loopback addresses and unix sockets; without one, all who can connect. Root always may.
    web_local_users: Vec<String> = "web.local-users", "USER,…", "", Restart;

    /// Drop privileges that are not needed after startup: root's UID, capabilities, system calls, files. Off for debugging only.
    confine: bool = "confine", "BOOL", "true", Restart;

    /// Where records go, each a table `[outputs.NAME]` (keys: docs/outputs.md).
    outputs: Outputs = "outputs", "TABLES", "", Live;

    /// Least severe event to log: `error`, `warn`, `info`, `debug` or `trace`.
    log_level: LogLevel = "log.level", "LEVEL", "info", Live;
    /// `text`, or `json`: an object a line.
    log_format: LogFormat = "log.format", "FORMAT", "text", Restart;
}
