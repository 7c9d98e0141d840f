import { type GlobalOptions, load, type Surroundings } from '../commands.ts';
import { notPrimary } from '../run/primary.ts';
import { isSameHost } from '../run/same-host.ts';
import { oneLine } from '../show/words.ts';
import { type State, updateState } from '../state/state.ts';
import { collectKit } from './collect.ts';
import { encodeKit } from './kit.ts';
import { newPassphrase, passphraseFrom, terminalFor } from './passphrase.ts';
import { kitExits, Refused, refused } from './refused.ts';
import { seal } from './seal.ts';

export interface KitFlags extends GlobalOptions {
  readonly withStash?: boolean;
  readonly newKey?: boolean;
  readonly passphraseFile?: string;
  readonly force?: boolean;
}

/** Writes a kit for a new replica to standard output. Its passphrase is shown on the terminal, once. */
export async function kitCommand(
  host: string,
  flags: KitFlags,
  around: Surroundings,
): Promise<number> {
  const { settings, krb5 } = load(flags, around, [host]);
  const fault = notPrimary(settings);
  if (fault !== undefined && flags.force !== true) {
    throw new Refused(kitExits.notPrimary, fault.message, fault.remedy);
  }
  if (around.out.isTTY === true) {
    throw new Refused(
      kitExits.usage,
      'a kit is not for a terminal',
      `write it into a file: kpropctl kit ${host} > ${host}.kit`,
    );
  }
  const given = flags.passphraseFile;
  const show = given === undefined ? terminalFor(around.error) : undefined;
  const passphrase =
    given === undefined ? newPassphrase() : passphraseFrom(given, { forNew: true });
  const { kit, principal, isNew } = await collectKit({
    ...{ host, settings, krb5, environment: around.environment },
    newKey: flags.newKey === true,
    withStash: flags.withStash === true,
  });
  const changed = isNew || flags.newKey === true;
  const sealed = await seal(encodeKit(kit), passphrase);
  await around.writeBytes(sealed).catch((error: NodeJS.ErrnoException) => {
    throw refused(
      `the kit was not written (${error.code ?? error.message})${changed ? `, and ${principal} has a new key already` : ''}`,
      'make room for it, and make it again',
      error,
    );
  });
  const say = (text: string) => around.error.write(`${oneLine(text)}\n`);
  const key = isNew
    ? 'made, with a random key'
    : flags.newKey === true
      ? 'given a new key'
      : 'used as it is';
  say(`kit for ${kit.host}, with ${[...kit.files.keys()].join(', ')}`);
  say(`${principal} was ${key}`);
  say(`${kit.primary} will propagate to ${kit.host}`);
  if (!kit.files.has('stash')) {
    say(
      'without the stash of the master key: --with-stash puts it in, or kdb5_util stash makes it there',
    );
  }
  show?.(`passphrase: ${passphrase}    (shown once, and kept nowhere)\n`);
  say(`next, on ${kit.host}, as root: kpropctl join ${kit.host}.kit`);
  say(`then here: kpropctl run ${host}`);
  const { file, replicas } = load(flags, around).settings;
  const isConfigured = replicas.some((each) => isSameHost(each.host, kit.host));
  if (file !== undefined && !isConfigured) {
    say(`for serve, status and every run, add to [replicas] in ${file}: ${kit.host} = { }`);
  }
  await expect(settings.state, kit.host, kit.made, say);
  return kitExits.done;
}

/** The first run for this replica waits for its KDC, which cannot start without a database. */
async function expect(
  folder: string,
  host: string,
  made: string,
  onTrouble: (text: string) => void,
): Promise<void> {
  const change = (state: State) => ({ ...state, expected: { ...state.expected, [host]: made } });
  await updateState(folder, change, onTrouble);
}
