import { html } from 'hono/html';

import type { Finding } from '../doctor/finding.ts';
import type { DoctorView } from './board.ts';
import { icon, type Shape } from './icons.ts';
import { ago, type Markup, shown } from './markup.ts';

/** What doctor found, the bad before the good. */
export function doctorView(doctor: DoctorView, now: Date | undefined): Markup {
  return html`<section id="doctor" class="doctor" aria-labelledby="doctor-title"><h2 id="doctor-title">Doctor</h2>${content(doctor, now)}</section>`;
}

function content({ diagnosis, isLooking, trouble }: DoctorView, now: Date | undefined): Markup {
  const problem = trouble === null ? '' : html`<p>${shown(trouble)}</p>`;
  if (diagnosis === null) {
    return html`${problem}<p class="dim">${isLooking ? 'Looking at this host and at each replica.' : 'Has not looked yet.'}</p>`;
  }
  const { findings, at } = diagnosis;
  const bad = findings.filter(({ state }) => state !== 'ok');
  const good = findings.filter(({ state }) => state === 'ok');
  const when = html`<p class="dim">Looked ${ago(at, now)}.</p>`;
  const found =
    bad.length === 0
      ? html`<p>${icon('ok')} Nothing is wrong.</p>`
      : html`<ul class="findings">${bad.map(findingView)}</ul>`;
  const rest =
    good.length === 0
      ? ''
      : html`<details id="doctor-good"><summary>${good.length} ${good.length === 1 ? 'check' : 'checks'} found nothing wrong</summary><ul class="findings">${good.map(findingView)}</ul></details>`;
  return html`${problem}${found}${rest}${when}`;
}

function findingView({ on, state, what, fix }: Finding): Markup {
  const remedy = fix === '' ? '' : html`<p class="remedy"><b>Remedy</b> ${shown(fix)}</p>`;
  return html`<li>${icon(shapes[state])}<div><p><b>${on === 'here' ? 'This host' : shown(on)}</b> <span class="sr">(${state})</span> ${shown(what)}</p>${remedy}</div></li>`;
}

const shapes: { readonly [S in Finding['state']]: Shape } = {
  ok: 'ok',
  warning: 'behind',
  failure: 'failing',
  unknown: 'unknown',
};
