// Draws a board from its JSON with Grafana's own components, and says of each panel what is wrong with it.

import {
  applyFieldOverrides, createDataFrame, getDisplayValueAlignmentFactors, createTheme, type DataFrame, dateTime, type FieldConfigSource, FieldConfigOptionsRegistry,
  FieldType, formattedValueToString, getFieldDisplayValues, type GrafanaTheme2, type InterpolateFunction, standardTransformers,
  standardTransformersRegistry, ThemeContext, type TimeRange, transformDataFrame,
} from "@grafana/data";
import { BarGauge, BigValue, BigValueColorMode, BigValueGraphMode, GlobalStyles, Table, TimeSeries } from "@grafana/ui";
import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import { createRoot } from "react-dom/client";
import { firstValueFrom } from "rxjs";

interface Target { refId: string; expr: string; legendFormat: string; format: string; instant: boolean }
interface Panel {
  id: number; type: string; title: string; gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[]; fieldConfig?: FieldConfigSource; options?: any; transformations?: any[];
}
interface Board { uid: string; title: string; panels: Panel[] }
interface Input { board: Board; prometheus: string; from: number; to: number; values: Record<string, string>; mayBeEmpty: string[] }
interface Answer { metric: Record<string, string>; values?: [number, string][]; value?: [number, string] }
interface Drawn { panel: Panel; frames: DataFrame[]; answers: Answer[][]; problems: string[] }

declare const INPUT: Input;

const CELL = 30;
const COLUMN = 64;
const GAP = 8;
const theme: GrafanaTheme2 = createTheme({ colors: { mode: "dark" } });
const { board, prometheus, from, to, values, mayBeEmpty } = INPUT;
const timeRange: TimeRange = { from: dateTime(from * 1000), to: dateTime(to * 1000), raw: { from: "now-1h", to: "now" } };

const substitute = (text: string): string =>
  text.replace(/\$\{?(\w+)(?::\w+)?\}?/g, (whole, name: string) => values[name] ?? whole);
const replace: InterpolateFunction = (text) => (text ? substitute(text) : "");

// Grafana's options of fields that our boards use, with the way that each is taken from a panel.
const registry = new FieldConfigOptionsRegistry(() => {
  const item = (path: string, isCustom = false): any => ({
    id: isCustom ? `custom.${path}` : path, path, isCustom, name: path, description: "", settings: {},
    process: (value: unknown) => value, shouldApply: () => true, editor: () => null, override: () => null,
  });
  const own = ["unit", "min", "max", "decimals", "displayName", "color", "thresholds", "mappings", "links", "noValue"];
  const custom = [
    "drawStyle", "lineWidth", "fillOpacity", "showPoints", "spanNulls", "stacking", "thresholdsStyle", "transform", "align",
    "cellOptions", "width", "hidden", "axisPlacement", "lineInterpolation", "gradientMode", "hideFrom",
  ];
  return [...own.map((path) => item(path)), ...custom.map((path) => item(path, true))];
});

standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(standardTransformers).map((info: any) => [info.id, info])).values()].map((info: any) => ({
    id: info.id, name: info.name, description: "", imageDark: "", imageLight: "", editor: () => null,
    transformation: () => Promise.resolve(info), defaultOptions: info.defaultOptions,
  })),
);

async function ask(target: Target): Promise<Answer[]> {
  const words = new URLSearchParams({ query: substitute(target.expr) });
  const range = !target.instant;
  if (range) {
    words.set("start", String(from));
    words.set("end", String(to));
    words.set("step", values["__interval_s"] ?? "15");
  } else words.set("time", String(to));
  const answer = await fetch(`${prometheus}/api/v1/${range ? "query_range" : "query"}?${words}`);
  const { status, data, error } = await answer.json();
  if (status !== "success") throw new Error(`${target.refId}: ${error}`);
  return data.result;
}

const legend = (target: Target, metric: Record<string, string>): string =>
  target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => metric[label] ?? "");

const number = (text: string): number => Number(text.replace("Inf", "Infinity"));

