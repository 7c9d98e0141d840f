import { html } from 'hono/html';

import { icon } from './icons.ts';
import { type Markup, shown } from './markup.ts';
import { frame } from './page-view.ts';

export interface Refusal {
  readonly status: 401 | 403 | 503;
  readonly reason: string;
}

/** What a reader gets instead of the page, and what he can do about it. */
export function refusalView({ status, reason }: Refusal): Markup {
  const title = titles[status];
  return frame(
    { title, since: undefined, edition: '' },
    html`<header class="top"><h1>Kerberos database propagation</h1></header>
<main id="content" tabindex="-1"><section class="verdict ${shapes[status]}" aria-labelledby="verdict-words"><h2 id="verdict-words">${icon(shapes[status])} <span>${title}</span></h2>
<p>${shown(capital(reason))}.</p>${status === 401 ? steps : ''}<p class="again"><a href="">Load this page again</a></p></section></main>`,
  );
}

const titles = {
  401: 'This page asks for a Kerberos ticket',
  403: 'You may not see this page',
  503: 'Tickets cannot be looked at now',
} as const;

const shapes = { 401: 'held', 403: 'failing', 503: 'behind' } as const;

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Of three things that are needed, the server cannot see which one is missing. */
const steps = html`<ol class="steps">
<li>Get a ticket: <code>kinit</code></li>
<li>Let the browser send it to this host: in Firefox, <code>network.negotiate-auth.trusted-uris</code> in <code>about:config</code>; in Chromium, Chrome and Edge, the policy <code>AuthServerAllowlist</code>.</li>
<li>Load this page again. The first page after the start of Chromium is always refused.</li>
</ol>`;
