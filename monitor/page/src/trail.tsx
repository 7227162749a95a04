// Where one is, and the way back.

import type { Actions, Model } from "./app";
import { Name } from "./parts";

export function Trail({ model, actions, flow }: { model: Model; actions: Actions; flow?: string }) {
  const { domain } = model.view;
  const name = domain === undefined ? undefined : domain === "" ? "unresolved" : domain;
  return (
    <nav class="trail" aria-label="Where you are">
      <ol>
        <li><a href={actions.link({ domain: undefined, flow: undefined })}>All traffic</a></li>
        {name !== undefined && (
          <li>
            {flow === undefined
              ? <h2 data-place tabIndex={-1}><Name>{name}</Name></h2>
              : <a href={actions.link({ flow: undefined })}><Name>{name}</Name></a>}
          </li>
        )}
        {flow !== undefined && <li><h2 data-place tabIndex={-1}><Name>{flow}</Name></h2></li>}
      </ol>
    </nav>
  );
}