// Grafana's data source leaves a gap where Prometheus has no number.
const point = (text: string): number | null => (text === "NaN" ? null : number(text));

// As Grafana's data source makes frames of answers.
function frames(target: Target, answers: Answer[], single: boolean): DataFrame[] {
  if (target.format === "table") {
    const labels = [...new Set(answers.flatMap(({ metric }) => Object.keys(metric)))].sort();
    if (!answers.length) return [];
    return [createDataFrame({ refId: target.refId, fields: [
      { name: "Time", type: FieldType.time, values: answers.map(({ value }) => value![0] * 1000) },
      ...labels.map((label) => ({ name: label, type: FieldType.string, values: answers.map(({ metric }) => metric[label] ?? "") })),
      { name: single ? "Value" : `Value #${target.refId}`, type: FieldType.number, values: answers.map(({ value }) => number(value![1])) },
    ] })];
  }
  return answers.map(({ metric, values: points, value }) => {
    const all = points ?? [value!];
    return createDataFrame({ refId: target.refId, name: legend(target, metric), fields: [
      { name: "Time", type: FieldType.time, values: all.map(([time]) => time * 1000), config: {} },
      {
        name: "Value", type: FieldType.number, labels: metric, values: all.map(([, text]) => point(text)),
        config: { displayNameFromDS: legend(target, metric) },
      },
    ] });
  });
}

async function prepare(panel: Panel): Promise<Drawn> {
  const problems: string[] = [];
  const targets = panel.targets ?? [];
  const answers: Answer[][] = [];
  let data: DataFrame[] = [];
  try {
    for (const target of targets) {
      const answer = await ask(target);
      answers.push(answer);
      data.push(...frames(target, answer, targets.length === 1));
    }
    if (panel.transformations?.length) data = await firstValueFrom(transformDataFrame(panel.transformations as any, data));
    // Prometheus' times are no column that a person reads.
    if (panel.type === "table") {
      data = data.map((frame) => ({ ...frame, fields: frame.fields.filter(({ type }) => type !== FieldType.time) }));
    }
    data = applyFieldOverrides({
      data, fieldConfig: panel.fieldConfig!, replaceVariables: replace, theme, fieldConfigRegistry: registry, timeZone: "utc",
    });
  } catch (error) {
    problems.push(String(error));
  }
  if (!data.some(({ length }) => length > 0) && !problems.length) problems.push("is empty");
  return { panel, frames: data, answers, problems };
}

