// What several panels are made of.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { bitRate, bytes, count, percent, perSecond, type Quantity, seconds } from "./format";

interface PanelProps {
  title: string;
  hint?: ComponentChildren;
  class: string;
  // The same numbers as a table, behind a button.
  table?: () => ComponentChildren;
  children: ComponentChildren;
}

export function Panel({ title, hint, class: name, table, children }: PanelProps) {
  const id = useId();
  const [asTable, show] = useState(false);
  return (
    <section class={`panel ${name}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {hint !== undefined && <p class="hint">{hint}</p>}
        {table && (
          <button type="button" class="quiet" aria-pressed={asTable} onClick={() => show(!asTable)}>
            Table<span class="hidden">: {title}</span>
          </button>
        )}
      </header>
      {asTable && table ? <Scroll label={title}>{table()}</Scroll> : children}
    </section>
  );
}

// A region that scrolls, also by keyboard.
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

// A number with what it is exactly.
export function Amount({ value, as }: { value: number; as: (value: number) => Quantity }) {
  const { number, unit } = as(value);
  return (
    <data value={String(value)}>
      {number}
      <span class="unit"> {unit}</span>
    </data>
  );
}

export const Bytes = ({ value }: { value: number }) => <Amount value={value} as={bytes} />;
export const Rate = ({ value }: { value: number }) => <Amount value={value} as={bitRate} />;
export const Share = ({ value }: { value: number }) => <data value={String(value)}>{percent(value)}</data>;
export const Seconds = ({ value }: { value: number | undefined }) =>
  value === undefined ? <>–</> : <data value={String(value)}>{seconds(value)}</data>;
export const PerSecond = ({ value }: { value: number }) => <data value={String(value)}>{perSecond(value)}/s</data>;
export const Count = ({ value }: { value: number }) => <data value={String(value)}>{count(value)}</data>;

// Characters that show nothing, or that turn what follows around, as their code points.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
export function visible(text: string): string {
  return text.replace(UNSEEN, (c) => `\\u{${c.charCodeAt(0).toString(16)}}`);
}

// A text that strangers chose.
export const Name = ({ children }: { children: string }) => <bdi>{visible(children)}</bdi>;

// The same with places to break at: behind dots and colons rather than within a word.
export const Breakable = ({ children }: { children: string }) => (
  <bdi>
    {visible(children).split(/(?<=[.:])/).map((part, at) => (at ? [<wbr />, part] : part))}
  </bdi>
);

export function shorten(text: string, most: number): string {
  const shown = visible(text);
  return shown.length <= most ? shown : `${shown.slice(0, Math.max(1, most - 1))}…`;
}

// One of a few, chosen by a button.
export function Choice<T extends string>({ label, name, choices, chosen, choose }: {
  label: string;
  name: string;
  choices: readonly (readonly [T, string])[];
  chosen: T;
  choose: (choice: T) => void;
}) {
  return (
    <fieldset class="choice">
      <legend class="hidden">{label}</legend>
      {choices.map(([choice, text]) => (
        <label key={choice}>
          <input type="radio" name={name} checked={choice === chosen} onChange={() => choose(choice)} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

// Parts of a whole, in a line.
export function Bar({ share }: { share: number }) {
  const width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%`;
  return (
    <span class="bar" aria-hidden="true">
      <span style={{ width }} />
    </span>
  );
}

// The width of an element, kept current.
export function useWidth<E extends HTMLElement>(): [{ current: E | null }, number] {
  const ref = useRef<E>(null);
  const [width, set] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => set(Math.floor(element.clientWidth)));
    observer.observe(element);
    set(Math.floor(element.clientWidth));
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

// Whether the colours are the dark ones.
export function useDark(): boolean {
  const query = window.matchMedia("(prefers-color-scheme: dark)");
  const [dark, set] = useState(query.matches);
  useEffect(() => {
    const heard = (): void => set(query.matches);
    query.addEventListener("change", heard);
    return () => query.removeEventListener("change", heard);
  }, []);
  return dark;
}

interface Row {
  label: ComponentChildren;
  value: ComponentChildren;
}

// Facts, one below the other.
export function Facts({ rows }: { rows: (Row | undefined)[] }) {
  return (
    <dl class="facts">
      {rows.map(
        (row) =>
          row && (
            <div>
              <dt>{row.label}</dt>
              <dd>{row.value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

// Counts by word as bars, most first.
export function Tally({ label, counts, empty }: { label: string; counts: Record<string, number>; empty: string }) {
  const rows = Object.entries(counts)
    .filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1]);
  const sum = rows.reduce((all, [, n]) => all + n, 0);
  if (!rows.length) return <p class="none">{empty}</p>;
  return (
    <table class="tally">
      <caption>{label}</caption>
      <tbody>
        {rows.slice(0, 8).map(([word, n]) => (
          <tr key={word}>
            <th scope="row">
              <Name>{word.replaceAll("_", " ")}</Name>
            </th>
            <td>
              <Bar share={n / sum} />
            </td>
            <td class="number">
              <Count value={n} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
