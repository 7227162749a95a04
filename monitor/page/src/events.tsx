import type { Event } from "./api";
import type { Actions } from "./app";
import { clock } from "./format";
import { Name, Panel, Scroll } from "./parts";
import { FAILED } from "./tiles";

export function EventsPanel({ events, actions }: { events: Event[]; actions: Actions }) {
  return (
    <Panel class="third events" title="Events" hint={events.length ? undefined : "scans, findings, interfaces"}>
      {events.length ? (
        <Scroll label="Events">
          <ol class="log">
            {events.map((event) => (
              <li key={event.id} class={event.severity}>
                <time dateTime={event.time}>{clock(event.time)}</time>
                <span class="mark" aria-hidden="true">{event.severity === "warning" ? "▲" : "●"}</span>
                <span class="text">
                  {event.severity === "warning" && <span class="hidden">Warning: </span>}
                  {event.kind === "surge" ? <a href={actions.link({ filter: FAILED })}><Name>{event.text}</Name></a> : <Name>{event.text}</Name>}
                </span>
              </li>
            ))}
          </ol>
        </Scroll>
      ) : <p class="none">No events.</p>}
    </Panel>
  );
}
