import { hostname } from 'node:os';

import type { RunEvent } from '../run/events.ts';
import type { DumpReport, ReplicaReport, RunReport } from '../run/report.ts';
import { bytesText, columns, countText, oneLine, spanText } from './words.ts';

/** What a run says on a terminal or in a log, in the order in which it becomes known. */
export interface RunText {
  event(event: RunEvent): void;
  end(report: RunReport): void;
}

export interface Output {
  write(text: string): unknown;
  /** Of a terminal. */
  readonly columns?: number | undefined;
}

export function dumpText(dump: DumpReport, generation: number): string {
  const more = dump.grown;
  const grown =
    more === null || more === 0
      ? ''
      : ` (${countText(Math.abs(more))} ${more > 0 ? 'more' : 'fewer'} than last time)`;
  return `dump    ${countText(dump.principals)} principals, ${bytesText(dump.bytes)} in ${spanText(dump.millis)}${grown}, generation ${generation}`;
}

/** One word for how it ended. */
export function stateWord({ state, error, proved }: ReplicaReport): string {
  if (state === 'current') return proved === true ? 'live' : 'loaded';
  if (state === 'held' || state === 'skipped') return state;
  return words[error?.code ?? ''] ?? 'failed';
}

const words: Readonly<Record<string, string>> = {
  'network.unreachable': 'unreachable',
  'network.unresolved': 'unknown host',
  'network.timeout': 'no answer',
  'network.closed': 'hung up',
  'kpropctl.not-served': 'not served',
};

export function noteText({ state, error, attempts, proved }: ReplicaReport): string {
  if (error !== null) {
    const remedy = error.remedy === '' ? '' : `: ${error.remedy}`;
    return oneLine(`${error.message}${remedy}`);
  }
  if (state === 'current' && attempts > 1) return `try number ${attempts}`;
  if (state === 'current' && proved !== true) return 'not proved';
  return '';
}

const mark = ({ state }: ReplicaReport) =>
  state === 'current' ? '✓' : state === 'failed' ? '✗' : '-';

export function replicaRow(replica: ReplicaReport): readonly string[] {
  const { host, bytes, millis } = replica;
  const sent = replica.state === 'held' || replica.state === 'skipped' ? '' : bytesText(bytes);
  const took = millis === 0 ? '' : spanText(millis);
  return [`  ${mark(replica)}  ${host}`, stateWord(replica), sent, took, noteText(replica)];
}

export function endText(report: RunReport): string {
  if (report.refused !== null) {
    const { message, remedy } = report.refused;
    return oneLine(`nothing was sent: ${message}: ${remedy}`);
  }
  if (report.dump?.refused) {
    const { message, remedy } = report.dump.refused;
    return oneLine(
      `the dump was refused: ${message}: ${remedy}; it is kept as ${report.dump.path}`,
    );
  }
  const counted = report.replicas.filter(({ state }) => state !== 'held');
  if (counted.length > 0 && counted.every(({ state }) => state === 'skipped')) {
    return 'nothing has changed, and every replica has it.';
  }
  const current = counted.filter(({ state }) => state === 'current').length;
  return `${current} of ${counted.length} replicas are up to date.`;
}

/** One line for each thing when it is known: for cron, CI and logs. */
export function plainRunText(out: Output, realm: string): RunText {
  out.write(`${hostname()}, realm ${realm}\n`);
  return {
    event(event) {
      if (event.kind === 'notice') out.write(`${oneLine(event.text)}\n`);
      if (event.kind === 'dumped') out.write(`${dumpText(event.dump, event.generation)}\n`);
      if (event.kind === 'retrying') {
        const seconds = event.seconds.toFixed(0);
        out.write(`  …  ${event.host}  ${oneLine(event.message)}; next try in ${seconds} s\n`);
      }
      if (event.kind === 'outcome') {
        out.write(`${columns([replicaRow(event.replica)]).join('\n')}\n`);
      }
    },
    end(report) {
      for (const replica of report.replicas) {
        if (replica.state === 'held') out.write(`${replicaRow(replica).join('  ').trimEnd()}\n`);
      }
      out.write(`${endText(report)}\n`);
    },
  };
}

/** Nothing but what is wrong. */
export function quietRunText(out: Output): RunText {
  return {
    event(event) {
      if (event.kind === 'notice') out.write(`${oneLine(event.text)}\n`);
    },
    end(report) {
      const bad = report.replicas.filter(({ error }) => error !== null);
      for (const replica of bad) out.write(`${columns([replicaRow(replica)]).join('\n')}\n`);
      if (report.refused !== null || report.dump?.refused) out.write(`${endText(report)}\n`);
    },
  };
}

/** A table that is drawn again as things change. */
export function liveRunText(out: Output, realm: string, hosts: readonly string[]): RunText {
  // What is wrong is told under the table, where there is room for it.
  const liveRow = (replica: ReplicaReport) => [
    ...replicaRow(replica).slice(0, -1),
    replica.error === null ? noteText(replica) : '',
  ];
  const header = ['     REPLICA', 'STATE', 'SENT', 'TOOK', 'NOTE'] as const;
  const rows = new Map<string, readonly string[]>(
    hosts.map((host) => [host, [`     ${host}`, '', '', '', '']]),
  );
  let drawn = 0;
  let dumped = false;
  const draw = () => {
    // A line that wraps would be two, and the next table would be drawn in the wrong place.
    const width = out.columns ?? 80;
    const lines = columns([header, ...rows.values()]).map((line) =>
      line.length > width ? `${line.slice(0, width - 1)}…` : line,
    );
    const up = drawn === 0 ? '' : `\u001b[${drawn}A`;
    out.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join('')}`);
    drawn = lines.length;
  };
  out.write(`${hostname()}, realm ${realm}\n`);
  return {
    event(event) {
      switch (event.kind) {
        case 'notice':
          if (drawn === 0) out.write(`${oneLine(event.text)}\n`);
          return;
        case 'dumping':
          out.write(`\r\u001b[2Kdump    ${countText(event.records)} records`);
          return;
        case 'dumped':
          out.write(`\r\u001b[2K${dumpText(event.dump, event.generation)}\n`);
          dumped = true;
          break;
        case 'progress': {
          const { host, doing, bytes, total } = event;
          const share = total === 0 ? 0 : bytes / total;
          const bar =
            doing === 'sending' ? `${barText(share)} ${Math.floor(share * 100)} %` : doing;
          rows.set(host, [`  …  ${host}`, bar, bytesText(bytes), '', '']);
          break;
        }
        case 'retrying': {
          const { host, seconds, message } = event;
          const note = `${oneLine(message)}; next try in ${seconds.toFixed(0)} s`;
          rows.set(host, [`  …  ${host}`, 'waiting', '', '', note]);
          break;
        }
        case 'outcome':
          rows.set(event.replica.host, liveRow(event.replica));
          break;
        default:
          return;
      }
      if (dumped) draw();
    },
    end(report) {
      if (dumped) {
        for (const replica of report.replicas) rows.set(replica.host, liveRow(replica));
        draw();
      }
      for (const { host, error } of report.replicas) {
        if (error === null) continue;
        out.write(`\n${host}: ${oneLine(error.message)}\n    ${oneLine(error.remedy)}\n`);
      }
      out.write(`${endText(report)}\n`);
    },
  };
}

const barCells = 10;

function barText(share: number): string {
  const full = Math.round(share * barCells);
  return `${'█'.repeat(full)}${'░'.repeat(barCells - full)}`;
}
