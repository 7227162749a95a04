// Whose the traffic is: units and processes of this host, and the way to their flows.

import { useState } from "preact/hooks";

import type { Flow, OwnerRow, Snapshot } from "./api";
import type { Actions } from "./app";
import { window as shown } from "./format";
import { Bytes, Choice, Count, Name, Panel, Scroll, Share } from "./parts";

// By what rows are put together.
const BY = [
  ["both", "Unit and process"],
  ["unit", "Unit"],
  ["process", "Process"],
  ["container", "Container"],
] as const;
type By = (typeof BY)[number][0];

const quoted = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;

// The names by which an owner is chosen among the flows.
type Part = "unit" | "process" | "container" | "namespace" | "pod";
const PARTS: Record<By, Part[]> = {
  both: ["unit", "process"],
  unit: ["unit"],
  process: ["process"],
  container: ["namespace", "pod", "container"],
};

// The filter for flows of an owner; undefined: they are not told apart.
export function ownerFilter(owner: Partial<OwnerRow>, parts: Part[] = ["unit", "process"]): string | undefined {
  if (owner.owner === "other") return undefined;
  const tests = parts.flatMap((part) => (owner[part] === undefined ? [] : [`${part} ${quoted(owner[part])}`]));
  if (tests.length) return tests.join(" and ");
  // Flows of processes without such a name have no word of their own.
  return owner.owner === undefined || owner.owner === "user" ? undefined : `owner ${owner.owner}`;
}

const bytes = (row: OwnerRow): number => row.received_bytes + row.transmitted_bytes;

// Rows whose names by this are the same, as one.
function together(rows: OwnerRow[], by: By): OwnerRow[] {
  const sums = new Map<string, OwnerRow>();
  for (const row of rows) {
    const named = PARTS[by].some((part) => row[part] !== undefined);
    const names = PARTS[by].map((part) => [part, row[part]]);
    const key = JSON.stringify([row.owner, named, ...names]);
    const sum = sums.get(key);
    if (sum) {
      sum.received_bytes += row.received_bytes;
      sum.transmitted_bytes += row.transmitted_bytes;
      sum.connections += row.connections;
      sum.share += row.share;
    } else {
      const { owner, received_bytes, transmitted_bytes, connections, share } = row;
      sums.set(key, { owner, received_bytes, transmitted_bytes, connections, share, ...Object.fromEntries(names) });
    }
  }
  const last = (row: OwnerRow): number => (row.owner === "other" ? 1 : 0);
  return [...sums.values()].sort((a, b) => last(a) - last(b) || bytes(b) - bytes(a));
}

export function OwnersPanel({ snapshot, actions }: { snapshot: Snapshot; actions: Actions }) {
  const [by, choose] = useState<By>("both");
  const owners = snapshot.owners ?? [];
  if (!owners.length) return null;
  const contained = owners.some((row) => row.container !== undefined || row.pod !== undefined);
  const choices = BY.filter(([kind]) => kind !== "container" || contained);
  return (
    <Panel class="owners" title="Processes and units" hint={`share of bytes, last ${shown(snapshot.window_seconds)}`}>
      <Choice label="Rows" name="owners" choices={choices} chosen={by} choose={choose} />
      <Scroll label="Processes and units">
        <table>
          <thead>
            <tr>
              {by !== "process" && by !== "container" && <th scope="col">Unit</th>}
              {(by === "both" || by === "process") && <th scope="col">Process</th>}
              {(by === "container" || (by === "both" && contained)) && <th scope="col">Container</th>}
              <th scope="col" class="number">Share</th>
              <th scope="col" class="number">In</th>
              <th scope="col" class="number">Out</th>
              <th scope="col" class="number">Flows</th>
            </tr>
          </thead>
          <tbody>
            {(by === "both" ? owners : together(owners, by)).map((row) => (
              <tr key={JSON.stringify([row.owner, row.unit, row.process, row.container, row.namespace, row.pod])}>
                <Cells row={row} by={by} contained={contained} actions={actions} />
                <td class="number"><Share value={row.share} /></td>
                <td class="number"><Bytes value={row.received_bytes} /></td>
                <td class="number"><Bytes value={row.transmitted_bytes} /></td>
                <td class="number"><Count value={row.connections} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

interface CellsProps {
  row: OwnerRow;
  by: By;
  contained: boolean;
  actions: Actions;
}

// The names of a row: each leads to its flows.
function Cells({ row, by, contained, actions }: CellsProps) {
  const link = (name: string, parts: Part[]) => {
    const filter = ownerFilter(row, parts);
    return filter === undefined ? <Name>{name}</Name> : <a href={actions.link({ filter })}><Name>{name}</Name></a>;
  };
  const none = row.owner === "user" ? <span class="soft">none</span> : link(row.owner, []);
  const container = row.pod === undefined ? row.container : `${row.namespace ?? ""}/${row.pod}`;
  const held = container === undefined ? undefined : link(container, PARTS.container);
  if (by === "container") return <th scope="row">{held ?? none}</th>;
  if (by === "process") return <th scope="row">{row.process === undefined ? none : link(row.process, PARTS.process)}</th>;
  return (
    <>
      <th scope="row">{row.unit === undefined ? none : link(row.unit, PARTS.unit)}</th>
      {by === "both" && <td>{row.process !== undefined && link(row.process, PARTS.both)}</td>}
      {by === "both" && contained && <td>{held}</td>}
    </>
  );
}

const FIELDS: [string, keyof Flow & string][] = [
  ["Process", "process"],
  ["Command", "command"],
  ["User", "user"],
  ["Unit", "unit"],
  ["Container", "container"],
  ["Container id", "container_id"],
  ["Image", "image"],
  ["Namespace", "namespace"],
  ["Pod", "pod"],
  ["Translated", "translated"],
];

// What is known of a flow's owner, the client's first where both ends are on this host.
export function ownerFacts(flow: Flow): { label: string; value: preact.ComponentChildren }[] {
  if (flow.owner === undefined) return [];
  const text = (field: string): string | undefined => {
    const of = (name: string): string | undefined => {
      const value = (flow as unknown as Record<string, unknown>)[name];
      return value === undefined ? undefined : String(value);
    };
    const [client, server] = [of(`client_${field}`), of(`server_${field}`)];
    return client !== undefined && server !== undefined && client !== server ? `${client} → ${server}` : of(field);
  };
  const rows = FIELDS.map(([label, field]) => ({ label, text: text(field) }));
  const known = flow.owner_source === undefined ? flow.owner : `${flow.owner} (by ${flow.owner_source.replaceAll("_", " ")})`;
  return [
    { label: "Owner", value: known },
    ...rows.flatMap(({ label, text }) => (text === undefined ? [] : [{ label, value: <Name>{text}</Name> }])),
  ];
}
