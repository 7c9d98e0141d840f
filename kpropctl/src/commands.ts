import { setTimeout as sleep } from 'node:timers/promises';

import { type Krb5Config, parseDuration, replaceOwnFile } from 'kprop';

import { BadSettings } from './config/complaints.ts';
import { initialConfig } from './config/init.ts';
import { loadKrb5 } from './config/krb5.ts';
import { readSettings, type Settings } from './config/settings.ts';
import { exits, type RunReport } from './run/report.ts';
import { type RunOptions, run } from './run/run.ts';
import { guardComplaints } from './serve/guard.ts';
import { runHooks } from './serve/hooks.ts';
import {
  liveRunText,
  type Output,
  plainRunText,
  quietRunText,
  type RunText,
} from './show/run-text.ts';
import { agoText, columns, oneLine, spanText } from './show/words.ts';
import { readJournal } from './state/journal.ts';
import { readState, type State, updateState } from './state/state.ts';
import { openMetrics } from './status/metrics.ts';
import { probed, statusOf, withFound } from './status/snapshot.ts';
import { nagiosLine, statusText } from './status/status-text.ts';

/** What every command is given. */
export interface Surroundings {
  readonly out: Output & { readonly isTTY?: boolean | undefined };
  readonly error: Output & { readonly isTTY?: boolean | undefined };
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Writes to standard output what is no text. @throws errno */
  writeBytes(bytes: Uint8Array): Promise<void>;
}

export interface GlobalOptions {
  readonly config?: string | undefined;
}

export interface Loaded {
  readonly settings: Settings;
  readonly krb5: Krb5Config;
}

/** @throws BadSettings, config.* */
export function load(
  o: GlobalOptions,
  { environment }: Surroundings,
  hosts?: readonly string[],
): Loaded {
  const krb5 = loadKrb5(environment);
  const settings = readSettings({ file: o.config, hosts, krb5 });
  return { krb5, settings: { ...settings, keytab: settings.keytab ?? environment.KRB5_KTNAME } };
}

export interface RunFlags extends GlobalOptions {
  readonly json?: boolean;
  readonly ndjson?: boolean;
  readonly plain?: boolean;
  readonly quiet?: boolean;
  readonly dryRun?: boolean;
  readonly ifChanged?: boolean;
  readonly force?: boolean;
  readonly wait?: string | boolean;
}

export async function runCommand(
  hosts: readonly string[],
  flags: RunFlags,
  around: Surroundings,
): Promise<number> {
  const { settings, krb5 } = load(flags, around, hosts);
  if (settings.replicas.length === 0) {
    around.error.write(
      'kpropctl: no replicas: name them, or write them into the configuration (kpropctl init)\n',
    );
    return exits.usage;
  }
  const text = runTextOf(flags, settings, around);
  const { report } = await runWithHooks(
    {
      ...{ settings, krb5, environment: around.environment, signal: around.signal },
      force: flags.force === true,
      ifChanged: flags.ifChanged === true,
      dryRun: flags.dryRun === true,
      waitMillis: waitMillis(flags.wait),
      onEvent: (event) => text.event(event),
    },
    (trouble) => around.error.write(`${oneLine(trouble)}\n`),
  );
  text.end(report);
  return report.exit;
}

/** A run, with what belongs to it outside: hooks, and the file for the collector of metrics. */
export async function runWithHooks(
  o: RunOptions,
  onTrouble: (text: string) => void,
): Promise<{ readonly report: RunReport }> {
  const { settings } = o;
  const wasFailing = readState(settings.state, () => undefined).failing === true;
  const report = await run(o);
  if (o.dryRun === true) return { report };
  await runHooks(settings, report, wasFailing, onTrouble);
  if (settings.textfile !== undefined) {
    const status = statusOf(
      settings,
      readState(settings.state, () => undefined),
    );
    await replaceOwnFile(settings.textfile, await openMetrics(status)).catch((error: Error) =>
      onTrouble(`${settings.textfile} cannot be written: ${error.message}`),
    );
  }
  return { report };
}

function runTextOf(flags: RunFlags, settings: Settings, { out }: Surroundings): RunText {
  if (flags.ndjson === true) {
    return {
      event: (event) => out.write(`${JSON.stringify(event)}\n`),
      end: (report) => out.write(`${JSON.stringify({ kind: 'end', report })}\n`),
    };
  }
  if (flags.json === true) {
    return { event: () => undefined, end: (report) => out.write(`${JSON.stringify(report)}\n`) };
  }
  if (flags.quiet === true) return quietRunText(out);
  if (flags.plain === true || out.isTTY !== true) return plainRunText(out, settings.realm);
  return liveRunText(
    out,
    settings.realm,
    settings.replicas.map(({ host }) => host),
  );
}

function waitMillis(wait: string | boolean | undefined): number {
  if (wait === undefined || wait === false) return 0;
  if (wait === true) return Number.POSITIVE_INFINITY;
  return (parseDuration(wait) ?? 0) * 1000;
}

export interface StatusFlags extends GlobalOptions {
  readonly json?: boolean;
  readonly nagios?: boolean;
  readonly openmetrics?: boolean;
  readonly probe?: boolean;
  readonly watch?: boolean;
}

