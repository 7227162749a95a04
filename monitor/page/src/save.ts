// Tables and charts as files.

import type { Flow } from "./api";

function save(name: string, data: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

const stamp = (): string => new Date().toISOString().slice(0, 19).replaceAll(":", "");

// A cell that no spreadsheet runs.
function cell(value: string | number | undefined): string {
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const COLUMNS: [string, (flow: Flow) => string | number | undefined][] = [
  ["start", (f) => f.start],
  ["last", (f) => f.last],
  ["interface", (f) => f.interface],
  ["transport", (f) => f.transport],
  ["client_ip", (f) => f.client_ip],
  ["client_port", (f) => f.client_port],
  ["server_ip", (f) => f.server_ip],
  ["server_port", (f) => f.server_port],
  ["name", (f) => f.name],
  ["domain", (f) => f.domain],
  ["application", (f) => f.application],
  ["state", (f) => f.state],
  ["sent.bytes", (f) => f.sent.bytes],
  ["received.bytes", (f) => f.received.bytes],
  ["sent.packets", (f) => f.sent.packets],
  ["received.packets", (f) => f.received.packets],
  ["sent.bytes_per_second", (f) => f.sent.bytes_per_second],
  ["received.bytes_per_second", (f) => f.received.bytes_per_second],
];

export function saveCsv(flows: Flow[], host: string): void {
  const rows = [COLUMNS.map(([name]) => name), ...flows.map((flow) => COLUMNS.map(([, of]) => cell(of(flow))))];
  save(`weir-flows-${host}-${stamp()}.csv`, new Blob([rows.map((row) => row.join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
}

export function savePng(canvas: HTMLCanvasElement, name: string): void {
  // The chart is transparent; a picture has the page's background.
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [canvas.width, canvas.height];
  const context = picture.getContext("2d");
  if (!context) return;
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, 0);
  picture.toBlob((data) => data && save(`weir-${name}-${stamp()}.png`, data), "image/png");
}
