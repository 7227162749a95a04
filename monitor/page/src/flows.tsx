// The top flows in the order that is chosen, and the filter.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { type Flow, type Live, roundTrip, type Sort, ways } from "./api";
import type { Actions, Model } from "./app";
import { count, endpoint, milliseconds, percent, seconds, span } from "./format";
import { Breakable, Bytes, Count, Name, Panel, Rate, Scroll } from "./parts";
import { saveCsv } from "./save";
import { Turn } from "./turn";

interface FlowsProps {
  live: Live;
  model: Model;
  actions: Actions;
}

export function FlowsPanel({ live, model, actions }: FlowsProps) {
  const more = live.matched > live.flows.length ? ` of ${count(live.matched)}` : "";
  return (
    <Panel class="flows" title="Flows" hint={<>{`${count(live.flows.length)}${more}`}{live.flows.length === 1 && !more ? " flow" : " flows"}</>}>
      <Filter model={model} actions={actions} />
      <p class="export">
        <button type="button" class="quiet" onClick={() => saveCsv(live.flows, live.snapshot.host)}>Save as CSV</button>
      </p>
      <FlowTable live={live} model={model} actions={actions} />
    </Panel>
  );
}

// Words of the filter that may follow what is written.
const WORDS = [
  "host ", "net ", "port ", "client ", "server ", "tcp", "udp", "icmp", "ipv4", "ipv6", "name ", "domain ", "application ", "service ",
  "interface ", "process ", "unit ", "user ", "container ", "pod ", "namespace ", "owner ", "bytes > ", "packets > ", "rate > ", "retransmissions > ", "rtt > ", "duration > ", "state established", "state refused",
  "state timed_out", "state reset", "role client", "role server", "role forwarded", "scope local", "scope remote", "not ", "and ", "or ",
];

function completions(text: string): string[] {
  const [, before = "", word = ""] = /^(.*?)([^\s()]*)$/.exec(text) ?? [];
  return word ? WORDS.filter((known) => known.startsWith(word.toLowerCase()) && known.trim() !== word).map((known) => before + known) : [];
}

function Filter({ model, actions }: Pick<FlowsProps, "model" | "actions">) {
  const kept = model.view.filter;
  const [text, write] = useState(kept);
  useEffect(() => write(kept), [kept]);
  const wrong = model.problem;
  return (
    <form
      class="filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        actions.go({ filter: text.trim() });
      }}
    >
      <label class="hidden" for="filter">Search or filter flows</label>
      <input
        id="filter"
        type="text"
        value={text}
        placeholder="Search, or filter such as port https and bytes > 1MB"
        list="filter-words"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={4096}
        aria-invalid={wrong !== undefined}
        aria-describedby="filter-help"
        onInput={(event) => write(event.currentTarget.value)}
      />
      <datalist id="filter-words">
        {completions(text).map((value) => <option key={value} value={value} />)}
      </datalist>
      <button type="submit" class="button">Filter</button>
      {kept && (
        <button type="button" class="button" onClick={() => actions.go({ filter: "" })}>
          Clear
        </button>
      )}
      <p id="filter-help" role="alert" class={wrong === undefined ? "hidden" : "wrong"}>
        {wrong !== undefined && (
          <>
            <strong>Invalid filter; all flows are shown.</strong> <Name>{wrong.replaceAll("\n", " ")}</Name>
          </>
        )}
      </p>
    </form>
  );
}

interface Heading {
  name: string;
  sort?: Sort;
  number?: boolean;
  // Only where there is some room, or much.
  room?: "some" | "much";
}

const HEADINGS: Heading[] = [
  { name: "Server" },
  { name: "Client", room: "much" },
  { name: "Service" },
  { name: "Process", room: "some" },
  { name: "State", room: "much" },
  { name: "Rate", sort: "rate", number: true },
  { name: "Bytes", sort: "bytes", number: true },
  { name: "Packets", sort: "packets", number: true, room: "much" },
  { name: "RTT", number: true, room: "some" },
  { name: "Retrans %", number: true, room: "much" },
  { name: "Interfaces", room: "much" },
  { name: "Start", sort: "start", number: true, room: "some" },
  { name: "Last seen", sort: "last", number: true, room: "some" },
];

// While somebody points at a row, or has the focus in one, no row goes away from under the finger.
function useSteady(flows: Flow[], held: { current: boolean }): Flow[] {
  const order = useRef<string[]>([]);
  if (held.current) {
    const place = new Map(order.current.map((id, at) => [id, at]));
    const of = (flow: Flow): number => place.get(flow.id) ?? order.current.length;
    flows = [...flows].sort((a, b) => of(a) - of(b));
  }
  order.current = flows.map((flow) => flow.id);
  return flows;
}

const PART = 17;

function parts(flows: Flow[]): Flow[][] {
  return Array.from({ length: Math.ceil(flows.length / PART) }, (_, at) => flows.slice(at * PART, (at + 1) * PART));
}

