import type { Snapshot } from "./api";
import { window as shown } from "./format";
import { Facts, Panel, PerSecond, Seconds, Share, Tally } from "./parts";

export function TcpPanel({ snapshot }: { snapshot: Snapshot }) {
  const { tcp, window_seconds } = snapshot;
  return (
    <Panel class="third tcp" title="TCP health">
      <Facts
        rows={[
          { label: "RTT, median", value: <Seconds value={tcp.rtt_seconds?.p50} /> },
          { label: "RTT, p95", value: <Seconds value={tcp.rtt_seconds?.p95} /> },
          { label: "Handshake, median", value: <Seconds value={tcp.handshake_seconds?.p50} /> },
          { label: "Handshake, p95", value: <Seconds value={tcp.handshake_seconds?.p95} /> },
          { label: "Retransmissions", value: <><Share value={tcp.retransmission_ratio ?? 0} /> of <PerSecond value={tcp.segments_per_second} /></> },
          { label: "Out of order", value: <PerSecond value={tcp.out_of_order_per_second} /> },
          { label: "Duplicate ACKs", value: <PerSecond value={tcp.duplicate_acks_per_second} /> },
          { label: "Zero window", value: <PerSecond value={tcp.zero_windows_per_second} /> },
        ]}
      />
      <Tally label="Connections by state" counts={tcp.connections} empty="No TCP connection." />
      <Tally label={`Connection attempts by result, last ${shown(window_seconds)}`} counts={tcp.attempts} empty="No connection attempts." />
    </Panel>
  );
}
