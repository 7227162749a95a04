// Six health indicators.

import type { ComponentChildren } from "preact";

import type { Snapshot } from "./api";
import type { Actions, Model } from "./app";
import { count, percent, perSecond, seconds, window as shown } from "./format";
import type { Column } from "./series";

// Flows of connections that failed: those that ended a short while ago, too.
export const FAILED = "state refused or state timed_out or state reset or state syn_sent";

export function Tiles({ model, snapshot, actions }: { model: Model; snapshot: Snapshot; actions: Actions }) {
  const link = (change: { filter: string }): string => actions.link(change);
  const { flows, tcp, dns, losses } = snapshot;
  const all = Object.values(tcp.attempts).reduce((sum, n) => sum + n, 0);
  const good = tcp.attempts["established"] ?? 0;
  const answers = Object.values(dns.responses).reduce((sum, n) => sum + n, 0);
  const errors = answers - (dns.responses["NOERROR"] ?? 0);
  const time = shown(snapshot.window_seconds);
  const lost = losses.overflow_packets + losses.violations;
  return (
    <div class="tiles" role="group" aria-label="Health in short">
      <Tile name="Active flows" value={count(flows.active)} spark="active_flows" model={model}>
        {perSecond(flows.started_per_second)} new/s, {perSecond(flows.ended_per_second)} closed/s
      </Tile>
      <Tile name="Retransmissions" value={percent(tcp.retransmission_ratio ?? 0)} spark="retransmitted_per_second" model={model}>
        {perSecond(tcp.retransmitted_per_second)} of {perSecond(tcp.segments_per_second)} segments/s
      </Tile>
      <Tile name="RTT (median)" value={seconds(tcp.rtt_seconds?.p50)}>
        p95 {seconds(tcp.rtt_seconds?.p95)}
      </Tile>
      <Tile name="Failed connections" value={count(all - good)} alarm={all > 20 && all - good > all / 4}>
        {all > good ? <a href={link({ filter: FAILED })}>of {count(all)}, last {time}</a> : <>of {count(all)}, last {time}</>}
      </Tile>
      <Tile name="DNS response time" value={seconds(dns.latency_seconds?.p50)} spark="dns_queries_per_second" model={model}>
        {perSecond(dns.queries_per_second)} queries/s, {answers ? percent(errors / answers) : "no"} errors
      </Tile>
      <Tile name="Flow table overflow" value={count(lost)} alarm={lost > 0}>
        {lost ? "packets without a flow" : "no drops"}
      </Tile>
    </div>
  );
}

interface TileProps {
  name: string;
  value: string;
  alarm?: boolean;
  spark?: Column;
  model?: Model;
  children: ComponentChildren;
}

function Tile({ name, value, alarm, spark, model, children }: TileProps) {
  return (
    <div class={alarm ? "tile alarm" : "tile"}>
      <h2>{name}</h2>
      <p class="big">{value}</p>
      <p class="soft">{children}</p>
      {spark && model && <Spark values={model.series.last(model.view.window, spark).values[0] ?? []} />}
    </div>
  );
}

const POINTS = 60;

function Spark({ values }: { values: number[] }) {
  const size = Math.max(1, values.length / POINTS);
  const means: number[] = [];
  for (let at = 0; at + size <= values.length + 0.01; at += size) {
    const part = values.slice(Math.floor(at), Math.max(Math.floor(at) + 1, Math.floor(at + size)));
    means.push(part.reduce((sum, v) => sum + v, 0) / part.length);
  }
  const most = Math.max(...means, 1e-9);
  const x = (i: number): string => (100 - (means.length - 1 - i) * (100 / (POINTS - 1))).toFixed(1);
  const y = (v: number): string => (27 - (24 * v) / most).toFixed(1);
  const line = means.map((v, i) => `${x(i)},${y(v)}`).join("L");
  return (
    <svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
      {means.length > 1 && <path d={`M${line}`} />}
    </svg>
  );
}
