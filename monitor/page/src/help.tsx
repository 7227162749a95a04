// Keys and the filter in short.

import { useEffect, useRef } from "preact/hooks";

const KEYS: [string, string][] = [
  ["/", "search and filter flows"],
  ["?", "this help"],
  ["Escape", "back, or close"],
  ["Space", "pause or resume"],
];

const FILTERS: [string, string][] = [
  ["example", "in a name, address or any other text"],
  ["port https", "a port, by number or service"],
  ["host 192.0.2.1, net 10.0.0.0/8", "an address or network"],
  ["domain example.org, name *.example.org", "server name; * and ? are wildcards"],
  ["bytes > 1MB and rtt > 50ms", "counters and times"],
  ["state established or state refused", "TCP state"],
  ["process curl, unit ssh.service", "owner on this host; also user, container, pod"],
  ["not (udp or role forwarded)", "combined"],
];

export function Help({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={close}>
      <h2 id="help-title">Keys</h2>
      <List rows={KEYS} />
      <h2>Filters</h2>
      <List rows={FILTERS} />
      <form method="dialog"><button class="button">Close</button></form>
    </dialog>
  );
}

function List({ rows }: { rows: [string, string][] }) {
  return (
    <dl class="facts">
      {rows.map(([term, text]) => (
        <div key={term}>
          <dt><code>{term}</code></dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}
