import { html } from 'hono/html';

import type { Markup } from './markup.ts';

/** A shape for each state: nobody needs to tell colours apart. */
export type Shape = 'ok' | 'behind' | 'failing' | 'held' | 'unknown';

export function icon(shape: Shape): Markup {
  return html`<svg class="icon ${shape}" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><use href="#i-${shape}"/></svg>`;
}

/** The drawings, once on each page. */
export const icons = html`<svg class="sprite" aria-hidden="true" focusable="false"><defs>
<symbol id="i-ok" viewBox="0 0 16 16"><circle class="body" cx="8" cy="8" r="7.5"/><path class="mark" d="M4.6 8.3l2.3 2.4 4.6-5"/></symbol>
<symbol id="i-behind" viewBox="0 0 16 16"><path class="body" d="M8 .9 15.6 14.7H.4z"/><path class="mark" d="M8 5.8v4M8 12v.6"/></symbol>
<symbol id="i-failing" viewBox="0 0 16 16"><path class="body" d="M4.9.5h6.2l4.4 4.4v6.2l-4.4 4.4H4.9L.5 11.100V4.9z"/><path class="mark" d="M5.5 5.500l5 5m0-5l-5 5"/></symbol>
<symbol id="i-held" viewBox="0 0 16 16"><rect class="body" x=".5" y=".5" width="15" height="15" rx="3"/><path class="mark" d="M6 5v6m4-6v6"/></symbol>
<symbol id="i-unknown" viewBox="0 0 16 16"><circle class="ring" cx="8" cy="8" r="7"/><path class="line" d="M6.1 6.300a2 2 0 1 1 2.7 2.100c-.6.2-.8.5-.8 1.100M8 11.500v.6"/></symbol>
</defs></svg>`;
