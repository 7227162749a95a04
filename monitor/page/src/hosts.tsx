// Other hosts: who this one talks to, or, on a router, who talks through it.

import type { Snapshot } from "./api";
import type { Actions } from "./app";
import { window as shown } from "./format";
import { Bytes, Count, Panel, Scroll, Share } from "./parts";

export function HostsPanel({ snapshot, actions }: { snapshot: Snapshot; actions: Actions }) {
  const hosts = snapshot.hosts ?? [];
  return (
    <Panel class="half hosts" title="Hosts" hint={`by address, last ${shown(snapshot.window_seconds)}`}>
      {hosts.length ? (
        <Scroll label="Hosts">
          <table>
            <thead>
              <tr>
                <th scope="col">Address</th>
                <th scope="col" class="number">Share</th>
                <th scope="col" class="number">In</th>
                <th scope="col" class="number">Out</th>
                <th scope="col" class="number">Flows</th>
              </tr>
            </thead>
            <tbody>
              {hosts.map((h) => (
                <tr key={h.address}>
                  <th scope="row">{h.address === "other" ? "other" : <a href={actions.link({ filter: `host ${h.address}` })}>{h.address}</a>}</th>
                  <td class="number"><Share value={h.share} /></td>
                  <td class="number"><Bytes value={h.received_bytes} /></td>
                  <td class="number"><Bytes value={h.transmitted_bytes} /></td>
                  <td class="number"><Count value={h.connections} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      ) : <p class="none">No traffic.</p>}
    </Panel>
  );
}
