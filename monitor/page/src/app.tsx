// State and actions of the page.

import { render } from "preact";

import type { Live } from "./api";
import { Page } from "./page";
import { Series } from "./series";
import { ratesInBytes, setRatesInBytes } from "./format";
import { problem, Stream } from "./stream";
import { readView, type View, writeView } from "./view";

export interface Model {
  view: View;
  series: Series;
  live: Live | undefined;
  paused: boolean;
  // Since when weir has not answered, milliseconds.
  away: number | undefined;
  // What is wrong with the filter.
  problem: string | undefined;
  // Keys and filters are explained.
  help: boolean;
  // Rates in bytes, not in bits.
  inBytes: boolean;
}

export interface Actions {
  // Changes what is looked at; an entry of the browser's history.
  go(change: Partial<View>): void;
  // The address of a changed view.
  link(change: Partial<View>): string;
  pause(paused: boolean): void;
  help(shown: boolean): void;
  // Rates in bytes or bits; kept for the next visit.
  bytes(inBytes: boolean): void;
}

// A single word that begins no test.
const isText = (filter: string): boolean => /^[^\s()!&|<>="]+$/.test(filter);

export class App implements Actions {
  private model: Model = {
    view: readView(location.hash),
    series: new Series(),
    live: undefined,
    paused: false,
    away: undefined,
    problem: undefined,
    help: false,
    inBytes: ratesInBytes(),
  };
  private scheduled = false;
  private version: string | undefined;
  private readonly stream: Stream;

  constructor(private readonly root: HTMLElement) {
    this.stream = new Stream({
      history: (history) => {
        const series = new Series();
        series.push(history);
        this.set({ series });
      },
      live: (live) => this.live(live),
      away: (since) => {
        if (since !== this.model.away) this.set({ away: since });
      },
    });
  }

  start(): void {
    window.addEventListener("hashchange", () => this.look());
    document.addEventListener("visibilitychange", () => this.connect());
    document.addEventListener("keydown", (key) => this.key(key));
    this.look();
  }

  link(change: Partial<View>): string {
    return writeView({ ...this.model.view, ...change });
  }

  go(change: Partial<View>): void {
    location.hash = this.link(change);
  }

  pause(paused: boolean): void {
    this.set({ paused });
    this.connect();
  }

  private look(): void {
    const view = readView(location.hash);
    const before = this.model.view;
    const deeper = view.domain !== before.domain || view.flow !== before.flow;
    this.set({ view, problem: undefined });
    void this.connect();
    if (deeper) {
      requestAnimationFrame(() => {
        window.scrollTo(0, 0);
        this.root.querySelector<HTMLElement>("[data-place]")?.focus({ preventScroll: true });
      });
    }
  }

  help(help: boolean): void {
    this.set({ help });
  }

  bytes(inBytes: boolean): void {
    setRatesInBytes(inBytes);
    this.set({ inBytes });
  }

  // Escape leads one level up, `/` to the filter, `?` to the help.
  private key(key: KeyboardEvent): void {
    if (key.defaultPrevented || key.ctrlKey || key.metaKey || key.altKey || this.model.help) return;
    const { flow, domain } = this.model.view;
    const target = key.target instanceof Element ? key.target : undefined;
    if (key.key !== "Escape" && target?.closest("input, textarea, select")) return;
    if (key.key === "/") {
      const filter = this.root.querySelector<HTMLInputElement>("#filter");
      if (!filter) return;
      key.preventDefault();
      filter.focus();
      filter.select();
    } else if (key.key === "?") {
      key.preventDefault();
      this.help(true);
    } else if (key.key === " " && (!target || target === document.body)) {
      key.preventDefault();
      this.pause(!this.model.paused);
    }
    if (key.key !== "Escape") return;
    if (flow !== undefined) this.go({ flow: undefined });
    else if (domain !== undefined) this.go({ domain: undefined });
  }

  private async connect(): Promise<void> {
    const { view, paused } = this.model;
    if (paused || document.hidden) {
      this.stream.close();
      return;
    }
    let wrong = await problem(view.filter);
    // Words that are no expression are looked for everywhere.
    if (wrong !== undefined && isText(view.filter)) {
      const quoted = `"${view.filter.replace(/[\\"]/g, "\\$&")}"`;
      if ((await problem(quoted)) === undefined && this.model.view === view) return this.go({ filter: quoted });
    }
    if (this.model.view !== view || this.model.paused) return;
    this.set({ problem: wrong });
    this.stream.open(wrong === undefined ? view : { ...view, filter: "" });
  }

  private live(live: Live): void {
    // Another version has another page; the hash keeps what is looked at.
    if (this.version !== undefined && this.version !== live.snapshot.version) location.reload();
    this.version = live.snapshot.version;
    document.title = `${live.snapshot.host} – Weir`;
    this.set({ live });
    // A stream that is opened anew tells the whole hour.
    if (!this.model.series.push(live.history)) void this.connect();
  }

  private set(change: Partial<Model>): void {
    this.model = { ...this.model, ...change };
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      render(<Page model={this.model} actions={this} />, this.root);
    });
  }
}
