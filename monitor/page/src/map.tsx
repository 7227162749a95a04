// From whom over what to where: bands as wide as their bytes.

import { sankey, sankeyLinkHorizontal, type SankeyLink, type SankeyNode } from "d3-sankey";
import { useState } from "preact/hooks";

import type { Path } from "./api";
import type { Actions } from "./app";
import { bytes, said, window as shown } from "./format";
import { ownerFilter } from "./owners";
import { Bytes, Choice, Name, Panel, shorten, useWidth, visible } from "./parts";
import { serviceFilter } from "./services";
import type { View } from "./view";

const MOST = [7, 9, 7];
const OTHER = "other";

interface Node {
  id: string;
  column: number;
  name: string;
}
interface Link {
  source: string;
  target: string;
  value: number;
}
type Placed = SankeyNode<Node, Link>;
type Band = SankeyLink<Node, Link>;

// Who stands at the left.
const FROM = [["client", "Client"], ["unit", "Unit"], ["process", "Process"]] as const;
type From = (typeof FROM)[number][0];

// What is no process, or has no such name, stands there by its kind, which no name begins like.
const kindOf = (owner: string | undefined): string => (owner === undefined || owner === OTHER ? OTHER : `\n${owner}`);
const isKind = (name: string): boolean => name.startsWith("\n");
const whoIs = (path: Path, from: From): string => (from === "client" ? path.client : path[from] ?? kindOf(path.owner));
const wordOf = (name: string, from: From): string => (isKind(name) ? (name === "\nuser" ? `no ${from}` : name.slice(1)) : name);

export function MapPanel({ paths, window, actions }: { paths: Path[]; window: number; actions: Actions }) {
  const [chosen, choose] = useState<From>("client");
  const shownPaths = paths.filter((p) => p.bytes > 0);
  const owned = shownPaths.some((p) => p.owner !== undefined);
  const from = owned ? chosen : "client";
  return (
    <Panel
      class="map"
      title="Flow map"
      hint={`${from} → domain → service, ${shown(window)}`}
      table={() => <PathTable paths={shownPaths} owned={owned} />}
    >
      {owned && <Choice label="Left side of the map" name="map" choices={FROM} chosen={from} choose={choose} />}
      {shownPaths.length ? <Sankey paths={shownPaths} from={from} actions={actions} /> : <p class="none">No traffic.</p>}
    </Panel>
  );
}

const named = (domain: string): string => (domain === "" ? "unresolved" : domain === OTHER ? "other" : domain);

// The heaviest of each column and one node for what is left, and the bands between them.
function graph(paths: Path[], from: From): { nodes: Node[]; links: Link[] } {
  const parts = paths.map((p) => ({ keys: [whoIs(p, from), p.domain, p.service], bytes: p.bytes }));
  const heaviest = MOST.map((most, column) => {
    const sums = new Map<string, number>();
    for (const { keys, bytes } of parts) {
      const key = keys[column] ?? OTHER;
      if (key !== OTHER) sums.set(key, (sums.get(key) ?? 0) + bytes);
    }
    return new Set([...sums].sort((a, b) => b[1] - a[1]).slice(0, most).map(([key]) => key));
  });
  const nodes = new Map<string, Node>();
  const links = new Map<string, Link>();
  for (const { keys, bytes } of parts) {
    const ids = keys.map((key, column) => {
      const name = heaviest[column]?.has(key) ? key : OTHER;
      const id = `${column}:${name}`;
      if (!nodes.has(id)) nodes.set(id, { id, column, name });
      return id;
    });
    for (const [source, target] of [[ids[0], ids[1]], [ids[1], ids[2]]]) {
      if (source === undefined || target === undefined) continue;
      const key = `${source}\n${target}`;
      const link = links.get(key) ?? { source, target, value: 0 };
      link.value += bytes;
      links.set(key, link);
    }
  }
  return { nodes: [...nodes.values()], links: [...links.values()] };
}

const HEIGHT = 330;

function Sankey({ paths, from, actions }: { paths: Path[]; from: From; actions: Actions }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [lit, light] = useState<string>();
  return (
    <div ref={ref} style={{ height: `${HEIGHT}px` }}>
      {width > 0 && <Drawing paths={paths} from={from} width={width} lit={lit} light={light} actions={actions} />}
    </div>
  );
}

interface DrawingProps {
  paths: Path[];
  from: From;
  width: number;
  lit: string | undefined;
  light: (id: string | undefined) => void;
  actions: Actions;
}

