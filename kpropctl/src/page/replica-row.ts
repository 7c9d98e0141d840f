import { html } from 'hono/html';

import type { ReplicaStatus } from '../status/snapshot.ts';
import { bars } from './bars.ts';
import type { PastRun } from './history.ts';
import { icon } from './icons.ts';
import { ago, due, lasting, type Markup, shown } from './markup.ts';
import { tookText } from './numbers.ts';

export const barsShown = 30;

/** One replica of the table: a row, and a second one if there is something to say about it. */
export function replicaRow(
  replica: ReplicaStatus,
  past: readonly PastRun[],
  o: { readonly at: number; readonly now: Date | undefined },
): Markup {
  const { host, state } = replica;
  const id = `row-${o.at}`;
  const optional = replica.required ? '' : html` <span class="tag">not required</span>`;
  return html`<tbody id="${id}" class="${state}"><tr role="row">
<th role="rowheader" scope="row" class="host"><a id="${id}-link" href="/replicas/${encodeURIComponent(host)}">${shown(host)}</a>${optional}</th>
<td role="cell" data-label="State" class="state">${icon(state === 'ok' ? 'ok' : state)} ${stateWords[state]}</td>
<td role="cell" data-label="Behind">${behind(replica, o.now)}</td>
<td role="cell" data-label="Has" class="number">${has(replica)}</td>
<td role="cell" data-label="Last success">${ago(replica.lastSuccess, o.now)}${replica.lastSuccess === null ? '' : html` <span class="dim">${tookText(replica.millis)}</span>`}</td>
<td role="cell" data-label="Last attempt">${ago(replica.lastAttempt, o.now)}</td>
<td role="cell" data-label="Last ${barsShown} runs" class="runs">${bars(past, { id: `${id}-bars`, host, places: barsShown, height: 18 })}</td>
</tr>${why(replica, o.now)}</tbody>`;
}

export const stateWords = {
  ok: 'up to date',
  behind: 'behind',
  failing: 'failing',
  held: 'held',
  unknown: 'not known',
} as const;

export const columnNames = [
  ...['Replica', 'State', 'Behind', 'Has', 'Last success', 'Last attempt'],
  `Last ${barsShown} runs`,
];

function behind({ behindMillis, lastSuccess }: ReplicaStatus, now: Date | undefined): Markup {
  if (behindMillis === 0) return html`<span class="dim">–</span>`;
  return lastSuccess === null ? html`never had it` : lasting(lastSuccess, now);
}

/** A question mark stands behind what its own KDC has not proved. */
function has({ has: generation, proved }: ReplicaStatus): Markup {
  if (generation === null) return html`<span class="dim">?</span>`;
  if (proved) return html`<span title="proved by its own KDC">${generation}</span>`;
  return html`<span title="last confirmed, not proved by its KDC">${generation}<span class="dim">?</span></span>`;
}

function why(replica: ReplicaStatus, now: Date | undefined): Markup | string {
  const { hold, error, failures, failingSince } = replica;
  if (hold !== null) {
    const until =
      hold.until === null ? '' : html` <span class="dim">It ends ${due(hold.until, now)}.</span>`;
    return note(html`Held: ${shown(hold.reason)}.${until}`, '');
  }
  if (error === null || (failures === 0 && replica.state === 'ok' && replica.proved)) return '';
  const times =
    failures > 1 && failingSince !== null
      ? html` <span class="dim">· ${failures} times, the first ${ago(failingSince, now)}</span>`
      : '';
  return note(html`${shown(error.message)}${times}`, error.remedy);
}

function note(what: Markup, remedy: string): Markup {
  return html`<tr role="row" class="why"><td role="cell" colspan="${columnNames.length}"><p>${what}</p>${
    remedy === '' ? '' : html`<p class="remedy"><b>Remedy</b> ${shown(remedy)}</p>`
  }</td></tr>`;
}
