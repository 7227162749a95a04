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
    /// Packets on the wire that the hook saw, whatever became of them.
    HOOK_PACKETS = Counter "weir_hook_packets";
    /// Packets on the wire by what became of them. Their sum equals weir_hook_packets_total.
    ACCOUNTED_PACKETS = Counter "weir_accounted_packets";
    /// Buffers of the kernel that the hook saw: a super-packet is one.
    SKBS = Counter "weir_skbs";
    /// Packets that the hook saw minus packets that the device counted, since both were first read together. Software devices count a super-packet as one or as what it is cut into: both are no difference.
    INTERFACE_DIFFERENCE = Gauge "weir_interface_difference_packets";
    /// IP fragments.
    FRAGMENTS = Counter "weir_ip_fragments";
    /// Packets that found no room in the flow table; weir_network_io_packets_total counts them too.
    OVERFLOW_PACKETS = Counter "weir_overflow_packets";

    /// Flows in the table.
    FLOWS_ACTIVE = Gauge "weir_flows_active";
    /// Flows that began.
    FLOWS_STARTED = Counter "weir_flows_started";
    /// Flows that ended, by why.
    FLOWS_ENDED = Counter "weir_flows_ended";
    /// Flows that made room before their time, by kind. They are among those that ended.
    FLOWS_LET_GO = Counter "weir_flows_let_go";
    /// 1: the last reading found the flow table short of room, and flows make it before their time.
    FLOW_TABLE_PRESSURE = Gauge "weir_flow_table_pressure";
    /// Flows seen on a second interface and counted on the first.
    DUPLICATE_FLOWS = Counter "weir_duplicate_flows";

    /// Bytes on the wire of TCP, UDP and SCTP flows, each flow counted once: all that weir_service_io_bytes_total has by key.
    FLOW_BYTES = Counter "weir_flow_io_bytes";
    /// Packets on the wire of TCP, UDP and SCTP flows, each flow counted once: all that weir_service_io_packets_total has by key.
    FLOW_PACKETS = Counter "weir_flow_io_packets";
    /// Time series that keys of the family hold, at most series.max.
    SERIES = Gauge "weir_series";
    /// Additions that went to other for want of a series.
    SERIES_OVERFLOW = Counter "weir_series_overflow";

    /// TCP segments that carry the flag; syn is SYN without ACK.
    TCP_FLAGS = Counter "weir_tcp_flags";
    /// TCP connections in the table.
    TCP_CONNECTIONS = Gauge "weir_tcp_connections";
    /// TCP connection attempts by how they ended.
    TCP_ATTEMPTS = Counter "weir_tcp_connection_attempts";
    /// TCP segments, each connection's once however many interfaces it passes.
    TCP_PACKETS = Counter "weir_tcp_packets";
    /// From a segment with data that this end sent to its acknowledgment: one observation a flow and drain, the mean since the last.
    TCP_RTT = Histogram "weir_tcp_rtt_seconds";
    /// From the SYN to the last ACK of the handshake: one observation a connection.
    TCP_HANDSHAKE = Histogram "weir_tcp_handshake_seconds";
    /// From the last byte of the first request to the first byte of the response: one observation a connection.
    TCP_FIRST_RESPONSE = Histogram "weir_tcp_first_response_seconds";

    /// Hellos of TLS, DTLS and QUIC by what the server chose, what the client offers first, and what came of them.
    TLS_HANDSHAKES = Counter "weir_tls_handshakes";
    /// HelloRetryRequests of TLS servers.
    TLS_HELLO_RETRIES = Counter "weir_tls_hello_retry_requests";
    /// From a ClientHello to the server's answer to it.
    TLS_HANDSHAKE = Histogram "weir_tls_handshake_seconds";
    /// Connections of QUIC whose first packet could be read, by version.
    QUIC_CONNECTIONS = Counter "weir_quic_connections";
    /// Queries of DNS, mDNS and LLMNR by the type of the first question.
    DNS_QUERIES = Counter "weir_dns_queries";
    /// Responses of DNS, mDNS and LLMNR by the type of the first question and response code.
    DNS_RESPONSES = Counter "weir_dns_responses";
    /// From a DNS query to its response.
    DNS_LATENCY = Histogram "weir_dns_latency_seconds";
    /// DNS queries that got no response in 10 s, or whose wait was given up for want of room.
    DNS_UNANSWERED = Counter "weir_dns_unanswered";
    /// DNS responses that nobody asked for, or that answer another question: they name nothing.
    DNS_UNASKED = Counter "weir_dns_unasked_responses";
    /// Requests of HTTP/1 by method.
    HTTP_REQUESTS = Counter "weir_http_requests";
    /// Responses of HTTP/1 by class of status.
    HTTP_RESPONSES = Counter "weir_http_responses";
    /// From the last byte of an HTTP/1 request to the first of its response.
    HTTP_RESPONSE = Histogram "weir_http_response_seconds";
    /// Risks that traffic shows, each once a flow.
    FINDINGS = Counter "weir_findings";
    /// Sources that reach unusually many hosts or ports now.
    FANOUT_SOURCES = Gauge "weir_fanout_sources";
    /// Times that a source began to reach unusually many hosts or ports.
    FANOUT_DETECTED = Counter "weir_fanout_detected";
    /// Sources whose reach is watched, at most fanout.max-sources.
    FANOUT_WATCHED = Gauge "weir_fanout_watched_sources";
    /// Sources that were forgotten within their window, because others were more recent.
    FANOUT_EVICTED = Counter "weir_fanout_evicted_sources";
    /// Messages that could not be read to their end, by protocol and why.
    PARSE_FAILURES = Counter "weir_parse_failures";
    /// Holes in TCP streams that were given up: what stood there was lost, not captured, or too much waited behind it.
    STREAM_GAPS = Counter "weir_stream_gaps";
    /// Bytes that TCP streams hold, because something before them or the rest of a message is missing.
    STREAM_WAITING = Gauge "weir_stream_waiting_bytes";
    /// Flows of which bytes waited in a TCP stream when their payload was given up, because all together held too much.
    STREAM_BUDGET = Counter "weir_stream_budget_hits";
    /// Flows whose payload is being read.
    PAYLOAD_FLOWS = Gauge "weir_payload_flows";
    /// Bytes of payload that are held, those that wait in TCP streams included.
    PAYLOAD_BYTES = Gauge "weir_payload_waiting_bytes";
    /// Flows whose payload was given up, that of longest ago first, because too many flows or bytes were held.
    PAYLOAD_EVICTED = Counter "weir_payload_evicted_flows";
    /// Names that DNS gave to addresses and that are remembered, by client.
    NAME_CACHE = Gauge "weir_name_cache_entries";
    /// Names that still counted and were forgotten for want of room.
    NAME_CACHE_EVICTED = Counter "weir_name_cache_evicted";

    /// Drains that found packets which no outcome accounts for. Anything but 0 is a defect.
    CONSERVATION_VIOLATIONS = Counter "weir_conservation_violations";
    /// When the flow table was last read, as seconds since the Unix epoch.
    LAST_DRAIN = Gauge "weir_last_drain_timestamp_seconds";

    /// Of a capture alone: packets of flows of which nothing says which way they passed. They count as received.
    UNDIRECTED = Counter "weir_capture_undirected_packets";

    /// 1; the labels say which build this is.
    BUILD_INFO = Gauge "weir_build_info";
    /// 1 for each hook of an interface that a program is attached to.
    INTERFACE_ATTACHED = Gauge "weir_interface_attached";
    /// Runs of a kernel program, where the kernel counts them (sysctl kernel.bpf_stats_enabled).
    PROGRAM_RUNS = Counter "weir_bpf_program_runs";
    /// Time that a kernel program took, where the kernel counts it (sysctl kernel.bpf_stats_enabled).
    PROGRAM_SECONDS = Counter "weir_bpf_program_run_seconds";
    /// Entries of a kernel map that are in use.
    MAP_ENTRIES = Gauge "weir_bpf_map_entries";
    /// Entries that a kernel map has room for.
    MAP_MAX_ENTRIES = Gauge "weir_bpf_map_max_entries";
    /// Payload samples that were lost: ring full, over the budget of the second, or unreadable at the hook.
    LOST_SAMPLES = Counter "weir_lost_samples";
    /// 1 if the configuration could be read when it was last asked for.
    CONFIG_RELOAD = Gauge "weir_config_last_reload_successful";
    /// Events in Weir's own log.
    EVENTS = Counter "weir_events";
    /// Events that are counted and not logged: more of their kind came in a second than the log takes.
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
