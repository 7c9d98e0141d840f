import { html } from 'hono/html';

import { bytesText, countText } from '../show/words.ts';
import type { ReplicaStatus, Status } from '../status/snapshot.ts';
import type { View } from './board.ts';
import { icon, type Shape } from './icons.ts';
import { ago, type Markup, shown } from './markup.ts';

/** Whether all is well, in one sentence. */
export function verdictOf({ status, refusal }: Pick<View, 'status' | 'refusal'>): {
  readonly shape: Shape;
  readonly words: string;
} {
  const { replicas } = status;
  const counted = replicas.filter(({ required, state }) => required && state !== 'held');
  const others = replicas.filter(({ required, state }) => !required && state === 'failing');
  const number = (state: ReplicaStatus['state']) =>
    counted.filter((replica) => replica.state === state).length;
  if (refusal !== null) return { shape: 'failing', words: 'The last run sent nothing' };
  for (const state of ['failing', 'behind', 'unknown'] as const) {
    const count = number(state);
    if (count === 0) continue;
    const [one, many] = predicates[state];
    const isOne = count === 1;
    return { shape: state, words: `${some(count, counted.length)} ${isOne ? one : many}` };
  }
  if (counted.length === 0) return { shape: 'held', words: 'No replica is sent to' };
  const verb = counted.length === 1 ? 'is' : 'are';
  const words = `${some(counted.length, counted.length)} ${verb} up to date`;
  return { shape: others.length > 0 ? 'behind' : 'ok', words };
}

/** For one replica, and for more than one. */
const predicates = {
  failing: ['is failing', 'are failing'],
  behind: ['is behind', 'are behind'],
  unknown: ['has not been tried yet', 'have not been tried yet'],
} as const;

/** 1 of 3 replicas, both replicas, all 3 replicas. */
function some(number: number, all: number): string {
  if (all === 1) return 'The replica';
  if (number < all) return `${number} of ${all} replicas`;
  return all === 2 ? 'Both replicas' : `All ${all} replicas`;
}

export function verdictView(view: View, now: Date | undefined): Markup {
  const { shape, words } = verdictOf(view);
  const { refusal } = view;
  const details =
    refusal === null
      ? ''
      : html`<p>${shown(refusal.message)}</p><p class="remedy"><b>Remedy</b> ${shown(refusal.remedy)}</p>`;
  return html`<section id="verdict" class="verdict ${shape}" aria-labelledby="verdict-words"><h2 id="verdict-words">${icon(shape)} <span>${words}</span></h2>${details}${facts(view.status, now)}</section>`;
}

function facts({ generation, dump }: Status, now: Date | undefined): Markup {
  const rows: readonly (readonly [string, Markup | string])[] =
    dump === null
      ? [['Generation', countText(generation)]]
      : [
          ['Generation', `${generation}`],
          ['Dumped', ago(dump.at, now)],
          ['Principals', countText(dump.principals)],
          ['Size', bytesText(dump.bytes)],
        ];
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
