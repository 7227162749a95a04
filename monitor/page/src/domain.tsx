// One domain: how much it takes, the names behind it, from whom to what, and its flows.

import type { Live } from "./api";
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
      <Panel class="domain" title="In this time" hint={shown(snapshot.window_seconds)}>
        {domain ? (
          <>
            <Facts
              rows={[
                { label: "Share of all bytes", value: percent(domain.share) },
                { label: "In", value: <Bytes value={domain.received_bytes} /> },
                { label: "Out", value: <Bytes value={domain.transmitted_bytes} /> },
                { label: "Now", value: <Rate value={domain.bytes_per_second} /> },
                { label: "Connections", value: <Count value={domain.connections} /> },
              ]}
            />
            {domain.names && domain.names.length > 0 && (
              <>
                <h3>Names</h3>
                <ul class="names">
                  {domain.names.map((name) => <li key={name}><Name>{name}</Name></li>)}
                </ul>
              </>
            )}
          </>
        ) : <p class="none">Not among the largest of this time; its active flows are below.</p>}
      </Panel>
      <MapPanel paths={paths} window={snapshot.window_seconds} actions={actions} />
      <FlowsPanel live={live} model={model} actions={actions} />
    </div>
  );
}
