// The past that the stream does not tell: of one interface, or of the last day.

import { useEffect, useState } from "preact/hooks";

import type { History } from "./api";
import { milliseconds } from "./format";
import type { View } from "./view";

export interface Past {
  // Seconds since 1970.
  time: number[];
  received: number[];
  transmitted: number[];
}

const DAY = 86_400;

// Asked for whenever a step is over; undefined where the stream tells it all.
export function usePast(view: View, paused: boolean): Past | undefined {
  const [past, set] = useState<Past>();
  const { interface: name, day } = view;
  useEffect(() => {
    set(undefined);
    if (name === undefined && !day) return;
    let timer: number | undefined;
    let left = false;
    const ask = async (): Promise<void> => {
      const words = new URLSearchParams({ range: String(day ? DAY : 3600) });
      if (name !== undefined) words.set("interface", name);
      try {
        const answer = await fetch(`api/v1/history?${words}`);
        if (answer.ok) {
          const history = (await answer.json()) as History;
          const start = milliseconds(history.start) / 1000;
          const received = history.received_bytes_per_second;
          const time = received.map((_, at) => start + at * history.step_seconds);
          if (!left) set({ time, received, transmitted: history.transmitted_bytes_per_second });
        }
      } catch {
        // The header says that weir is away; it is asked again.
      }
      if (!left && !paused) timer = window.setTimeout(() => void ask(), day ? 60_000 : 10_000);
    };
    void ask();
    return () => {
      left = true;
      window.clearTimeout(timer);
    };
  }, [name, day, paused]);
  return name === undefined && !day ? undefined : (past ?? { time: [], received: [], transmitted: [] });
}

// The part of the last so many seconds.
export function lastOf(past: Past, window: number): Past {
  const from = (past.time.at(-1) ?? 0) - window;
  const at = past.time.findIndex((time) => time > from);
  const cut = (values: number[]): number[] => (at > 0 ? values.slice(at) : values);
  return { time: cut(past.time), received: cut(past.received), transmitted: cut(past.transmitted) };
}
