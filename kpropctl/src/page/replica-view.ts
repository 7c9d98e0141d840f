import { html } from 'hono/html';

import { spanText } from '../show/words.ts';
import type { ReplicaStatus } from '../status/snapshot.ts';
import { bars, inWords } from './bars.ts';
import type { View } from './board.ts';
import type { PastRun } from './history.ts';
import { icon } from './icons.ts';
import { ago, type Markup, shown, utcText } from './markup.ts';
import { sizeText } from './numbers.ts';
import { frame } from './page-view.ts';
import { stateWords } from './replica-row.ts';

const placesShown = 120;
const rowsShown = 60;

/** The history of one replica: a picture, and the same as a table. */
export function replicaView(view: View, replica: ReplicaStatus, now: Date): Markup {
  const past = view.past.get(replica.host) ?? [];
  const { host, state } = replica;
  const rows = past.slice(-rowsShown).reverse();
  const table =
    rows.length === 0
      ? ''
      : html`<table role="table" class="past"><thead role="rowgroup"><tr role="row">${['When', 'Generation', 'Outcome', 'Sent', 'Took', 'Attempts'].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead><tbody role="rowgroup">${rows.map((run, at) => rowView(run, rows[at - 1], now))}</tbody></table>`;
  return frame(
    { title: `${host} · ${view.status.realm}`, since: undefined, edition: '' },
    html`<header class="top"><div><p><a href="/">All replicas of ${shown(view.status.realm)}</a></p><h1>${shown(host)}</h1></div></header>
<main id="content" tabindex="-1">
<section class="verdict ${state}" aria-labelledby="verdict-words"><h2 id="verdict-words">${icon(state)} <span>${capital(stateWords[state])}</span></h2>
<dl class="facts"><div><dt>Has generation</dt><dd>${replica.has ?? '?'}${replica.proved || replica.has === null ? '' : ', not proved'}</dd></div><div><dt>Last success</dt><dd>${ago(replica.lastSuccess, now)}</dd></div><div><dt>Last attempt</dt><dd>${ago(replica.lastAttempt, now)}</dd></div><div><dt>Failures in a row</dt><dd>${replica.failures}</dd></div></dl></section>
<section class="history" aria-labelledby="history-title"><h2 id="history-title">The last ${Math.min(past.length, placesShown)} runs</h2>
${bars(past, { id: 'history', host, places: placesShown, height: 60 })}
<p class="dim">${inWords(past.slice(-placesShown))} A bar upwards is a success, and as high as it was long; one downwards is a failure; a line, a run that had nothing to send.</p>
${table}
</section></main>
<footer class="dim"><p>As of ${utcText(now.toISOString())}. All times are those of UTC.</p></footer>`,
  );
}

/** An error that the newer run above has as well is not told again. */
function rowView(run: PastRun, newer: PastRun | undefined, now: Date): Markup {
  const shape = shapes[run.state];
  const message = run.error?.message ?? '';
  const error =
    run.error === null || message === '' || message === newer?.error?.message
      ? ''
      : html`<tr role="row" class="why"><td role="cell" colspan="6"><p>${shown(run.error.message)}</p>${run.error.remedy === '' ? '' : html`<p class="remedy"><b>Remedy</b> ${shown(run.error.remedy)}</p>`}</td></tr>`;
  return html`<tr role="row" class="${run.state}">
<th role="rowheader" scope="row" data-label="When">${ago(run.at, now)}</th>
<td role="cell" data-label="Generation" class="number">${run.generation}</td>
<td role="cell" data-label="Outcome" class="state">${icon(shape)} ${outcomes[run.state]}</td>
<td role="cell" data-label="Sent" class="number">${sizeText(run.bytes)}</td>
<td role="cell" data-label="Took" class="number">${run.millis === 0 ? '–' : spanText(run.millis)}</td>
<td role="cell" data-label="Attempts" class="number">${run.attempts === 0 ? '–' : run.attempts}</td>
</tr>${error}`;
}

const shapes = { current: 'ok', failed: 'failing', skipped: 'unknown', held: 'held' } as const;
const outcomes = {
  current: 'up to date',
  failed: 'failed',
  skipped: 'nothing to send',
  held: 'held',
} as const;

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
