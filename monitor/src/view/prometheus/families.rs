//! Every metric family of the page but those by key, once: name, kind and help.

use monitor_core::label::TcpCounter;

use super::page::{Family, Kind};

/// Declares families, each once: name, kind and help.
macro_rules! families {
    ($($(#[doc = $help:literal])+ $id:ident = $kind:ident $name:literal;)+) => {
        $(
            #[doc = concat!("`", $name, "`:", $($help),+)]
            pub(super) const $id: Family<'static> = Family {
                name: $name,
                kind: Kind::$kind,
                help: concat!($($help),+).trim_ascii(),
            };
        )+

        /// All of them.
        #[cfg(test)]
        pub(super) const ALL: &[Family<'static>] = &[$($id),+];
    };
}

pub(super) use families;

families! {
    /// Bytes on the wire, from the link layer on, that passed the interface in IP packets, flows and overflow together.
    NETWORK_BYTES = Counter "weir_network_io_bytes";
    /// IP packets on the wire that passed the interface, flows and overflow together.
    NETWORK_PACKETS = Counter "weir_network_io_packets";
    /// Packets on the wire that the hook saw.
    HOOK_PACKETS = Counter "weir_hook_packets";
    /// Packets on the wire by outcome. Their sum equals weir_hook_packets_total.
    ACCOUNTED_PACKETS = Counter "weir_accounted_packets";
    /// Socket buffers (skbs) that the hook saw; a super-packet is one.
    SKBS = Counter "weir_skbs";
    /// Packets that the hook saw minus packets that the device counted, since both were first read together. Software devices count a super-packet as one or as what it is cut into: both are no difference.
    INTERFACE_DIFFERENCE = Gauge "weir_interface_difference_packets";
    /// IP fragments.
    FRAGMENTS = Counter "weir_ip_fragments";
    /// Packets that found no room in the flow table; weir_network_io_packets_total counts them too.
    OVERFLOW_PACKETS = Counter "weir_overflow_packets";

    /// Flows in the table.
    FLOWS_ACTIVE = Gauge "weir_flows_active";
    /// New flows.
    FLOWS_STARTED = Counter "weir_flows_started";
    /// TCP connections that ended by silence and went on: not started anew, and they end again.
    FLOWS_RESUMED = Counter "weir_flows_resumed";
    /// TCP connections that ended by silence and are remembered, in case they go on.
    FLOWS_REMEMBERED = Gauge "weir_flows_remembered";
    /// Remembered connections that were forgotten to make room for others: if they go on they are new ones.
    FLOWS_FORGOTTEN = Counter "weir_flows_forgotten";
    /// Ended flows by reason.
    FLOWS_ENDED = Counter "weir_flows_ended";
    /// Flows evicted before their timeout because the flow table was short of room, by kind. They are among those that ended.
    FLOWS_LET_GO = Counter "weir_flows_let_go";
    /// 1: the last reading found the flow table short of room, and flows make it before their time.
    FLOW_TABLE_PRESSURE = Gauge "weir_flow_table_pressure";
    /// Further sightings of flows: on another interface, or in and out of one. Each packet counts once.
    DUPLICATE_FLOWS = Counter "weir_duplicate_flows";
    /// Connections whose addresses this host translates, as its table of connections has them: flows before and behind that are one.
    TRANSLATIONS = Gauge "weir_translations";
    /// Translations for which there was no room: flows behind them count beside those before.
    LOST_TRANSLATIONS = Counter "weir_lost_translations";
    /// Times that translation updates were lost and the connection tracking table was read again.
    TRANSLATIONS_REREAD = Counter "weir_translations_reread";

    /// Bytes on the wire of TCP, UDP and SCTP flows, each flow counted once: all that weir_service_io_bytes_total has by key.
    FLOW_BYTES = Counter "weir_flow_io_bytes";
    /// Packets on the wire of TCP, UDP and SCTP flows, each flow counted once: all that weir_service_io_packets_total has by key.
    FLOW_PACKETS = Counter "weir_flow_io_packets";
    /// Bytes on the wire of all flows, whatever their transport, each counted once, by whose they are: user (a process of this host), kernel, forwarded, unknown.
    OWNER_BYTES = Counter "weir_owner_io_bytes";
    /// Packets on the wire of all flows, whatever their transport, each counted once, by whose they are.
    OWNER_PACKETS = Counter "weir_owner_io_packets";
    /// Time series that keys of the family hold, at most series.max.
    SERIES = Gauge "weir_series";
    /// Additions that went to other because the family has no series left.
    SERIES_OVERFLOW = Counter "weir_series_overflow";

    /// TCP segments that carry the flag; syn is SYN without ACK.
    TCP_FLAGS = Counter "weir_tcp_flags";
    /// TCP connections in the table.
    TCP_CONNECTIONS = Gauge "weir_tcp_connections";
    /// TCP connection attempts by result.
    TCP_ATTEMPTS = Counter "weir_tcp_connection_attempts";
    /// TCP segments, each counted once however many interfaces it passes.
    TCP_PACKETS = Counter "weir_tcp_packets";
    /// TCP round-trip time (RTT): from a data segment of this host to its acknowledgment; one observation per flow and drain, the mean since the last.
    TCP_RTT = Histogram "weir_tcp_rtt_seconds";
    /// TCP handshake time: from the SYN to the last ACK of the handshake; one observation per connection.
    TCP_HANDSHAKE = Histogram "weir_tcp_handshake_seconds";
    /// TCP server response time: from the last byte of the first request to the first byte of the response; one observation per connection.
    TCP_FIRST_RESPONSE = Histogram "weir_tcp_first_response_seconds";
    /// Connections that another one on the same 5-tuple followed within a drain, and whose handshake and first response are in no histogram, because what was measured found no room in the ring.
    TCP_UNMEASURED = Counter "weir_tcp_unmeasured_connections";

    /// TLS handshakes over TCP, DTLS and QUIC by negotiated version, preferred ALPN, SNI, ECH and result.
    TLS_HANDSHAKES = Counter "weir_tls_handshakes";
    /// HelloRetryRequests of TLS servers.
    TLS_HELLO_RETRIES = Counter "weir_tls_hello_retry_requests";
    /// TLS handshake time: from ClientHello to ServerHello.
    TLS_HANDSHAKE = Histogram "weir_tls_handshake_seconds";
    /// QUIC connections by version.
    QUIC_CONNECTIONS = Counter "weir_quic_connections";
    /// DNS, mDNS and LLMNR queries by type.
    DNS_QUERIES = Counter "weir_dns_queries";
    /// DNS, mDNS and LLMNR responses by type and response code.
    DNS_RESPONSES = Counter "weir_dns_responses";
    /// DNS response time: from query to response.
    DNS_LATENCY = Histogram "weir_dns_latency_seconds";
    /// DNS queries without a response within 10 s, or evicted before.
    DNS_UNANSWERED = Counter "weir_dns_unanswered";
    /// DNS responses that are unsolicited or answer another question; they name nothing.
    DNS_UNASKED = Counter "weir_dns_unasked_responses";
    /// HTTP/1 requests by method.
    HTTP_REQUESTS = Counter "weir_http_requests";
    /// HTTP/1 responses by status class.
    HTTP_RESPONSES = Counter "weir_http_responses";
    /// HTTP/1 response time: from the last byte of the request to the first byte of the response.
    HTTP_RESPONSE = Histogram "weir_http_response_seconds";
    /// Findings, each once per flow.
    FINDINGS = Counter "weir_findings";
    /// Sources that reach unusually many hosts or ports now.
    FANOUT_SOURCES = Gauge "weir_fanout_sources";
    /// Fan-out detections: a source started to reach unusually many hosts or ports.
    FANOUT_DETECTED = Counter "weir_fanout_detected";
    /// Sources tracked for fan-out, at most fanout.max-sources.
    FANOUT_WATCHED = Gauge "weir_fanout_watched_sources";
    /// Sources evicted within their window by more recent ones.
    FANOUT_EVICTED = Counter "weir_fanout_evicted_sources";
    /// Detections that began, by kind: behaviour over many flows.
    DETECTIONS = Counter "weir_detections";
    /// Detections that go on now, by kind.
    DETECTIONS_ACTIVE = Gauge "weir_detections_active";
    /// Entries of the tables of detections, at most detection.max-entries each.
    DETECTION_ENTRIES = Gauge "weir_detection_entries";
    /// Entries that were forgotten to make room for others.
    DETECTION_EVICTED = Counter "weir_detection_evicted_entries";
    /// Signs of detections dropped for lack of room among the open ones.
    DETECTION_DROPPED = Counter "weir_detection_dropped_signs";
    /// Messages that could not be parsed completely, by protocol and reason.
    PARSE_FAILURES = Counter "weir_parse_failures";
    /// Gaps in TCP streams that were skipped: lost, not captured, or too much buffered behind them.
    STREAM_GAPS = Counter "weir_stream_gaps";
    /// Bytes buffered of TCP streams behind a gap or in an incomplete message.
    STREAM_WAITING = Gauge "weir_stream_waiting_bytes";
    /// Flows whose buffered stream was dropped by the memory budget.
    STREAM_BUDGET = Counter "weir_stream_budget_hits";
    /// Flows whose payload is being parsed.
    PAYLOAD_FLOWS = Gauge "weir_payload_flows";
    /// Payload bytes buffered, those of TCP streams included.
    PAYLOAD_BYTES = Gauge "weir_payload_waiting_bytes";
    /// Flows whose payload was evicted, least recently used first, because of too many flows or bytes.
    PAYLOAD_EVICTED = Counter "weir_payload_evicted_flows";
    /// DNS names cached by client and address.
    NAME_CACHE = Gauge "weir_name_cache_entries";
    /// DNS names evicted before they expired.
    NAME_CACHE_EVICTED = Counter "weir_name_cache_evicted";

    /// Drains that found packets which no outcome accounts for. Anything but 0 is a defect.
    CONSERVATION_VIOLATIONS = Counter "weir_conservation_violations";
    /// When the flow table was last read, as seconds since the Unix epoch.
    LAST_DRAIN = Gauge "weir_last_drain_timestamp_seconds";

    /// Captures only: packets of flows with unknown direction, counted as received.
    UNDIRECTED = Counter "weir_capture_undirected_packets";

    /// Build information; always 1.
    BUILD_INFO = Gauge "weir_build_info";
    /// Hooks of interfaces with an attached program; always 1.
    INTERFACE_ATTACHED = Gauge "weir_interface_attached";
    /// Runs of a kernel program, where the kernel counts them (sysctl kernel.bpf_stats_enabled).
    PROGRAM_RUNS = Counter "weir_bpf_program_runs";
    /// Time that a kernel program took, where the kernel counts it (sysctl kernel.bpf_stats_enabled).
    PROGRAM_SECONDS = Counter "weir_bpf_program_run_seconds";
    /// Entries of a kernel map that are in use.
    MAP_ENTRIES = Gauge "weir_bpf_map_entries";
    /// Entries that a kernel map has room for.
    MAP_MAX_ENTRIES = Gauge "weir_bpf_map_max_entries";
    /// Payload samples lost: ring buffer full, over the budget per second, or unreadable at the hook.
    LOST_SAMPLES = Counter "weir_lost_samples";
    /// Whether the last reload of the configuration succeeded (1) or not (0).
    CONFIG_RELOAD = Gauge "weir_config_last_reload_successful";
    /// Events of Weir itself.
    EVENTS = Counter "weir_events";
    /// Events that were counted and not logged, because of the rate limit of the log.
    LOG_LEFT_OUT = Counter "weir_log_left_out";
}

/// Makes the families of TCP's counters.
macro_rules! tcp_families {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $variant:ident, $unit:ident $(, $kind:ident $($metric:literal $help:literal)?)?;
    )+) => {
        /// Those of TCP's counters, by their index; none: the counter has no family of its own.
        pub(super) const TCP_COUNTERS: [Option<Family<'static>>; TcpCounter::COUNT] =
            [$(tcp_families!(@family $($($metric $help)?)?)),+];
    };
    (@family) => { None };
    (@family $name:literal $help:literal) => {
        Some(Family { name: $name, kind: Kind::Counter, help: $help })
    };
}

monitor_common::tcp_counters!(tcp_families);
