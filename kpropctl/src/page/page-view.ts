import { html } from 'hono/html';

import type { View } from './board.ts';
import { doctorView } from './doctor-view.ts';
import { icons } from './icons.ts';
import { type Markup, shown, utcText } from './markup.ts';
import { nowView } from './now-view.ts';
import { columnNames, replicaRow } from './replica-row.ts';
import { verdictView } from './verdict.ts';

/** What a page is made of beside its content. */
export interface Frame {
  readonly title: string;
  /** From which event on the script wants to hear; undefined for a page that does not change. */
  readonly since: string | undefined;
  /** Changes when a page that is open is no longer of use. */
  readonly edition: string;
}

export function frame(o: Frame, content: Markup): Markup {
  const live =
    o.since === undefined ? '' : html` data-since="${o.since}" data-edition="${o.edition}"`;
  const script = o.since === undefined ? '' : html`<script src="/page.js" defer></script>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${shown(o.title)}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
${script}
</head>
<body${live}>
<a class="skip" href="#content">Skip to the content</a>
${icons}
${content}
</body>
</html>
`;
}

export interface PageViewOptions {
  readonly now: Date;
  readonly since: string;
  readonly edition: string;
  /** The token of the button; undefined if nobody can press it. */
  readonly token: string | undefined;
}

export function pageView(view: View, o: PageViewOptions): Markup {
  const { status } = view;
  const { now } = o;
  return frame(
    { title: `${status.realm} · Kerberos propagation`, since: o.since, edition: o.edition },
    html`<header class="top"><div><h1>${shown(status.realm)}</h1><p class="dim">Kerberos database propagation from <b>${shown(status.primary)}</b></p></div>${button(o.token)}</header>
<main id="content" tabindex="-1">
${parts.verdict(view, now)}
${parts.now(view, now)}
<section class="replicas" aria-labelledby="replicas-title"><h2 id="replicas-title">Replicas</h2>
<table role="table"><thead role="rowgroup"><tr role="row">${columnNames.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
${status.replicas.map((_, at) => rowPart(view, at, now))}
</table></section>
${parts.doctor(view, now)}
</main>
<p id="say" class="sr" role="status" aria-live="polite"></p>
<footer class="dim"><p>As of <time datetime="${now.toISOString()}" data-fixed>${utcText(now.toISOString())}</time>. <span id="link">Reload the page for newer figures.</span></p><p><a href="/metrics">Metrics</a> <a href="/status.json">JSON</a></p></footer>`,
  );
}

/** The parts of the page that change by themselves, by the id of their element. */
export const parts = {
  verdict: verdictView,
  now: nowView,
  doctor: (view: View, now: Date | undefined) => doctorView(view.doctor, now),
} as const;

export function rowPart({ status, past }: View, at: number, now: Date | undefined): Markup {
  const replica = status.replicas[at];
  if (replica === undefined) return html``;
  return replicaRow(replica, past.get(replica.host) ?? [], { at, now });
}

function button(token: string | undefined): Markup {
  if (token === undefined) {
    return html`<p class="press dim">To propagate now: <code>kpropctl run</code></p>`;
  }
  return html`<form class="press" method="post" action="/run"><input type="hidden" name="token" value="${token}"><button type="submit">Propagate now</button></form>`;
}
