// One flow: details, counters and timeline.


import { useEffect, useRef, useState } from "preact/hooks";

import { type Flow, type FlowDetail, type FlowSide, type Timeline, ways } from "./api";
import type { Actions, Model } from "./app";
import { clock, endpoint, milliseconds, Scale, seconds, span } from "./format";
import { serverName } from "./flows";
import { ownerFacts } from "./owners";
import { Bytes, Count, Facts, Name, Panel, Rate } from "./parts";
import { fit, Plot } from "./plot";
import { Trail } from "./trail";

// Where names come from.
const SOURCES: Record<string, string> = { sni: "SNI", quic: "QUIC SNI", http: "HTTP host", dns: "DNS", certificate: "certificate", ech: "ECH public name" };

type Answer = { detail?: FlowDetail; gone: boolean };

const PAUSE = 1000;

// Asks for a flow once a second while anything moves.
function useFlow(id: string, paused: boolean): Answer {
  const [answer, set] = useState<Answer>({ gone: false });
  useEffect(() => {
    let timer: number | undefined;
    let left = false;
    const ask = async (): Promise<void> => {
      try {
        const response = await fetch(`api/v1/flows/${encodeURIComponent(id)}`);
        if (left) return;
        if (response.ok) {
          const detail = (await response.json()) as FlowDetail;
          if (!left) set({ detail, gone: false });
        } else if (response.status === 404) {
          set(({ detail }) => ({ detail, gone: true }));
        }
      } catch {
        // The header says that weir is away; it is asked again.
      }
      if (!left && !paused) timer = window.setTimeout(() => void ask(), PAUSE);
    };
    void ask();
    return () => {
      left = true;
      window.clearTimeout(timer);
    };
  }, [id, paused]);
  return answer;
}

export function FlowPlace({ id, model, actions }: { id: string; model: Model; actions: Actions }) {
  const { detail, gone } = useFlow(id, model.paused);
  const flow = detail?.flow;
  const ended = gone ? <p class="note">{flow ? "This flow has ended; these are its last values." : "This flow has ended or does not exist."}</p> : null;
  return (
    <div class="grid">
      <Trail model={model} actions={actions} flow={flow ? `${serverName(flow)} ← ${endpoint(flow.client_ip, flow.client_port)}` : "Flow"} />
      {ended}
      {flow && detail && (
        <>
          <TimelinePanel flow={flow} timeline={detail.timeline} />
          <AboutPanel flow={flow} />
          <SidesPanel flow={flow} />
          <LifePanel detail={detail} />
        </>
      )}
    </div>
  );
}

function TimelinePanel({ flow, timeline }: { flow: Flow; timeline: Timeline | undefined }) {
  const scale = useRef(new Scale()).current;
  const { received, transmitted } = ways(flow);
  const sent = timeline?.sent_bytes_per_second ?? [];
  const back = timeline?.received_bytes_per_second ?? [];
  const incoming = flow.sent.direction === "receive";
  const [up, down] = incoming ? [sent, back] : [back, sent];
  const start = timeline ? milliseconds(timeline.start) / 1000 : 0;
  const time = up.map((_, i) => start + i * (timeline?.step_seconds ?? 1));
  fit(scale, up, down);
  const window = Math.max(30, (time.at(-1) ?? 0) - (time[0] ?? 0));
  const now = (side: FlowSide): string => scale.said(side.bytes_per_second);
  return (
    <Panel class="throughput" title="Timeline" hint={`${scale.unit}; in above the axis, out below`} table={() => <Steps time={time} up={up} down={down} />}>
      {time.length ? (
        <Plot time={time} received={up} transmitted={down} window={window} scale={scale} height={220} names={["in", "out"]}
          label={`Throughput of the flow over time; now ${now(received)} in and ${now(transmitted)} out`} />
      ) : <p class="none">No timeline for this flow; only the flows with most bytes have one.</p>}
    </Panel>
  );
}

