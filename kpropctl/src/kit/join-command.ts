import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { parseDuration } from 'kprop';

import type { GlobalOptions, Surroundings } from '../commands.ts';
import { doctorCommand } from '../doctor/doctor.ts';
import { runsHere } from '../run/primary.ts';
import { oneLine } from '../show/words.ts';
import { startAfterFirst } from './first-propagation.ts';
import { type NextOptions, nextSteps, planText, primaryOf } from './join-text.ts';
import { requireOwnKeys } from './keytab-with.ts';
import { decodeKit, type Kit } from './kit.ts';
import { excludeOtherJoins } from './one-join.ts';
import { ask, askPassphrase, passphraseFrom } from './passphrase.ts';
import { databasePaths, kdcConfPath } from './places.ts';
import { type Plan, planJoin, type Step } from './plan.ts';
import { type KitExit, kitExits, Refused, refused } from './refused.ts';
import { readSealed, unseal } from './seal.ts';
import { runStart, type Start, startOf, startText } from './services.ts';
import { writeAll } from './write-all.ts';

export interface JoinFlags extends GlobalOptions {
  readonly passphraseFile?: string;
  readonly host?: string;
  readonly replace?: boolean;
  readonly keep?: boolean;
  readonly yes?: boolean;
  readonly start?: boolean;
  readonly wait?: boolean | string;
}

/** Makes this host a replica with the kit that its primary made. */
export async function joinCommand(
  file: string,
  flags: JoinFlags,
  around: Surroundings,
): Promise<KitExit> {
  const waitMillis = waitMillisOf(flags);
  if (flags.replace === true && flags.keep === true) {
    throw new Refused(kitExits.usage, '--replace and --keep contradict each other', 'choose one');
  }
  if (runsHere('kadmind')) {
    throw refused(
      'kadmind runs here, so this host is a primary: a replica would lose its changes',
      'join on the new replica; if this host becomes one, stop kadmind first',
    );
  }
  const kit = await openKit(file, flags, around.signal);
  const keys = requireOwnKeys(
    kit.files.get('krb5.keytab') as Uint8Array,
    `host/${kit.host}@${kit.realm}`,
  );
  const planNow = () =>
    planJoin(kit, {
      ...{ environment: around.environment, host: flags.host },
      keep: flags.keep === true,
    });
  const end = await excludeOtherJoins(dirname(kdcConfPath(around.environment)));
  try {
    const plan = await planNow();
    around.out.write(planText(kit, plan.steps, keys));
    requireNoConflict(plan.steps, flags);
    await write(plan.steps, { flags, around, stepsNow: async () => (await planNow()).steps });
    end();
    return await startAndTell(kit, plan, { flags, waitMillis, around });
  } finally {
    end();
  }
}

async function openKit(file: string, flags: JoinFlags, signal: AbortSignal): Promise<Kit> {
  const sealed = readSealed(file);
  const { passphraseFile: given } = flags;
  const passphrase =
    given === undefined
      ? await askPassphrase(`passphrase of ${oneLine(file)}: `, signal)
      : passphraseFrom(given, { forNew: false });
  return decodeKit(await unseal(sealed, passphrase));
}

function requireNoConflict(steps: readonly Step[], { replace }: JoinFlags): void {
  const conflicts = steps.filter(({ state }) => state === 'differs').map(({ path }) => path);
  if (conflicts.length === 0 || replace === true) return;
  throw refused(
    `${conflicts.join(', ')} ${conflicts.length === 1 ? 'differs' : 'differ'} from the kit; nothing was written`,
    '--replace replaces what differs, and keeps it as FILE.before-join; --keep leaves it as it is',
  );
}

interface WriteOptions {
  readonly flags: JoinFlags;
  readonly around: Surroundings;
  /** The plan, made again. */
  readonly stepsNow: () => Promise<readonly Step[]>;
}

