// What the page knows, and what a person can do with it.

import { render } from "preact";

import type { Live } from "./api";
import { Page } from "./page";
import { Series } from "./series";
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
}

export interface Actions {
  // Changes what is looked at; an entry of the browser's history.
  go(change: Partial<View>): void;
  // The address of a changed view.
  link(change: Partial<View>): string;
  pause(paused: boolean): void;
}

export class App implements Actions {
  private model: Model = {
    view: readView(location.hash),
    series: new Series(),
    live: undefined,
    paused: false,
    away: undefined,
    problem: undefined,
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
    document.addEventListener("keydown", (key) => this.back(key));
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

  // Escape leads one level up.
  private back(key: KeyboardEvent): void {
    const { flow, domain } = this.model.view;
    if (key.key !== "Escape" || key.defaultPrevented) return;
    if (flow !== undefined) this.go({ flow: undefined });
    else if (domain !== undefined) this.go({ domain: undefined });
  }

  private async connect(): Promise<void> {
    const { view, paused } = this.model;
    if (paused || document.hidden) {
      this.stream.close();
      return;
    }
    const wrong = await problem(view.filter);
    if (this.model.view !== view || this.model.paused) return;
    this.set({ problem: wrong });
    this.stream.open(wrong === undefined ? view : { ...view, filter: "" });
  }

  private live(live: Live): void {
    // Another version has another page; the hash keeps what is looked at.
    if (this.version !== undefined && this.version !== live.snapshot.version) location.reload();
    this.version = live.snapshot.version;
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
