import type { Snapshot } from "./api";
import { percent, perSecond, seconds, window as shown } from "./format";
import { Facts, Panel, Tally } from "./parts";

export function TcpPanel({ snapshot }: { snapshot: Snapshot }) {
  const { tcp, window_seconds } = snapshot;
  return (
    <Panel class="third" title="TCP health">
      <Facts
        rows={[
          { label: "Round trip, half below", value: seconds(tcp.rtt_seconds?.p50) },
          { label: "95 % below", value: seconds(tcp.rtt_seconds?.p95) },
          { label: "Handshake, half below", value: seconds(tcp.handshake_seconds?.p50) },
          { label: "95 % below", value: seconds(tcp.handshake_seconds?.p95) },
          { label: "Sent again", value: `${percent(tcp.retransmission_ratio ?? 0)} of ${perSecond(tcp.segments_per_second)}/s` },
          { label: "Out of order", value: `${perSecond(tcp.out_of_order_per_second)}/s` },
          { label: "Duplicate ACKs", value: `${perSecond(tcp.duplicate_acks_per_second)}/s` },
          { label: "Windows of zero", value: `${perSecond(tcp.zero_windows_per_second)}/s` },
        ]}
      />
      <Tally label="Connections now, by state" counts={tcp.connections} empty="No TCP connection." />
      <Tally label={`Attempts in ${shown(window_seconds)}, by result`} counts={tcp.attempts} empty="Nobody tried to connect." />
    </Panel>
  );
}