function Drawing({ paths, from, width, lit, light, actions }: DrawingProps) {
  const label = (node: Node): string => labelOf(node, from);
  const last = (node: Placed): number => (node.name === OTHER ? 1 : 0);
  const drawn = sankey<Node, Link>()
    .nodeId((node) => node.id)
    .nodeAlign((node) => node.column)
    .nodeWidth(8)
    .nodePadding(width < 500 ? 8 : 12)
    .nodeSort((a, b) => last(a) - last(b) || (b.value ?? 0) - (a.value ?? 0) || (a.id < b.id ? -1 : 1))
    .extent([[1, 6], [width - 1, HEIGHT - 6]])(graph(paths, from));
  const path = sankeyLinkHorizontal<Node, Link>();
  const node = (end: Band["source"]): Placed => end as Placed;
  const touches = (band: Band): boolean => node(band.source).id === lit || node(band.target).id === lit;
  return (
    <svg class="sankey" width={width} height={HEIGHT} role="group" aria-label={`Flow map: bytes from ${from} to domain to service`}>
      {drawn.links.map((band) => (
        <path
          key={`${node(band.source).id}\n${node(band.target).id}`}
          class={touches(band) ? "band lit" : "band"}
          d={path(band) ?? ""}
          stroke-width={Math.max(1, band.width ?? 0).toFixed(1)}
        >
          <title>{`${label(node(band.source))} → ${label(node(band.target))}: ${said(bytes(band.value))}`}</title>
        </path>
      ))}
      {drawn.nodes.map((n) => (
        <End key={n.id} node={n} width={width} light={light} label={label(n)} href={href(n, from, actions)} />
      ))}
    </svg>
  );
}

const labelOf = (node: Node, from: From): string =>
  visible(node.column === 1 ? named(node.name) : node.name === OTHER ? "other" : node.column === 0 ? wordOf(node.name, from) : node.name);

const ADDRESS = /^[0-9a-f.:]*[.:][0-9a-f.:]*$/i;

// A domain is a place; clients (by address, or this host by its name), owners and services choose among the flows.
function href(node: Node, from: From, actions: Actions): string | undefined {
  if (node.name === OTHER) return undefined;
  if (node.column === 0 && from !== "client") {
    const filter = isKind(node.name) ? ownerFilter({ owner: node.name.slice(1) }, []) : ownerFilter({ owner: "user", [from]: node.name }, [from]);
    return filter === undefined ? undefined : actions.link({ filter });
  }
  const change: Partial<View> =
    node.column === 1
      ? { domain: node.name }
      : { filter: node.column === 2 ? serviceFilter(node.name) : ADDRESS.test(node.name) ? `client ${node.name}` : "role client" };
  return actions.link(change);
}

function End({ node, width, light, label, href }: { node: Placed; width: number; light: DrawingProps["light"]; label: string; href: string | undefined }) {
  const { x0 = 0, x1 = 0, y0 = 0, y1 = 0 } = node;
  const right = node.column === 2;
  const room = Math.floor(width / (node.column === 1 ? 3 : 3.4) / 7);
  const events = {
    onMouseEnter: () => light(node.id),
    onMouseLeave: () => light(undefined),
    onFocus: () => light(node.id),
    onBlur: () => light(undefined),
  };
  const content = (
    <>
      <rect class={node.name === OTHER || node.name === "" ? "end rest" : "end"} x={x0} y={y0} width={x1 - x0} height={Math.max(1, y1 - y0)} rx="2" />
      {(y1 - y0 > 3 || width >= 500) && (
        <text x={right ? x0 - 6 : x1 + 6} y={(y0 + y1) / 2} dy="0.35em" text-anchor={right ? "end" : "start"}>
          {shorten(label, room)}
        </text>
      )}
      <title>{`${label}: ${said(bytes(node.value ?? 0))}`}</title>
    </>
  );
  return href === undefined ? <g {...events}>{content}</g> : <a href={href} {...events}>{content}</a>;
}

function PathTable({ paths, owned }: { paths: Path[]; owned: boolean }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Client</th>
          {owned && <th scope="col">Unit</th>}
          {owned && <th scope="col">Process</th>}
          <th scope="col">Domain</th>
          <th scope="col">Service</th>
          <th scope="col" class="number">Bytes</th>
        </tr>
      </thead>
      <tbody>
        {paths.map((p) => (
          <tr key={JSON.stringify([p.client, p.owner, p.unit, p.process, p.domain, p.service])}>
            <th scope="row"><Name>{p.client}</Name></th>
            {owned && <td><Name>{p.unit ?? "–"}</Name></td>}
            {owned && <td><Name>{p.process ?? p.owner ?? "–"}</Name></td>}
            <td><Name>{named(p.domain)}</Name></td>
            <td><Name>{p.service}</Name></td>
            <td class="number"><Bytes value={p.bytes} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
