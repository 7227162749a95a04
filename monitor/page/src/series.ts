// The last hour, step by step: what the stream began with, and what it told since.

import type { History, Snapshot } from "./api";
import { milliseconds } from "./format";

const HOUR = 3600;

const COLUMNS = {
  received_bytes_per_second: (s: Snapshot) => s.received.bytes_per_second,
  transmitted_bytes_per_second: (s: Snapshot) => s.transmitted.bytes_per_second,
  active_flows: (s: Snapshot) => s.flows.active,
  retransmitted_per_second: (s: Snapshot) => s.tcp.retransmitted_per_second,
  dns_queries_per_second: (s: Snapshot) => s.dns.queries_per_second,
};
export type Column = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as Column[];

export class Series {
  // Seconds since 1970.
  readonly time: number[];
  private readonly columns = {} as Record<Column, (number | null)[]>;

  constructor(history?: History) {
    const start = history ? milliseconds(history.start) / 1000 : 0;
    const step = history?.step_seconds ?? 1;
    this.time = (history?.received_bytes_per_second ?? []).map((_, i) => start + i * step);
    for (const name of NAMES) {
      const values = history?.[name] ?? [];
      this.columns[name] = this.time.map((_, i) => values[i] ?? null);
    }
  }

  push(snapshot: Snapshot): void {
    const now = milliseconds(snapshot.time) / 1000;
    const last = this.time.at(-1);
    // The history may end with the interval that the first snapshot is of.
    if (last !== undefined && now < last + 0.5 * Math.min(snapshot.interval_seconds || 1, 1)) return;
    this.time.push(now);
    for (const name of NAMES) this.columns[name].push(COLUMNS[name](snapshot) ?? null);
    let old = 0;
    while (old < this.time.length && (this.time[old] ?? 0) < now - HOUR) old += 1;
    if (old > 0) {
      this.time.splice(0, old);
      for (const name of NAMES) this.columns[name].splice(0, old);
    }
  }

  // The last so many seconds of the time and of some columns.
  last(window: number, ...names: Column[]): { time: number[]; values: (number | null)[][] } {
    const from = (this.time.at(-1) ?? 0) - window;
    let at = this.time.length;
    while (at > 0 && (this.time[at - 1] ?? 0) > from) at -= 1;
    return { time: this.time.slice(at), values: names.map((name) => this.columns[name].slice(at)) };
  }
}
