// Received above the line, transmitted below it, bits a second.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { clock, Scale } from "./format";
import { useDark, useWidth } from "./parts";

interface PlotProps {
  time: number[];
  received: number[];
  transmitted: number[];
  // Seconds that the axis spans.
  window: number;
  scale: Scale;
  height: number;
  label: string;
  names: [string, string];
}

const largest = (values: number[]): number => values.reduce((most, v) => Math.max(most, v), 0);

// An end of the axis that moves rarely: up when it must, down when most of it is empty.
function rounded(kept: number, needed: number): number {
  if (needed <= kept && needed > kept * 0.35) return kept;
  const power = 10 ** Math.floor(Math.log10(Math.max(needed, 1)));
  return power * ([1, 1.5, 2, 3, 4, 5, 7.5].find((step) => step * power >= needed * 1.05) ?? 10);
}

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function Plot(props: PlotProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const dark = useDark();
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  const ends = useRef({ up: 1, down: 1 });
  const readout = useRef<HTMLParagraphElement>(null);
  latest.current = props;

  useEffect(() => {
    if (!ref.current || !width) return undefined;
    const made = make(ref.current, width, props.height, latest, ends, readout);
    plot.current = made;
    made.setData(data(latest.current));
    return () => {
      plot.current = undefined;
      made.destroy();
    };
  }, [width, dark, props.height]);

  useEffect(() => {
    const e = ends.current;
    e.up = rounded(e.up, 8 * largest(props.received));
    e.down = rounded(e.down, 8 * largest(props.transmitted));
    // Neither side is squeezed until it shows nothing.
    e.up = Math.max(e.up, e.down / 3);
    e.down = Math.max(e.down, e.up / 3);
    plot.current?.setData(data(props));
  });

  return (
    <div class="plot">
      <div ref={ref} role="img" aria-label={props.label} style={{ height: `${props.height}px` }} />
      <p class="readout" ref={readout} aria-hidden="true" />
    </div>
  );
}

function data({ time, received, transmitted }: PlotProps): uPlot.AlignedData {
  return [time, received.map((v) => v * 8), transmitted.map((v) => v * -8)];
}

function make(
  target: HTMLElement,
  width: number,
  height: number,
  latest: { current: PlotProps },
  ends: { current: { up: number; down: number } },
  readout: { current: HTMLElement | null },
): uPlot {
  const [ink, line, incoming, outgoing] = [color("--soft"), color("--line"), color("--in"), color("--out")];
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  const series = (stroke: string): uPlot.Series => ({
    stroke,
    width: 1.5,
    fill: `${stroke}38`,
    fillTo: 0,
    points: { show: false },
  });
  const range = (u: uPlot): uPlot.Range.MinMax => {
    const end = u.data[0].at(-1) ?? Date.now() / 1000;
    return [end - latest.current.window, end];
  };
  return new uPlot(
    {
      width,
      height,
      padding: [6, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { time: true, range },
        y: { range: () => [-ends.current.down, ends.current.up] },
      },
      series: [{}, series(incoming), series(outgoing)],
      axes: [
        {
          ...axis,
          size: 26,
          space: width < 500 ? 64 : 90,
          grid: { show: false },
          values: (_, ticks) => ticks.map((t) => clock(t * 1000).slice(0, latest.current.window > 600 || width < 500 ? 5 : 8)),
        },
        {
          ...axis,
          size: 46,
          space: 34,
          values: (_, ticks) => ticks.map((v) => latest.current.scale.tick(Math.abs(v))),
        },
      ],
      hooks: {
        setCursor: [
          (u) => {
            if (!readout.current) return;
            const at = u.cursor.idx;
            const { received, transmitted, time, scale, names } = latest.current;
            readout.current.textContent =
              at === null || at === undefined || !time[at]
                ? ""
                : `${clock(time[at] * 1000)}  ${names[0]} ${scale.said(received[at] ?? 0)}, ${names[1]} ${scale.said(transmitted[at] ?? 0)}`;
          },
        ],
      },
    },
    [[], [], []],
    target,
  );
}

export function fit(scale: Scale, ...columns: number[][]): void {
  scale.fit(Math.max(1, ...columns.map(largest)));
}
