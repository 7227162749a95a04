// Who takes the traffic, as areas.

import { hierarchy, type HierarchyNode, treemap, treemapResquarify } from "d3-hierarchy";
import { useRef } from "preact/hooks";

import type { Domain, Snapshot } from "./api";
import type { Actions } from "./app";
import { percent, window as shown } from "./format";
import { Bar, Bytes, Count, Name, Panel, useWidth } from "./parts";

export function domainName({ kind, domain }: Pick<Domain, "kind" | "domain">): string {
  return kind === "unresolved" ? "unresolved" : kind === "other" ? "other" : domain;
}

// What a drill-down calls it; all others together are no place to go.
export function domainKey({ kind, domain }: Pick<Domain, "kind" | "domain">): string | undefined {
  return kind === "unresolved" ? "" : kind === "other" ? undefined : domain;
}

const sum = (d: Domain): number => d.received_bytes + d.transmitted_bytes;

export function DomainsPanel({ snapshot, actions }: { snapshot: Snapshot; actions: Actions }) {
  const domains = snapshot.domains.filter((d) => sum(d) > 0);
  return (
    <Panel
      class="domains"
      title="Domains"
      hint={`share of bytes, ${shown(snapshot.window_seconds)}`}
      table={() => <DomainTable domains={domains} actions={actions} />}
    >
      {domains.length ? (
        <Treemap domains={domains} actions={actions} />
      ) : (
        <p class="none">No traffic.</p>
      )}
    </Panel>
  );
}

const MOST = 15;

// The largest, and the rest as one.
function folded(domains: Domain[]): Domain[] {
  const named = domains.filter((d) => d.kind === "domain");
  const rest = [...named.slice(MOST), ...domains.filter((d) => d.kind === "other")];
  const shown = [...named.slice(0, MOST), ...domains.filter((d) => d.kind === "unresolved")];
  if (rest.length) {
    const add = (of: (d: Domain) => number): number => rest.reduce((all, d) => all + of(d), 0);
    shown.push({
      domain: "",
      kind: "other",
      received_bytes: add((d) => d.received_bytes),
      transmitted_bytes: add((d) => d.transmitted_bytes),
      bytes_per_second: add((d) => d.bytes_per_second),
      connections: add((d) => d.connections),
      share: add((d) => d.share),
    });
  }
  return shown.sort((a, b) => sum(b) - sum(a));
}

interface Cell {
  key: string;
  domain?: Domain;
  children?: Cell[];
}

const keyOf = (d: Domain): string => `${d.kind}:${d.kind === "domain" ? d.domain : ""}`;

// Areas change their size and keep their place while the same domains are shown; from time to time, and with
// others, they are laid out anew.
const LAYOUTS_KEPT = 60;

function useLayout(domains: Domain[], width: number, height: number) {
  const kept = useRef<{ root: HierarchyNode<Cell>; keys: string; used: number } | undefined>(undefined);
  const keys = `${width}|${domains.map(keyOf).sort().join("|")}`;
  if (!kept.current || kept.current.keys !== keys || kept.current.used > LAYOUTS_KEPT) {
    const root = hierarchy<Cell>({ key: "", children: domains.map((domain) => ({ key: keyOf(domain), domain })) });
    kept.current = { root, keys, used: 0 };
  }
  kept.current.used += 1;
  const { root } = kept.current;
  const current = new Map(domains.map((domain) => [keyOf(domain), domain]));
  root.each((node) => {
    const domain = current.get(node.data.key);
    if (domain) node.data.domain = domain;
  });
  root.sum((cell) => (cell.domain ? sum(cell.domain) : 0));
  return treemap<Cell>().size([width, height]).paddingInner(3).round(true).tile(treemapResquarify.ratio(1.3))(root);
}

const HEIGHT = 330;

function Treemap({ domains, actions }: { domains: Domain[]; actions: Actions }) {
  const [ref, width] = useWidth<HTMLUListElement>();
  const layout = useLayout(folded(domains), width, HEIGHT);
  const leaves = width ? layout.leaves() : [];
  const most = Math.max(...leaves.map((leaf) => leaf.data.domain?.share ?? 0), 1e-9);
  return (
    <ul class="treemap" ref={ref} style={{ height: `${HEIGHT}px` }}>
      {leaves.map((leaf) => {
        const domain = leaf.data.domain;
        if (!domain) return null;
        const [w, h] = [leaf.x1 - leaf.x0, leaf.y1 - leaf.y0];
        // What is too small to be seen is in the table.
        if (w < 4 || h < 4) return null;
        const place = { left: `${leaf.x0}px`, top: `${leaf.y0}px`, width: `${w}px`, height: `${h}px` };
        const tint = Math.round(10 + 38 * Math.sqrt(domain.share / most));
        const name = domainName(domain);
        const key = domainKey(domain);
        const content = (
          <>
            {w > 52 && h > 24 ? <span class="name"><Name>{name}</Name></span> : <span class="hidden">{name}</span>}
            <span class={w > 52 && h > 42 ? "share" : "hidden"}>{percent(domain.share)}</span>
            <Split domain={domain} />
          </>
        );
        const title = `${name}: ${percent(domain.share)}`;
        return (
          <li key={leaf.data.key} class={domain.kind} style={{ ...place, "--tint": `${tint}%` }} title={title}>
            {key === undefined ? <span class="cell">{content}</span> : <a class="cell" href={actions.link({ domain: key })}>{content}</a>}
          </li>
        );
      })}
    </ul>
  );
}

// How much of a domain's bytes came in.
function Split({ domain }: { domain: Domain }) {
  const all = sum(domain);
  return (
    <span class="split" aria-hidden="true">
      <span style={{ width: `${all ? ((100 * domain.received_bytes) / all).toFixed(1) : 0}%` }} />
    </span>
  );
}

function DomainTable({ domains, actions }: { domains: Domain[]; actions: Actions }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Domain</th>
          <th scope="col" class="number" colSpan={2}>Share</th>
          <th scope="col" class="number">In</th>
          <th scope="col" class="number">Out</th>
          <th scope="col" class="number">Connections</th>
        </tr>
      </thead>
      <tbody>
        {domains.map((d) => {
          const key = domainKey(d);
          const name = <Name>{domainName(d)}</Name>;
          return (
            <tr key={keyOf(d)}>
              <th scope="row">{key === undefined ? name : <a href={actions.link({ domain: key })}>{name}</a>}</th>
              <td class="barcell"><Bar share={d.share} /></td>
              <td class="number"><data value={String(d.share)}>{percent(d.share)}</data></td>
              <td class="number"><Bytes value={d.received_bytes} /></td>
              <td class="number"><Bytes value={d.transmitted_bytes} /></td>
              <td class="number"><Count value={d.connections} /></td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
