import { useRef } from "preact/hooks";

import type { Io, Snapshot } from "./api";
import type { Model } from "./app";
import { clock, perSecond, Scale } from "./format";
import { Bytes, Name, Panel, Rate } from "./parts";
import { fit, Plot } from "./plot";
import { savePng } from "./save";

export function ThroughputPanel({ model, snapshot }: { model: Model; snapshot: Snapshot }) {
  const scale = useRef(new Scale()).current;
  const window = model.view.window;
  const last = model.series.last(window, "received_bytes_per_second", "transmitted_bytes_per_second");
  const [received = [], transmitted = []] = last.values;
  fit(scale, received, transmitted);
  const said = (io: Io): string => scale.said(io.bytes_per_second);
  return (
    <Panel class="throughput" title="Throughput" hint={`${scale.unit}; in above the axis, out below`} table={() => <Rates time={last.time} {...{ received, transmitted }} snapshot={snapshot} />}>
      <div class="hero">
        <div class="now">
          <Way name="In" way="in" io={snapshot.received} scale={scale} />
          <Way name="Out" way="out" io={snapshot.transmitted} scale={scale} />
        </div>
        <Plot
          time={last.time}
          received={received}
          transmitted={transmitted}
          window={window}
          scale={scale}
          height={244}
          names={["in", "out"]}
          label={`Throughput over time; now ${said(snapshot.received)} in and ${said(snapshot.transmitted)} out`}
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