function Heat({ drawn, width, height }: { drawn: Drawn; width: number; height: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const bound = (answer: Answer): number => number(answer.metric["le"] ?? "+Inf");
  const rows = [...(drawn.answers[0] ?? [])].sort((a, b) => bound(a) - bound(b));
  const unit = drawn.frames[0]?.fields[1]?.display;
  useEffect(() => {
    const to2d = canvas.current?.getContext("2d");
    if (!to2d || !rows.length) return;
    const times = [...new Set(rows.flatMap(({ values: points }) => points!.map(([time]) => time)))].sort((a, b) => a - b);
    const at = rows.map(({ values: points }) => new Map(points!.map(([time, text]) => [time, number(text)])));
    // Buckets are cumulative.
    const cells = rows.map((_, i) => times.map((t) => Math.max(0, (at[i]!.get(t) ?? 0) - (i ? (at[i - 1]!.get(t) ?? 0) : 0))));
    const most = Math.max(...cells.flat(), 1e-9);
    const [left, h, w] = [64, (height - 24) / rows.length, (width - 64) / times.length];
    cells.forEach((row, i) => row.forEach((value, j) => {
      if (value <= 1e-9) return;
      to2d.fillStyle = `hsl(${240 - 240 * Math.sqrt(value / most)}, 70%, 55%)`;
      to2d.fillRect(left + j * w, height - 24 - (i + 1) * h, Math.max(1, w - 1), Math.max(1, h - 1));
    }));
    to2d.fillStyle = theme.colors.text.secondary;
    to2d.font = "11px sans-serif";
    const every = Math.ceil(rows.length / 8);
    rows.forEach((row, i) => {
      const text = Number.isFinite(bound(row)) && unit ? formattedValueToString(unit(bound(row))) : "+Inf";
      if (i % every === 0) to2d.fillText(text, 4, height - 24 - i * h - 2);
    });
    times.forEach((time, j) => {
      if (j % Math.ceil(times.length / 6) === 0) to2d.fillText(new Date(time * 1000).toISOString().slice(11, 16), left + j * w, height - 8);
    });
  });
  return <canvas ref={canvas} width={width} height={height} />;
}

// What a stat shows, and whether the query's last number is that.
const shown: { panel: string; text: string; value: number }[] = [];

function Content({ drawn, width, height }: { drawn: Drawn; width: number; height: number }) {
  const { panel, frames: data } = drawn;
  const of = (sparkline: boolean): any[] => getFieldDisplayValues({
    data, fieldConfig: panel.fieldConfig!, reduceOptions: panel.options.reduceOptions, replaceVariables: replace, theme,
    sparkline, timeZone: "utc",
  });
  if (panel.type === "stat") {
    const all = of(true);
    return <div style={{ display: "flex" }}>{all.map((one, at) => {
      shown.push({ panel: panel.title, text: formattedValueToString(one.display), value: one.display.numeric });
      return <BigValue key={at} theme={theme} value={one.display} sparkline={one.sparkline} width={width / all.length} height={height}
        count={all.length} textMode={panel.options.textMode} colorMode={BigValueColorMode.Value} graphMode={BigValueGraphMode.Area} />;
    })}</div>;
  }
  if (panel.type === "bargauge") {
    const all = of(false);
    const factors = getDisplayValueAlignmentFactors(all);
    const each = Math.min(46, height / Math.max(1, all.length));
    return <>{all.map((one, at) => (
      <BarGauge key={at} theme={theme} value={one.display} field={one.field} display={one.view?.getFieldDisplayProcessor(one.colIndex)}
        alignmentFactors={factors} width={width} height={each} orientation={"horizontal" as any} displayMode={panel.options.displayMode} showUnfilled
        text={{ titleSize: 12, valueSize: 14 }} />
    ))}</>;
  }
  if (!data.some(({ length }) => length > 0)) return <p style={{ textAlign: "center" }}>No data</p>;
  if (panel.type === "timeseries") {
    return <TimeSeries frames={data} width={width} height={height} timeRange={timeRange} timeZone="utc" legend={panel.options.legend}
      options={panel.options} />;
  }
  if (panel.type === "table") {
    return data[0] ? <Table data={data[0]} width={width} height={height} initialSortBy={panel.options.sortBy} /> : null;
  }
  return <Heat drawn={drawn} width={width} height={height} />;
}

function Page({ all }: { all: Drawn[] }) {
  const bottom = Math.max(...board.panels.map(({ gridPos: { y, h } }) => y + h));
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: "relative", width: 24 * COLUMN + 2 * GAP, height: bottom * (CELL + GAP) + 60, background: theme.colors.background.canvas }}>
        <h1 style={{ fontSize: 20, margin: 0, padding: "14px 16px" }}>{board.title}</h1>
        {board.panels.map((panel) => {
          const { x, y, w, h } = panel.gridPos;
          const place = { position: "absolute" as const, left: GAP + x * COLUMN, top: 52 + y * (CELL + GAP), width: w * COLUMN - GAP };
          if (panel.type === "row") return <h2 key={panel.id} style={{ ...place, fontSize: 16, margin: 0, paddingTop: 8 }}>{panel.title}</h2>;
          const drawn = all.find((one) => one.panel === panel)!;
          const height = h * (CELL + GAP) - GAP;
          return (
            <section key={panel.id} data-panel={panel.title} style={{ ...place, height, background: theme.colors.background.primary, border: `1px solid ${theme.colors.border.weak}`, overflow: "hidden" }}>
              <h3 style={{ fontSize: 14, margin: 0, padding: "6px 8px", height: 30, whiteSpace: "nowrap", overflow: "hidden" }}>{panel.title}</h3>
              <div style={{ padding: "0 8px", overflow: "hidden" }}><Content drawn={drawn} width={w * COLUMN - GAP - 18} height={height - 40} /></div>
            </section>
          );
        })}
      </div>
    </ThemeContext.Provider>
  );
}

