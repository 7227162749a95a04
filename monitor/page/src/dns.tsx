import type { Snapshot } from "./api";
import { window as shown } from "./format";
import { Count, Facts, Name, Panel, PerSecond, Seconds, Tally } from "./parts";

export function DnsPanel({ snapshot }: { snapshot: Snapshot }) {
  const { dns, window_seconds } = snapshot;
  return (
    <Panel class="third dns" title="DNS">
      <Facts
        rows={[
          { label: "Queries", value: <PerSecond value={dns.queries_per_second} /> },
          { label: "Answer, half below", value: <Seconds value={dns.latency_seconds?.p50} /> },
          { label: "95 % below", value: <Seconds value={dns.latency_seconds?.p95} /> },
          { label: "Without an answer", value: <Count value={dns.unanswered} /> },
        ]}
      />
      <Tally label={`Answers in ${shown(window_seconds)}, by code`} counts={dns.responses} empty="No answer yet." />
      {dns.names.length > 0 && (
        <table>
          <caption>Names asked for</caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" class="number">Queries</th>
              <th scope="col" class="number">Errors</th>
            </tr>
          </thead>
          <tbody>
            {dns.names.slice(0, 8).map((row) => (
              <tr key={row.name}>
                <th scope="row"><Name>{row.name}</Name></th>
                <td class="number"><Count value={row.queries} /></td>
                <td class="number"><Count value={row.errors} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
