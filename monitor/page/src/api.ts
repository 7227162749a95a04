// What weir sends: `/api/v1/live`, its stream, and `/api/v1/flows`. Absent fields are left out.

export interface Io {
  bytes: number;
  packets: number;
  bytes_per_second: number;
  packets_per_second: number;
}

export interface Domain {
  domain: string;
  kind: "domain" | "unresolved" | "other";
  received_bytes: number;
  transmitted_bytes: number;
  bytes_per_second: number;
  connections: number;
  share: number;
  names?: string[];
  names_bytes?: number[];
}

export interface Service {
  service: string;
  transport?: string;
  received_bytes: number;
  transmitted_bytes: number;
  connections: number;
  share: number;
}

export interface Host {
  address: string;
  received_bytes: number;
  transmitted_bytes: number;
  connections: number;
  share: number;
}

// Whose the traffic is.
export interface OwnerRow {
  owner: string;
  unit?: string;
  process?: string;
  container?: string;
  namespace?: string;
  pod?: string;
  received_bytes: number;
  transmitted_bytes: number;
  connections: number;
  share: number;
}

export interface Path {
  client: string;
  owner?: string;
  unit?: string;
  process?: string;
  domain: string;
  service: string;
  bytes: number;
}

export interface Quantiles {
  p50?: number;
  p95?: number;
}

export interface Tcp {
  connections: Record<string, number>;
  attempts: Record<string, number>;
  segments_per_second: number;
  retransmitted_per_second: number;
  retransmission_ratio?: number;
  out_of_order_per_second: number;
  duplicate_acks_per_second: number;
  zero_windows_per_second: number;
  handshake_seconds?: Quantiles;
  rtt_seconds?: Quantiles;
}

export interface Dns {
  queries_per_second: number;
  responses: Record<string, number>;
  unanswered: number;
  latency_seconds?: Quantiles;
  names: { name: string; queries: number; errors: number }[];
}

export interface Event {
  id: number | string;
  time: string;
  kind: string;
  severity: "info" | "warning";
  text: string;
}

export interface Snapshot {
  time: string;
  version: string;
  host: string;
  uptime_seconds: number;
  interval_seconds: number;
  window_seconds: number;
  interfaces: { name: string; received: Io; transmitted: Io }[];
  received: Io;
  transmitted: Io;
  flows: {
    active: number;
    by_transport: Record<string, number>;
    started_per_second: number;
    ended_per_second: number;
    slots: number;
    max_flows: number;
  };
  domains: Domain[];
  services: Service[];
  hosts?: Host[];
  owners?: OwnerRow[];
  map: Path[];
  tcp: Tcp;
  dns: Dns;
  losses: { overflow_packets: number; samples: number; records: number; violations: number };
  events: Event[];
}

// Columns of equal length, a row a step.
export interface History {
  start: string;
  step_seconds: number;
  received_bytes_per_second: number[];
  transmitted_bytes_per_second: number[];
  active_flows: number[];
  retransmitted_per_second: number[];
  failed_attempts_per_second: number[];
  dns_queries_per_second: number[];
  dns_errors_per_second: number[];
}

export interface FlowSide {
  direction: "receive" | "transmit";
  packets: number;
  bytes: number;
  payload_bytes: number;
  retransmissions: number;
  out_of_order: number;
  duplicate_acks: number;
  zero_windows: number;
  bytes_per_second: number;
  packets_per_second: number;
}

export interface RoundTrip {
  min: number;
  mean: number;
  max: number;
  samples: number;
}

export interface Flow {
  id: string;
  interface: string;
  interfaces?: string[];
  transport: string;
  client_ip: string;
  client_port: number;
  server_ip: string;
  server_port: number;
  service?: string;
  name?: string;
  name_source?: string;
  domain?: string;
  application?: string;
  role: string;
  scope: string;
  state?: string;
  start: string;
  last: string;
  // When and why it ended, if it did.
  end?: string;
  end_reason?: string;
  sent: FlowSide;
  received: FlowSide;
  handshake_seconds?: number;
  first_response_seconds?: number;
  rtt_seconds: { client?: RoundTrip; server?: RoundTrip };
  // Whose it is: of this host's end, or of the client's where both are here.
  owner?: string;
  owner_source?: string;
  process?: string;
  command?: string;
  user?: string;
  unit?: string;
  container?: string;
  container_id?: string;
  image?: string;
  namespace?: string;
  pod?: string;
  translated?: string;
}

export interface Live {
  snapshot: Snapshot;
  // Steps that have become complete since the last message.
  history: History;
  matched: number;
  flows: Flow[];
}

export interface Timeline {
  start: string;
  step_seconds: number;
  sent_bytes_per_second: number[];
  received_bytes_per_second: number[];
}

export interface FlowDetail {
  flow: Flow;
  timeline?: Timeline;
  events?: { time: string; kind: string; text: string }[];
}

export const SORTS = ["rate", "bytes", "packets", "start", "last"] as const;
export type Sort = (typeof SORTS)[number];

// Received and transmitted by this host.
export function ways(flow: Flow): { received: FlowSide; transmitted: FlowSide } {
  return flow.sent.direction === "receive"
    ? { received: flow.sent, transmitted: flow.received }
    : { received: flow.received, transmitted: flow.sent };
}

// The mean round trip of a flow: of the side where it is longer, as the filter's `rtt` has it.
export function roundTrip(flow: Flow): number | undefined {
  const means = [flow.rtt_seconds?.client, flow.rtt_seconds?.server].flatMap((r) => (r ? [r.mean] : []));
  return means.length ? Math.max(...means) : undefined;
}