// Whether a plot has colours: its axes and its grid are grey.
function isDrawn(canvas: HTMLCanvasElement): boolean {
  const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = [data[at]!, data[at + 1]!, data[at + 2]!];
    if (data[at + 3]! > 24 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) return true;
  }
  return false;
}

// What a person sees: no panel is empty, says what is no value, or has a number that is not the query's.
function judge({ panel, answers, problems }: Drawn, section: Element | null): void {
  const text = section?.textContent ?? "";
  const drawnText = text.replace(panel.title, "");
  for (const word of ["undefined", "NaN", "null", "Invalid", "[object"]) if (drawnText.includes(word)) problems.push(`says ${word}`);
  if (/\{\{|\$\{|\$_|#[A-Z]\b/.test(drawnText)) problems.push("shows what was not substituted");
  for (const target of panel.targets ?? []) {
    const known = target.legendFormat.replace(/\{\{\s*\w+\s*\}\}/g, "").trim();
    if (panel.type === "timeseries" && known === "" && target.legendFormat === "") problems.push(`${target.refId} has no legend`);
  }
  if (panel.type === "timeseries" && !section?.querySelector("canvas")) problems.push("has no plot");
  if (panel.type === "timeseries" && section?.querySelector("canvas") && !isDrawn(section.querySelector("canvas")!)) problems.push("has no line");
  if (panel.type === "timeseries" && section) {
    for (const cell of section.querySelectorAll<HTMLElement>("[class*=LegendLabel], button")) {
      if (cell.textContent?.trim() === "") continue;
      if (cell.scrollWidth > cell.clientWidth + 1 && cell.clientWidth < 40) problems.push(`the legend cuts ${cell.textContent}`);
    }
  }
  if (panel.type === "table" && !/\d/.test(drawnText)) problems.push("has no rows");
  if (panel.type === "stat") {
    const last = (answers[0] ?? []).map(({ values: points }) => points!.map(([, t]) => number(t)).filter((n) => !Number.isNaN(n)).at(-1));
    const seen = shown.filter(({ panel: title }) => title === panel.title).map(({ value }) => value);
    if (answers.length === 1 && last.some((value) => value !== undefined && !seen.includes(value))) problems.push(`shows ${seen}, the query says ${last}`);
    for (const { text: said } of shown.filter(({ panel: title }) => title === panel.title)) {
      if (!text.replace(/\s/g, "").includes(said.replace(/\s/g, ""))) problems.push(`does not say ${said}`);
    }
  }
}

async function main(): Promise<void> {
  const all = await Promise.all(board.panels.filter(({ type }) => type !== "row").map(prepare));
  const root = document.createElement("div");
  document.body.append(root);
  document.body.style.margin = "0";
  createRoot(root, { onUncaughtError: (error) => document.body.setAttribute("data-failed", String(error)) }).render(<Page all={all} />);
  // Plots and tables are laid out in frames after the first.
  await new Promise((done) => setTimeout(done, 1500));
  for (const drawn of all) judge(drawn, document.querySelector(`[data-panel="${CSS.escape(drawn.panel.title)}"]`));
  const problems = all.flatMap(({ panel, problems: found }) =>
    found.filter((what) => what !== "is empty" && what !== "has no rows" && what !== "has no plot" || !mayBeEmpty.includes(panel.title))
      .map((what) => `${panel.title}: ${what}`));
  const failed = document.body.getAttribute("data-failed");
  if (failed) problems.push(failed);
  const result = document.createElement("pre");
  result.id = "result";
  result.hidden = true;
  result.textContent = JSON.stringify({ problems, panels: all.length, height: root.scrollHeight });
  document.body.append(result);
}

void main();