export async function statusCommand(flags: StatusFlags, around: Surroundings): Promise<number> {
  if (flags.watch === true) return watchStatus(flags, around);
  const { settings, krb5 } = load(flags, around);
  const { out } = around;
  let state = readState(settings.state, (text) => around.error.write(`${oneLine(text)}\n`));
  if (flags.probe === true) {
    const found = await probed(settings, krb5, state, around.environment);
    const before = state;
    const change = (now: State) => withFound(now, { before, found });
    state = await updateState(settings.state, change, () => undefined);
  }
  const status = statusOf(settings, state);
  if (flags.nagios === true) {
    const { text, exit } = nagiosLine(status, settings);
    out.write(text);
    return exit;
  }
  if (flags.json === true) out.write(`${JSON.stringify(status)}\n`);
  else if (flags.openmetrics === true) out.write(await openMetrics(status));
  else out.write(statusText(status));
  return 0;
}

/** Draws the table again and again, until it is interrupted. */
async function watchStatus(flags: StatusFlags, around: Surroundings): Promise<number> {
  const { out, signal } = around;
  while (!signal.aborted) {
    let text = '';
    const kept = { ...around, out: { write: (more: string) => (text += more) } };
    const status = await statusCommand({ ...flags, watch: false }, kept);
    if (status !== 0) return status;
    out.write(`\u001b[H\u001b[2J${text}`);
    await sleep(watchMillis, undefined, { signal }).catch(() => undefined);
  }
  return 0;
}

const watchMillis = 2_000;

export interface HistoryFlags extends GlobalOptions {
  readonly failed?: boolean;
  readonly since?: string;
  readonly json?: boolean;
}

export function historyCommand(
  host: string | undefined,
  flags: HistoryFlags,
  around: Surroundings,
): number {
  const { settings } = load(flags, around);
  const now = Date.now();
  const oldest = flags.since === undefined ? 0 : now - (parseDuration(flags.since) ?? 0) * 1000;
  const rows = readJournal(settings.state)
    .filter(({ at }) => Date.parse(at) >= oldest)
    .flatMap(({ at, run: report }) =>
      report.replicas.map((replica) => ({ at, generation: report.generation, ...replica })),
    )
    .filter((row) => host === undefined || row.host === host)
    .filter(({ state }) => flags.failed !== true || state === 'failed');
  if (flags.json === true) {
    for (const row of rows) around.out.write(`${JSON.stringify(row)}\n`);
    return 0;
  }
  const table = rows.map((row) => [
    agoText(row.at, now),
    `${row.generation}`,
    row.host,
    row.state,
    row.millis === 0 ? '' : spanText(row.millis),
    oneLine(row.error?.message ?? ''),
  ]);
  const header = ['WHEN', 'GENERATION', 'REPLICA', 'STATE', 'TOOK', ''];
  around.out.write(`${columns([header, ...table]).join('\n')}\n`);
  return 0;
}

export interface HoldFlags extends GlobalOptions {
  readonly for?: string;
  readonly reason?: string;
}

export async function holdCommand(
  host: string,
  flags: HoldFlags,
  around: Surroundings,
): Promise<number> {
  const seconds = flags.for === undefined ? undefined : parseDuration(flags.for);
  if (flags.for !== undefined && seconds === undefined) {
    around.error.write(`kpropctl: --for ${flags.for} is not a duration, such as 2h\n`);
    return exits.usage;
  }
  const now = Date.now();
  return changeHolds(host, flags, around, (holds) => ({
    ...holds,
    [host]: {
      until: seconds === undefined ? null : new Date(now + seconds * 1000).toISOString(),
      reason: flags.reason ?? 'no reason given',
      since: new Date(now).toISOString(),
    },
  }));
}

export function releaseCommand(
  host: string,
  flags: GlobalOptions,
  around: Surroundings,
): Promise<number> {
  return changeHolds(host, flags, around, (holds) =>
    Object.fromEntries(Object.entries(holds).filter(([name]) => name !== host)),
  );
}

async function changeHolds(
  host: string,
  flags: GlobalOptions,
  around: Surroundings,
  change: (holds: State['holds']) => State['holds'],
): Promise<number> {
  const { settings } = load(flags, around);
  if (!settings.replicas.some((replica) => replica.host === host)) {
    around.error.write(`kpropctl: ${host} is not one of [replicas]\n`);
    return exits.usage;
  }
  const onTrouble = (text: string) => around.error.write(`${oneLine(text)}\n`);
  const changed = (state: State) => ({ ...state, holds: change(state.holds) });
  await updateState(settings.state, changed, onTrouble);
  return 0;
}

export function initCommand(around: Surroundings): number {
  around.out.write(initialConfig(loadKrb5(around.environment)));
  return 0;
}

export async function checkCommand(flags: GlobalOptions, around: Surroundings): Promise<number> {
  const { settings } = load(flags, around);
  const complaints = await guardComplaints(settings, around);
  if (complaints.length > 0) throw new BadSettings(complaints);
  const { file, replicas } = settings;
  around.out.write(
    `${file ?? 'there is no configuration file'}: ${replicas.length} replicas, nothing is wrong\n`,
  );
  return 0;
}
