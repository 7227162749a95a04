// What is looked at: kept in the URL's hash, so that a link, a reload and the back button keep it too.

import { type Sort, SORTS } from "./api";

export const WINDOWS = [60, 300, 3600] as const;

export interface View {
  window: number;
  sort: Sort;
  filter: string;
  // The domain of a drill-down; "" is the traffic without a name.
  domain?: string;
  flow?: string;
  // The interface whose throughput and flows are shown; none: the whole host.
  interface?: string;
  // Throughput of the last day, in minutes.
  day?: boolean;
}

export function readView(hash: string): View {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const window = Number(words.get("window"));
  const sort = words.get("sort") as Sort;
  return {
    window: WINDOWS.some((known) => known === window) ? window : 300,
    sort: SORTS.includes(sort) ? sort : "rate",
    filter: words.get("filter") ?? "",
    domain: words.get("domain") ?? undefined,
    flow: words.get("flow") ?? undefined,
    interface: words.get("interface") ?? undefined,
    day: words.has("day") || undefined,
  };
}

export function writeView(view: View): string {
  const words = new URLSearchParams();
  if (view.window !== 300) words.set("window", String(view.window));
  if (view.sort !== "rate") words.set("sort", view.sort);
  if (view.filter) words.set("filter", view.filter);
  if (view.domain !== undefined) words.set("domain", view.domain);
  if (view.flow !== undefined) words.set("flow", view.flow);
  if (view.interface !== undefined) words.set("interface", view.interface);
  if (view.day) words.set("day", "1");
  return `#${words}`;
}

const quoted = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;

// The expression that the flows are asked for with.
export function expression(view: View): string {
  const drill =
    view.domain === undefined ? "" : view.domain === "" ? 'not domain "*"' : `domain ${quoted(view.domain)}`;
  return drill && view.filter ? `${drill} and (${view.filter})` : drill || view.filter;
}
