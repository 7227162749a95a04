// One domain: how much it takes, the names behind it, from whom to what, and its flows.

import type { Flow, Live } from "./api";
import type { Actions, Model } from "./app";
import { domainKey } from "./domains";
import { percent, window as shown } from "./format";
import { FlowsPanel } from "./flows";
import { MapPanel } from "./map";
import { Bytes, Count, Facts, Name, Panel, Rate } from "./parts";
import { Trail } from "./trail";

export function DomainPlace({ live, model, actions }: { live: Live; model: Model; actions: Actions }) {
  const key = model.view.domain ?? "";
  const { snapshot } = live;
  const domain = snapshot.domains.find((d) => domainKey(d) === key);
  const paths = snapshot.map.filter((path) => path.domain === key);
  return (
    <div class="grid">
      <Trail model={model} actions={actions} />
      <Panel class="domain" title="Traffic" hint={`last ${shown(snapshot.window_seconds)}`}>
        {domain ? (
          <>
            <Facts
              rows={[
                { label: "Share of all bytes", value: percent(domain.share) },
                { label: "In", value: <Bytes value={domain.received_bytes} /> },
                { label: "Out", value: <Bytes value={domain.transmitted_bytes} /> },
                { label: "Rate", value: <Rate value={domain.bytes_per_second} /> },
                { label: "Connections", value: <Count value={domain.connections} /> },
              ]}
            />
            {domain.names && domain.names.length > 0 && (
              <>
                <h3>Names</h3>
                <table class="names">
                  <tbody>
                    {domain.names.map((name, at) => (
                      <tr key={name}>
                        <th scope="row"><a href={actions.link({ filter: `name "${name.replace(/[\\"]/g, "\\$&")}"` })}><Name>{name}</Name></a></th>
                        <td class="number">{domain.names_bytes?.[at] === undefined ? "" : <Bytes value={domain.names_bytes[at]} />}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </>
            )}
          </>
        ) : <p class="none">Not among the top domains; its active flows are below.</p>}
      </Panel>
      <AddressesPanel flows={live.flows} />
      <MapPanel paths={paths} window={snapshot.window_seconds} actions={actions} />
      <FlowsPanel live={live} model={model} actions={actions} />
    </div>
  );
}

// Servers of the active flows by address.
function AddressesPanel({ flows }: { flows: Flow[] }) {
  const sums = new Map<string, number>();
  for (const flow of flows) sums.set(flow.server_ip, (sums.get(flow.server_ip) ?? 0) + flow.sent.bytes + flow.received.bytes);
  const rows = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 20);
  return (
    <Panel class="domain addresses" title="Addresses" hint="of active flows">
      {rows.length ? (
        <table>
          <tbody>
            {rows.map(([address, bytes]) => (
              <tr key={address}>
                <th scope="row">{address}</th>
                <td class="number"><Bytes value={bytes} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : <p class="none">No active flow.</p>}
    </Panel>
  );
}