function Steps({ time, up, down }: { time: number[]; up: number[]; down: number[] }) {
  const from = Math.max(0, time.length - 120);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col" class="number">In</th>
          <th scope="col" class="number">Out</th>
        </tr>
      </thead>
      <tbody>
        {time.slice(from).map((t, i) => (
          <tr key={t}>
            <th scope="row">{clock(t * 1000)}</th>
            <td class="number"><Rate value={up[from + i] ?? 0} /></td>
            <td class="number"><Rate value={down[from + i] ?? 0} /></td>
          </tr>
        )).reverse()}
      </tbody>
    </table>
  );
}

function AboutPanel({ flow }: { flow: Flow }) {
  const age = (milliseconds(flow.last) - milliseconds(flow.start)) / 1000;
  const trip = (r: { mean: number } | undefined): string => seconds(r?.mean);
  return (
    <Panel class="half" title="Details">
      <Facts
        rows={[
          { label: "Server", value: <Name>{endpoint(flow.server_ip, flow.server_port)}</Name> },
          flow.name === undefined ? undefined : { label: `Server name (${SOURCES[flow.name_source ?? ""] ?? flow.name_source ?? "?"})`, value: <Name>{flow.name}</Name> },
          { label: "Client", value: <Name>{endpoint(flow.client_ip, flow.client_port)}</Name> },
          { label: "Transport", value: flow.transport },
          flow.service === undefined ? undefined : { label: "Service", value: <Name>{flow.service}</Name> },
          flow.application === undefined ? undefined : { label: "Application", value: <Name>{flow.application}</Name> },
          flow.state === undefined ? undefined : { label: "State", value: flow.state.replaceAll("_", " ") },
          { label: (flow.interfaces?.length ?? 1) > 1 ? "Interfaces" : "Interface", value: <Name>{(flow.interfaces ?? [flow.interface]).join(", ")}</Name> },
          flow.end === undefined ? undefined : { label: "Ended", value: `${clock(flow.end)} (${flow.end_reason ?? "?"})` },
          { label: "Role of this host", value: flow.role },
          ...ownerFacts(flow),
          { label: "Start", value: clock(flow.start) },
          { label: "Duration", value: span(age) },
          flow.handshake_seconds === undefined ? undefined : { label: "Handshake", value: seconds(flow.handshake_seconds) },
          flow.first_response_seconds === undefined ? undefined : { label: "First response", value: seconds(flow.first_response_seconds) },
          flow.rtt_seconds?.server && { label: "RTT to the server", value: trip(flow.rtt_seconds.server) },
          flow.rtt_seconds?.client && { label: "RTT to the client", value: trip(flow.rtt_seconds.client) },
        ]}
      />
    </Panel>
  );
}

function SidesPanel({ flow }: { flow: Flow }) {
  const { received, transmitted } = ways(flow);
  const rows: [string, (side: FlowSide) => preact.ComponentChildren][] = [
    ["Rate", (s) => <Rate value={s.bytes_per_second} />],
    ["Bytes", (s) => <Bytes value={s.bytes} />],
    ["Payload", (s) => <Bytes value={s.payload_bytes} />],
    ["Packets", (s) => <Count value={s.packets} />],
    ["Retransmissions", (s) => <Count value={s.retransmissions} />],
    ["Out of order", (s) => <Count value={s.out_of_order} />],
    ["Duplicate ACKs", (s) => <Count value={s.duplicate_acks} />],
    ["Zero window", (s) => <Count value={s.zero_windows} />],
  ];
  return (
    <Panel class="half" title="Counters">
      <table class="sides">
        <thead>
          <tr>
            <td />
            <th scope="col" class="number">In</th>
            <th scope="col" class="number">Out</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, of]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{of(received)}</td>
              <td class="number">{of(transmitted)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function LifePanel({ detail }: { detail: FlowDetail }) {
  const events = detail.events ?? [];
  if (!events.length) return null;
  return (
    <Panel class="wide" title="Events">
      <ol class="log">
        {events.map((event, at) => (
          <li key={at}>
            <time dateTime={event.time}>{clock(event.time)}</time>
            <span class="text"><Name>{event.text}</Name></span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
