// One stream of snapshots, opened anew whenever it breaks.

import type { History, Live } from "./api";
import { expression, type View } from "./view";

const RETRY = [500, 1000, 2000, 3000];
// A stream that is silent for so long is dead, whatever TCP says of it: weir says something every ten seconds.
const SILENCE = 30_000;
const FLOWS = 50;

export interface Listener {
  history(history: History): void;
  live(live: Live): void;
  // Since when weir has not answered, or that it does again.
  away(since: number | undefined): void;
}

export class Stream {
  private source: EventSource | undefined;
  private retry: number | undefined;
  private watch: number | undefined;
  private failures = 0;
  private since: number | undefined;

  constructor(private readonly listener: Listener) {}

  open(view: View): void {
    this.close();
    const words = new URLSearchParams({
      window: String(view.window),
      sort: view.sort,
      limit: String(FLOWS),
    });
    const filter = expression(view);
    if (filter) words.set("filter", filter);
    if (view.interface !== undefined) words.set("interface", view.interface);
    const source = new EventSource(`api/v1/live/stream?${words}`);
    this.source = source;
    const fail = (): void => {
      if (this.source !== source) return;
      this.close();
      this.since ??= Date.now();
      this.listener.away(this.since);
      const pause = RETRY[Math.min(this.failures, RETRY.length - 1)];
      this.failures += 1;
      this.retry = window.setTimeout(() => this.open(view), pause);
    };
    const heard = (): void => {
      window.clearTimeout(this.watch);
      this.watch = window.setTimeout(fail, SILENCE);
    };
    source.addEventListener("history", (message) => {
      heard();
      this.listener.history(JSON.parse(message.data) as History);
    });
    source.addEventListener("live", (message) => {
      heard();
      this.failures = 0;
      this.since = undefined;
      this.listener.away(undefined);
      this.listener.live(JSON.parse(message.data) as Live);
    });
    source.addEventListener("quiet", heard);
    source.addEventListener("error", fail);
    heard();
  }

  close(): void {
    window.clearTimeout(this.retry);
    window.clearTimeout(this.watch);
    this.source?.close();
    this.source = undefined;
  }
}

// Why weir does not take a filter; undefined when it does or is not there to say.
export async function problem(filter: string): Promise<string | undefined> {
  if (!filter) return undefined;
  try {
    const answer = await fetch(`api/v1/flows?limit=0&filter=${encodeURIComponent(filter)}`);
    if (answer.status !== 400) return undefined;
    const { error } = (await answer.json()) as { error?: string };
    return error ?? "weir does not understand this filter";
  } catch {
    return undefined;
  }
}
