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
          { label: "Response time, median", value: <Seconds value={dns.latency_seconds?.p50} /> },
          { label: "Response time, p95", value: <Seconds value={dns.latency_seconds?.p95} /> },
          { label: "Unanswered", value: <Count value={dns.unanswered} /> },
        ]}
      />
      <Tally label={`Responses by code, last ${shown(window_seconds)}`} counts={dns.responses} empty="No responses." />
      {dns.names.length > 0 && (
        <table>
          <caption>Top queried names</caption>
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
