import type { Snapshot } from "./api";
import type { Actions } from "./app";
import { window as shown } from "./format";
import { Bar, Bytes, Name, Panel, Share } from "./parts";

// A name that several ports have comes with its port, one that has none is a number.
export function serviceFilter(service: string): string {
  const [, name = service, port] = /^(.*):(\d+)$/.exec(service) ?? [];
  if (/^\d+$/.test(name)) return `server port ${name}`;
  const test = `service "${name.replace(/[\\"]/g, "\\$&")}"`;
  return port === undefined ? test : `${test} and server port ${port}`;
}

export function ServicesPanel({ snapshot, actions }: { snapshot: Snapshot; actions: Actions }) {
  const services = snapshot.services.filter((s) => s.received_bytes + s.transmitted_bytes > 0).slice(0, 12);
  const name = (service: string) => <Name>{service === "other" ? "other" : service}</Name>;
  return (
    <Panel class="third services" title="Services" hint={`share of bytes, ${shown(snapshot.window_seconds)}`}>
      {services.length ? (
        <table>
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col" class="number" colSpan={2}>Share</th>
              <th scope="col" class="number">Bytes</th>
            </tr>
          </thead>
          <tbody>
            {services.map((s) => (
              <tr key={`${s.service}/${s.transport}`}>
                <th scope="row">
                  {s.service === "other" ? name(s.service) : (
                    <a href={actions.link({ filter: serviceFilter(s.service) })}>{name(s.service)}</a>
                  )}
                  <span class="soft"> {s.transport}</span>
                </th>
                <td class="barcell"><Bar share={s.share} /></td>
                <td class="number"><Share value={s.share} /></td>
                <td class="number"><Bytes value={s.received_bytes + s.transmitted_bytes} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : <p class="none">No traffic.</p>}
    </Panel>
  );
}
