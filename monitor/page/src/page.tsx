import type { Actions, Model } from "./app";
import { DnsPanel } from "./dns";
import { DomainPlace } from "./domain";
import { DomainsPanel } from "./domains";
import { EventsPanel } from "./events";
import { FlowPlace } from "./flow";
import { FlowsPanel } from "./flows";
import { Help } from "./help";
import { Header } from "./header";
import { HostsPanel } from "./hosts";
import { MapPanel } from "./map";
import { OwnersPanel } from "./owners";
import { ServicesPanel } from "./services";
import { TcpPanel } from "./tcp";
import { ThroughputPanel } from "./throughput";
import { Tiles } from "./tiles";
import { Turn } from "./turn";

export interface Props {
  model: Model;
  actions: Actions;
}

export function Page(props: Props) {
  return (
    <>
      <Header {...props} />
      <main class={props.model.away === undefined ? undefined : "away"}>
        <Place {...props} />
        {props.model.help && <Help close={() => props.actions.help(false)} />}
      </main>
    </>
  );
}

function Place({ model, actions }: Props) {
  const { live, view } = model;
  if (view.flow !== undefined) return <FlowPlace id={view.flow} model={model} actions={actions} />;
  if (!live) return <p class="waiting">Waiting for the first snapshot …</p>;
  const snapshot = live.snapshot;
  if (view.domain !== undefined) return <DomainPlace live={live} model={model} actions={actions} />;
  return (
    <div class="grid">
      <ThroughputPanel model={model} snapshot={snapshot} actions={actions} />
      <Tiles model={model} snapshot={snapshot} actions={actions} />
      <Turn frame={1}>
        <DomainsPanel snapshot={snapshot} actions={actions} />
      </Turn>
      <Turn frame={2}>
        <MapPanel paths={snapshot.map} window={snapshot.window_seconds} actions={actions} />
      </Turn>
      <Turn frame={3}>
        <FlowsPanel live={live} model={model} actions={actions} />
      </Turn>
      <Turn frame={5}>
        <OwnersPanel snapshot={snapshot} actions={actions} />
      </Turn>
      <Turn frame={6}>
        <TcpPanel snapshot={snapshot} />
        <DnsPanel snapshot={snapshot} />
      </Turn>
      <Turn frame={7}>
        <HostsPanel snapshot={snapshot} actions={actions} />
        <ServicesPanel snapshot={snapshot} actions={actions} />
        <EventsPanel events={snapshot.events} actions={actions} />
      </Turn>
    </div>
  );
}
