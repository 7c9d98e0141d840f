import { html } from 'hono/html';

import { oneLine, spanText } from '../show/words.ts';

export type Markup = ReturnType<typeof html>;

/** Text of a peer, of a file or of a name: one harmless line that is not endless. The template escapes it. */
export function shown(text: unknown): string {
  const line = oneLine(`${text ?? ''}`);
  return line.length <= mostLetters ? line : `${line.slice(0, mostLetters)}…`;
}

const mostLetters = 600;

/** 2026-12-01 05:13:02 UTC; empty if it is no time. */
export function utcText(time: string): string {
  const millis = Date.parse(time);
  if (Number.isNaN(millis)) return '';
  return `${new Date(millis).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/**
 * How long ago, as of `now`. Without it: the time itself, which the page's script turns into that, so that
 * what has not changed is the same text.
 */
export function ago(time: string | null, now: Date | undefined): Markup {
  const utc = time === null ? '' : utcText(time);
  if (utc === '') return html`<span class="dim">never</span>`;
  const text = now === undefined ? utc : agoWords(now.getTime() - Date.parse(time as string));
  return html`<time datetime="${new Date(utc).toISOString()}" title="${utc}">${text}</time>`;
}

/** When something will happen. */
export function due(time: string, now: Date | undefined): Markup {
  const utc = utcText(time);
  if (utc === '') return html``;
  const text = now === undefined ? utc : agoWords(now.getTime() - Date.parse(time));
  return html`<time datetime="${new Date(utc).toISOString()}" title="${utc}">${text}</time>`;
}

/** For how long, as of `now`. */
export function lasting(since: string, now: Date | undefined): Markup {
  const utc = utcText(since);
  if (utc === '') return html``;
  const text = now === undefined ? `since ${utc}` : spanWords(now.getTime() - Date.parse(since));
  return html`<time class="span" datetime="${new Date(utc).toISOString()}" title="since ${utc}">${text}</time>`;
}

// The script of the page says the same words.
function agoWords(millis: number): string {
  if (Math.abs(millis) < 10_000) return 'now';
  return millis < 0 ? `in ${spanWords(-millis)}` : `${spanWords(millis)} ago`;
}

function spanWords(millis: number): string {
  return millis < 60_000 ? `${Math.max(0, Math.floor(millis / 1000))} s` : spanText(millis);
}

export async function textOf(markup: Markup): Promise<string> {
  return `${await markup}`;
}
