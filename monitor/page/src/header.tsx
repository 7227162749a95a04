import { clock, span, window as shown } from "./format";
import type { Props } from "./page";
import { Name } from "./parts";
import { WINDOWS } from "./view";

// Names of a few, the number of many.
const interfaces = (names: string[]): string => (names.length > 6 ? `${names.length} interfaces` : names.join(", "));

export function Header({ model, actions }: Props) {
  const snapshot = model.live?.snapshot;
  return (
    <header class="top">
      <div class="brand">
        <a href="#" class="mark" aria-label="Weir: all traffic">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path class="in" d="M3 11c5 0 5-4 10-4s5 4 10 4 4-2 6-3" />
            <path class="out" d="M3 23c5 0 5-4 10-4s5 4 10 4 4-2 6-3" />
          </svg>
          <h1>Weir</h1>
        </a>
        {snapshot && (
          <p class="host">
            <Name>{snapshot.host}</Name>
            <span class="soft">
              {" "}
              up {span(snapshot.uptime_seconds)}, {interfaces(snapshot.interfaces.map((i) => i.name))}
            </span>
          </p>
        )}
      </div>
      <div class="controls">
        <Status model={model} />
        <fieldset class="choice">
          <legend class="hidden">Time range</legend>
          {WINDOWS.map((seconds) => (
            <label>
              <input
                type="radio"
                name="window"
                checked={model.view.window === seconds}
                onChange={() => actions.go({ window: seconds })}
              />
              <span>{shown(seconds)}</span>
            </label>
          ))}
        </fieldset>
        <button type="button" class="quiet" aria-pressed={model.inBytes} onClick={() => actions.bytes(!model.inBytes)}>
          byte/s<span class="hidden">: rates in bytes per second</span>
        </button>
        <button type="button" class="quiet" aria-label="Help: keys and filters" onClick={() => actions.help(true)}>?</button>
        <button type="button" class="button" onClick={() => actions.pause(!model.paused)}>
          {model.paused ? "Resume" : "Pause"}
        </button>
      </div>
    </header>
  );
}

function Status({ model }: Pick<Props, "model">) {
  const time = model.live?.snapshot.time;
  const [kind, text] = model.paused
    ? ["paused", `Paused at ${time ? clock(time) : "the start"}`]
    : model.away !== undefined
      ? ["gone", `Disconnected since ${clock(model.away)}, reconnecting`]
      : time
        ? ["live", "Live"]
        : ["gone", "Connecting"];
  return (
    <p class={`status ${kind}`} role="status">
      <span class="dot" aria-hidden="true" />
      {text}
    </p>
  );
}
