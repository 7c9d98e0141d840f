import { html } from 'hono/html';

import { spanText } from '../show/words.ts';
import type { PastRun } from './history.ts';
import { type Markup, shown, utcText } from './markup.ts';

interface BarsOptions {
  /** Of the whole page, for title and description. */
  readonly id: string;
  readonly host: string;
  /** How many there is room for; the newest are at the right. */
  readonly places: number;
  /** How high a bar of the longest run is. */
  readonly height: number;
}

/** The last runs as small bars: up for those that succeeded, by their duration; down for those that failed. */
export function bars(runs: readonly PastRun[], o: BarsOptions): Markup {
  const last = runs.slice(-o.places);
  const { height, places, id } = o;
  const below = Math.round(height / 2);
  const longest = Math.max(1, ...last.filter(isSent).map(({ millis }) => millis));
  const paths = { current: '', failed: '', skipped: '', held: '' };
  for (const [at, run] of last.entries()) {
    const x = (places - last.length + at) * step;
    const up = Math.max(3, Math.round((height * run.millis) / longest));
    switch (run.state) {
      case 'current':
        paths.current += `M${x} ${height - up}h${width}v${up}h-${width}z`;
        break;
      case 'failed':
        paths.failed += `M${x} ${height + 2}h${width}v${below}h-${width}z`;
        break;
      case 'skipped':
        paths.skipped += `M${x} ${height - 1}h${width}v1h-${width}z`;
        break;
      case 'held':
        paths.held += `M${x + 1} ${height - 3}h2v2h-2z`;
        break;
    }
  }
  const drawn = Object.entries(paths).filter(([, path]) => path !== '');
  return html`<svg class="bars" role="img" aria-labelledby="${id}-title ${id}-desc" viewBox="0 0 ${places * step} ${height + below + 2}" preserveAspectRatio="none"><title id="${id}-title">The last ${last.length} runs of ${shown(o.host)}</title><desc id="${id}-desc">${inWords(last)}</desc><path class="zero" d="M0 ${height}h${places * step}v1H0z"/>${drawn.map(([state, path]) => html`<path class="bar-${state}" d="${path}"/>`)}</svg>`;
}

/** The same as a sentence. */
export function inWords(runs: readonly PastRun[]): string {
  if (runs.length === 0) return 'Nothing was sent yet.';
  const count = (state: PastRun['state']) => runs.filter((run) => run.state === state).length;
  const parts = [
    [count('current'), 'succeeded'],
    [count('failed'), 'failed'],
    [count('skipped'), 'had nothing to send'],
    [count('held'), 'while it was held'],
  ]
    .filter(([number]) => number !== 0)
    .map(([number, words]) => `${number} ${words}`);
  const sent = runs.filter(isSent).map(({ millis }) => millis);
  const took =
    sent.length === 0
      ? ''
      : ` Sending took ${spanText(Math.min(...sent))} to ${spanText(Math.max(...sent))}.`;
  const failure = runs.findLast(({ state }) => state === 'failed');
  const when = failure === undefined ? '' : ` The last failure was at ${utcText(failure.at)}.`;
  return `${parts.join(', ')}.${took}${when}`;
}

const isSent = ({ state }: PastRun) => state === 'current';
const width = 4;
const step = 6;
