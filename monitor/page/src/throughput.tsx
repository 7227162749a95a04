import { useRef } from "preact/hooks";

import type { Io, Snapshot } from "./api";
import type { Actions, Model } from "./app";
import { clock, perSecond, Scale } from "./format";
import { Bytes, Name, Panel, Rate } from "./parts";
import { lastOf, usePast } from "./past";
import { fit, Plot } from "./plot";
import { savePng } from "./save";

const DAY = 86_400;

export function ThroughputPanel({ model, snapshot, actions }: { model: Model; snapshot: Snapshot; actions: Actions }) {
  const scale = useRef(new Scale()).current;
  const { interface: chosen, day } = model.view;
  const past = usePast(model.view, model.paused);
  const window = day ? DAY : model.view.window;
  const of = snapshot.interfaces.find(({ name }) => name === chosen);
  const now = chosen === undefined ? snapshot : { received: of?.received ?? NOTHING, transmitted: of?.transmitted ?? NOTHING };
  const told = model.series.last(model.view.window, "received_bytes_per_second", "transmitted_bytes_per_second");
  const shown = past ? lastOf(past, window) : { time: told.time, received: told.values[0] ?? [], transmitted: told.values[1] ?? [] };
  const { time, received, transmitted } = shown;
  fit(scale, received, transmitted);
  const said = (io: Io): string => scale.said(io.bytes_per_second);
  const where = chosen === undefined ? "" : ` of ${chosen}`;
  return (
    <Panel class="throughput" title="Throughput" hint={`${scale.unit}; in above the axis, out below`} table={() => <Rates time={time} {...{ received, transmitted }} snapshot={snapshot} />}>
      <Chooser snapshot={snapshot} model={model} actions={actions} />
      <div class="hero">
        <div class="now">
          <Way name="In" way="in" io={now.received} scale={scale} />
          <Way name="Out" way="out" io={now.transmitted} scale={scale} />
        </div>
        <Plot
          time={time}
          received={received}
          transmitted={transmitted}
          window={window}
          scale={scale}
          height={244}
          names={["in", "out"]}
          label={`Throughput${where} over time; now ${said(now.received)} in and ${said(now.transmitted)} out`}
        />
      </div>
      <p class="export">
        <button type="button" class="quiet" onClick={(event) => {
            const canvas = event.currentTarget.closest(".panel")?.querySelector("canvas");
            if (canvas) savePng(canvas, "throughput");
          }}>Save as PNG</button>
      </p>
    </Panel>
  );
}

const NOTHING: Io = { bytes: 0, packets: 0, bytes_per_second: 0, packets_per_second: 0 };

// Whose throughput, and how far back. An interface that is chosen stays in the list when it is gone.
function Chooser({ snapshot, model, actions }: { snapshot: Snapshot; model: Model; actions: Actions }) {
  const { interface: chosen, day } = model.view;
  const names = snapshot.interfaces.map(({ name }) => name);
  if (chosen !== undefined && !names.includes(chosen)) names.push(chosen);
  return (
    <div class="chooser">
      {names.length > 1 || chosen !== undefined ? (
        <label>
          Interface{" "}
          <select value={chosen ?? ""} onChange={(event) => actions.go({ interface: event.currentTarget.value || undefined })}>
            <option value="">All, each flow once</option>
            {names.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        </label>
      ) : null}
      <label>
        <input type="checkbox" checked={day ?? false} onChange={(event) => actions.go({ day: event.currentTarget.checked || undefined })} />{" "}
        Last 24 h
      </label>
    </div>
  );
}

function Way({ name, way, io, scale }: { name: string; way: "in" | "out"; io: Io; scale: Scale }) {
  return (
    <div class={`way ${way}`}>
      <h3>
        <Arrow way={way} /> {name}
      </h3>
      <p class="big">
        <data value={String(io.bytes_per_second)}>{scale.number(io.bytes_per_second)}</data>{" "}
        <span class="unit">{scale.unit}</span>
      </p>
      <p class="soft">
        <span class="cell">{perSecond(io.packets_per_second)} packets/s</span>
        <span class="cell total">
          <Bytes value={io.bytes} /> total
        </span>
      </p>
    </div>
  );
}

export function Arrow({ way }: { way: "in" | "out" }) {
  return (
    <svg class={`arrow ${way}`} viewBox="0 0 12 12" aria-hidden="true">
      <path d={way === "in" ? "M6 1v9M2 6l4 4 4-4" : "M6 11V2M2 6l4-4 4 4"} />
    </svg>
  );
}

// Ten means of the time shown, and each interface now.
function Rates(props: { time: number[]; received: number[]; transmitted: number[]; snapshot: Snapshot }) {
  const size = Math.max(1, Math.ceil(props.time.length / 10));
  const mean = (values: number[], at: number): number => {
    const part = values.slice(at, at + size);
    return part.reduce((sum, v) => sum + v, 0) / Math.max(1, part.length);
  };
  const starts = props.time.map((_, i) => i).filter((i) => i % size === 0);
  return (
    <div class="pair">
      <table>
        <caption>Means over the time range</caption>
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col" class="number">In</th>
            <th scope="col" class="number">Out</th>
          </tr>
        </thead>
        <tbody>
          {starts.map((at) => (
            <tr key={at}>
              <th scope="row">{clock((props.time[at] ?? 0) * 1000)}</th>
              <td class="number"><Rate value={mean(props.received, at)} /></td>
              <td class="number"><Rate value={mean(props.transmitted, at)} /></td>
            </tr>
          ))}
        </tbody>
      </table>
      <table>
        <caption>Interfaces</caption>
        <thead>
          <tr>
            <th scope="col">Interface</th>
            <th scope="col" class="number">In</th>
            <th scope="col" class="number">Out</th>
            <th scope="col" class="number">In, total</th>
            <th scope="col" class="number">Out, total</th>
          </tr>
        </thead>
        <tbody>
          {props.snapshot.interfaces.map(({ name, received, transmitted }) => (
            <tr key={name}>
              <th scope="row"><Name>{name}</Name></th>
              <td class="number"><Rate value={received.bytes_per_second} /></td>
              <td class="number"><Rate value={transmitted.bytes_per_second} /></td>
              <td class="number"><Bytes value={received.bytes} /></td>
              <td class="number"><Bytes value={transmitted.bytes} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