async function write(
  steps: readonly Step[],
  { flags, around: { signal, out }, stepsNow }: WriteOptions,
): Promise<void> {
  const changes = steps.filter(({ state }) => state !== 'same' && state !== 'kept');
  if (changes.length === 0) {
    out.write('every file is there already.\n');
    return;
  }
  if (flags.yes !== true) {
    const answer = await ask(`write ${changes.length} files? [y/N] `, signal);
    if (!/^y(es)?$/i.test(answer.trim())) {
      throw refused(
        'nothing was written, as you wished',
        'start join again if you change your mind',
      );
    }
  }
  // Somebody may have thought about the answer for an hour.
  if (!isDeepStrictEqual(await stepsNow(), steps)) {
    throw refused(
      'a file was changed after the plan was made; nothing was written',
      'start join again',
    );
  }
  const files = changes.map((step) => ({ ...step, sameContent: step.state === 'mode' }));
  const written = await writeAll(files, signal);
  out.write(`wrote ${written.map(({ path }) => path).join(', ')}\n`);
  for (const { path, backup } of written) {
    if (backup !== undefined) out.write(`${path} as it was: ${backup}\n`);
  }
}

interface StartOptions {
  readonly flags: JoinFlags;
  readonly waitMillis: number;
  readonly around: Surroundings;
}

/** Starts what can be started, waits for the first propagation, and says what is left to do. */
async function startAndTell(
  kit: Kit,
  plan: Plan,
  { flags, waitMillis, around }: StartOptions,
): Promise<KitExit> {
  const { out, signal, environment } = around;
  const say = (text: string) => out.write(`${oneLine(text)}\n`);
  const path = environment.PATH ?? '';
  const kpropd = await startOf('kpropd', path);
  const kdc = await startOf('krb5kdc', path);
  const mayStart = flags.start !== false;
  const troubles: string[] = [];
  const started = { kpropd: false, kdc: false };
  const start = async (each: Start) => {
    const trouble = await runStart(each);
    if (trouble === undefined) say(`${each.daemon} runs (${startText(each)})`);
    else troubles.push(`${each.daemon} does not start: ${trouble}`);
    return trouble === undefined;
  };
  if (mayStart && kpropd.by !== 'hand' && !signal.aborted) started.kpropd = await start(kpropd);
  const databases = databasePaths(plan.krb5, kit.realm);
  const hadDatabase = databases.some((each) => existsSync(each));
  const hasDatabase = () => databases.some((each) => existsSync(each));
  const hasStash = existsSync(plan.stash);
  const canStartKdc = mayStart && hasStash && kdc.by !== 'hand' && troubles.length === 0;
  if (canStartKdc && (waitMillis > 0 || hasDatabase())) {
    if (!started.kpropd) say(`start kpropd: ${startText(kpropd)}`);
    if (!hasDatabase()) {
      say(`waiting for the first propagation; on ${primaryOf(kit)}: kpropctl run ${kit.host}`);
    }
    const ended = await startAfterFirst(databases, kdc, { waitMillis, signal });
    started.kdc = ended === true;
    if (ended === true) say(`krb5kdc runs (${startText(kdc)})`);
    else troubles.push(ended);
  }
  for (const trouble of troubles) say(trouble);
  const isReplica = tellNext(
    { kit, plan, kpropd, kdc, started, hasStash, hadDatabase, hasDatabase: hasDatabase() },
    say,
  );
  // Its findings are shown; whether the files are in place and the services run is told already.
  if (isReplica && !signal.aborted) await doctorCommand([], { here: true }, around);
  return troubles.length > 0 ? kitExits.unfinished : kitExits.done;
}

/** True if nothing is left to do. */
function tellNext(o: NextOptions, say: (text: string) => void): boolean {
  const next = nextSteps(o);
  if (next.length === 0) say(`${o.kit.host} is a replica.`);
  else say('next:');
  for (const [at, step] of next.entries()) say(`  ${at + 1}. ${step}`);
  return next.length === 0;
}

/** Somebody who sits there can wait; a script waits if it says so. */
function waitMillisOf({ wait, yes, start }: JoinFlags): number {
  if (wait === false) return 0;
  if (wait === undefined) return yes === true ? 0 : Number.POSITIVE_INFINITY;
  if (wait === true) return Number.POSITIVE_INFINITY;
  const seconds = parseDuration(wait);
  if (seconds === undefined || seconds < 0) {
    throw new Refused(kitExits.usage, `--wait=${wait} is not a duration`, 'such as --wait=10m');
  }
  return start === false ? 0 : seconds * 1000;
}
