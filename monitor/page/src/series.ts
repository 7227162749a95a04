// The last hour, step by step: what the stream began with, and what it told since.

import type { History } from "./api";
import { milliseconds } from "./format";

const HOUR = 3600;

const COLUMNS = [
  "received_bytes_per_second",
  "transmitted_bytes_per_second",
  "active_flows",
  "retransmitted_per_second",
  "dns_queries_per_second",
] as const;
export type Column = (typeof COLUMNS)[number];

export class Series {
  // Seconds since 1970.
  private readonly time: number[] = [];
  private readonly columns = Object.fromEntries(COLUMNS.map((name) => [name, []])) as unknown as Record<Column, number[]>;

  // Goes on with the steps after those that are known. False: they do not follow, for the clock was set; all steps
  // have other times now.
  push(history: History): boolean {
    const start = milliseconds(history.start) / 1000;
    const steps = history.received_bytes_per_second.map((_, at) => start + at * history.step_seconds);
    const known = this.time.at(-1) ?? -Infinity;
    const off = start - known - history.step_seconds;
    if (steps.length > 0 && Number.isFinite(known) && Math.abs(off) > history.step_seconds) return false;
    for (const [at, time] of steps.entries()) {
      if (time <= known) continue;
      this.time.push(time);
      for (const name of COLUMNS) this.columns[name].push(history[name][at] ?? 0);
    }
    const begin = (this.time.at(-1) ?? 0) - HOUR;
    const old = this.time.findIndex((time) => time >= begin);
    if (old > 0) {
      this.time.splice(0, old);
      for (const name of COLUMNS) this.columns[name].splice(0, old);
    }
    return true;
  }

  // The last so many seconds of the time and of some columns.
  last(window: number, ...names: Column[]): { time: number[]; values: number[][] } {
    const from = (this.time.at(-1) ?? 0) - window;
    let at = this.time.length;
    while (at > 0 && (this.time[at - 1] ?? 0) > from) at -= 1;
    return { time: this.time.slice(at), values: names.map((name) => this.columns[name].slice(at)) };
  }
}