function FlowTable({ live, model, actions }: FlowsProps) {
  const held = useRef(false);
  const { sort } = model.view;
  const sorted = useRef(sort);
  if (sorted.current !== sort) held.current = false;
  sorted.current = sort;
  const flows = useSteady(live.flows, held);
  const now = milliseconds(live.snapshot.time);
  const hold = (on: boolean) => () => {
    held.current = on;
  };
  if (!flows.length) return <p class="none">{model.view.filter ? "No flow matches the filter." : "No active flow."}</p>;
  return (
    <Scroll label="Flows">
      <table class="wide">
        <thead>
          <tr>
            {HEADINGS.map((heading) => (
              <Head heading={heading} current={sort} actions={actions} />
            ))}
          </tr>
        </thead>
        {parts(flows).map((part, at) => (
          // What is seen first changes first; a frame lays out no more than one part.
          <Turn key={at} frame={at}>
            <tbody onMouseEnter={hold(true)} onMouseLeave={hold(false)} onFocusIn={hold(true)} onFocusOut={hold(false)}>
              {/* Rows are places, not flows: where other flows come to the top, words change, not elements. */}
              {part.map((flow, row) => (
                <Row key={row} flow={flow} now={now} href={actions.link({ flow: flow.id })} />
              ))}
            </tbody>
          </Turn>
        ))}
      </table>
    </Scroll>
  );
}

function Head({ heading: { name, sort, number, room }, current, actions }: { heading: Heading; current: Sort; actions: Actions }) {
  const chosen = sort !== undefined && sort === current;
  return (
    <th scope="col" class={[number && "number", room].filter(Boolean).join(" ")} aria-sort={chosen ? (sort === "start" || sort === "last" ? "ascending" : "descending") : undefined}>
      {sort === undefined ? name : (
        <button type="button" onClick={() => actions.go({ sort })}>
          {name}
          <span class="mark" aria-hidden="true">{chosen ? (sort === "start" || sort === "last" ? "▲" : "▼") : ""}</span>
        </button>
      )}
    </th>
  );
}

export function serverName(flow: Flow): string {
  return flow.name ?? flow.server_ip;
}

function Row({ flow, now, href }: { flow: Flow; now: number; href: string }) {
  const { received, transmitted } = ways(flow);
  const again = flow.sent.retransmissions + flow.received.retransmissions;
  const packets = flow.sent.packets + flow.received.packets;
  return (
    <tr>
      <th scope="row">
        <a href={href}>
          <Breakable>{serverName(flow)}</Breakable>
        </a>
        {flow.name !== undefined && <Address><Breakable>{endpoint(flow.server_ip, flow.server_port)}</Breakable></Address>}
        {flow.name === undefined && flow.server_port > 0 && <Address>port {flow.server_port}</Address>}
      </th>
      <td class="much">
        {flow.client_ip}
        <Address>{flow.client_port > 0 ? `port ${flow.client_port}` : ""}</Address>
      </td>
      <td>
        <Name>{flow.service ?? flow.application ?? flow.transport}</Name>
        <Address>{[flow.transport, flow.application].filter((t) => t && t !== flow.service).join(" ")}</Address>
      </td>
      <td class="some">
        <Name>{flow.process ?? flow.owner ?? "–"}</Name>
        <Address>{flow.unit === undefined ? "" : <Breakable>{flow.unit}</Breakable>}</Address>
      </td>
      <td class="much">
        {(flow.state ?? "–").replaceAll("_", " ")}
        {flow.end !== undefined && <Address>ended</Address>}
      </td>
      <td class="number">
        <Two way="in"><Rate value={received.bytes_per_second} /></Two>
        <Two way="out"><Rate value={transmitted.bytes_per_second} /></Two>
      </td>
      <td class="number">
        <Two way="in"><Bytes value={received.bytes} /></Two>
        <Two way="out"><Bytes value={transmitted.bytes} /></Two>
      </td>
      <td class="number much"><Count value={packets} /></td>
      <td class="number some">{seconds(roundTrip(flow))}</td>
      <td class="number much">{again ? percent(again / Math.max(1, packets)) : "–"}</td>
      <td class="much">
        <Breakable>{(flow.interfaces ?? [flow.interface]).slice(0, SHOWN).join(", ")}</Breakable>
        {(flow.interfaces?.length ?? 0) > SHOWN && <Address>and {(flow.interfaces?.length ?? 0) - SHOWN} more</Address>}
      </td>
      <td class="number some">{span((now - milliseconds(flow.start)) / 1000)}</td>
      <td class="number some">{span((now - milliseconds(flow.last)) / 1000)}</td>
    </tr>
  );
}

// Interfaces that a row names.
const SHOWN = 3;

const Address = ({ children }: { children: ComponentChildren }) => <span class="address">{children}</span>;

function Two({ way, children }: { way: "in" | "out"; children: ComponentChildren }) {
  return (
    <span class="two">
      {children} <span class={way} role="img" aria-label={way}>{way === "in" ? "↓" : "↑"}</span>
    </span>
  );
}
