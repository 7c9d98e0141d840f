import { html } from 'hono/html';

import { bytesText, countText } from '../show/words.ts';
import type { View } from './board.ts';
import type { LiveReplica, LiveRun } from './link.ts';
import { ago, due, lasting, type Markup, shown } from './markup.ts';

/** What is under way, or when the next run begins. */
export function nowView(view: View, now: Date | undefined): Markup {
  return html`<section id="now" class="now" aria-labelledby="now-title"><h2 id="now-title">Now</h2>${content(view, now)}</section>`;
}

function content({ live, status }: View, now: Date | undefined): Markup {
  const { run, asked, nextAt } = live;
  const wish =
    asked === null
      ? ''
      : html`<p>${shown(asked.by)} asked for a run ${ago(asked.at, now)}${run === null ? ': it begins at once.' : ': it begins when this one has ended.'}</p>`;
  if (run !== null) return html`${wish}${runView(run, status.dump?.principals ?? null, now)}`;
  const next = nextAt === null ? '' : html` The next run begins ${due(nextAt, now)}.`;
  return html`${wish}<p>Nothing is under way.${next}</p>`;
}

function runView(run: LiveRun, expected: number | null, now: Date | undefined): Markup {
  const replicas = Object.entries(run.replicas);
  const generation = run.generation === null ? '' : ` of generation ${run.generation}`;
  const head = html`<p>A run${generation} has been under way for ${lasting(run.since, now)} (${reasonWords(run)}).</p>`;
  if (replicas.length > 0) {
    return html`${head}<ul class="progress">${replicas.map(([host, one]) => progressView(host, one))}</ul>`;
  }
  if (run.doing === 'starting') return html`${head}<p>Getting ready.</p>`;
  const share = expected === null ? null : Math.min(1, run.records / Math.max(1, expected));
  const words = `${countText(run.records)} records`;
  return html`${head}<ul class="progress"><li><span class="who">Dumping the database</span>${meter('Dumping the database', share)}<span class="what">${words}</span></li></ul>`;
}

function progressView(host: string, { doing, bytes, total, attempt, trouble }: LiveReplica) {
  const isOver = Object.hasOwn(endings, doing);
  const share = doing === 'sending' && total > 0 ? bytes / total : isOver ? 1 : null;
  const sent = doing === 'sending' ? ` ${bytesText(bytes)} of ${bytesText(total)}` : '';
  const tries = attempt > 1 ? `, try number ${attempt}` : '';
  const words = `${endings[doing] ?? doing}${sent}${tries}`;
  const reason = trouble === null ? '' : html`<span class="dim"> ${shown(trouble)}</span>`;
  const bar = isOver ? html`<span class="over ${doing}"></span>` : meter(host, share);
  return html`<li><span class="who">${shown(host)}</span>${bar}<span class="what">${shown(words)}${reason}</span></li>`;
}

const endings: Readonly<Record<string, string>> = {
  current: 'up to date',
  failed: 'failed',
  held: 'held',
  skipped: 'skipped',
};

function meter(label: string, share: number | null): Markup {
  const name = `Progress: ${shown(label)}`;
  if (share === null) return html`<progress aria-label="${name}"></progress>`;
  return html`<progress aria-label="${name}" max="100" value="${Math.round(share * 100)}"></progress>`;
}

function reasonWords({ reason, by }: LiveRun): string {
  if (by !== null) return `asked for by ${shown(by)}`;
  const words: Readonly<Record<string, string>> = {
    start: 'the daemon has started',
    schedule: 'by schedule',
    change: 'the database has changed',
    retry: 'another try',
    SIGUSR1: 'asked for by a signal',
    page: 'asked for on this page',
  };
  return words[reason] ?? shown(reason);
}
