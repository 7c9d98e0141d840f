import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { bothFail, type Failure } from '../support/lab/both-kprops.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Kpropd, KpropdOptions } from '../support/lab/lab-options.ts';
import type { Make } from '../support/lab/make.ts';
import { startKpropd } from '../support/lab/pairings.ts';

let lab: Lab;
let kpropd: Kpropd | undefined;
const path = (name: string) => join(lab.replica.folder, name);

beforeAll(async () => {
  lab = await Lab.create({ principals: 200 });
  await lab.load(await lab.dump());
  // Keys that are not the one of the replica's tickets.
  await lab.kadminLocal('primary', 'addprinc -randkey host/stranger');
  const stranger = path('stranger.keytab');
  await lab.kadminLocal('primary', `ktadd -norandkey -k ${stranger} host/stranger`);
  const old = path('old-key.keytab');
  await lab.kadminLocal('primary', `ktadd -norandkey -k ${old} host/127.0.0.1`);
  await lab.kadminLocal('primary', `ktadd -k ${lab.replica.keytab} host/127.0.0.1`);
  // The version is the last field of its only entry, 32 bits.
  const swapped = readFileSync(old);
  swapped.writeUInt32BE(swapped.readUInt32BE(swapped.length - 4) + 1, swapped.length - 4);
  writeFileSync(path('swapped.keytab'), swapped);
  writeFileSync(path('other.acl'), `host/other@${lab.realm}\n`);
  writeFileSync(path('other-enctype.acl'), `${lab.client} aes128-cts\n`);
});
afterEach(async () => {
  await kpropd?.stop();
  kpropd = undefined;
});
afterAll(() => lab.close());

async function refused(make: Make, o: KpropdOptions): Promise<Failure> {
  kpropd = await startKpropd(lab, make, o);
  return bothFail(lab, { port: kpropd.port });
}

describe("our kpropd says why, to MIT's kprop too", () => {
  const cases: readonly [string, () => KpropdOptions, RegExp][] = [
    [
      'a principal that is not in the ACL',
      () => ({ acl: path('other.acl') }),
      /^host\/\S+@LAB\.EXAMPLE is not authorized to propagate to this host$/,
    ],
    [
      'an ACL that is not there',
      () => ({ acl: path('no.acl') }),
      /^host\/\S+@LAB\.EXAMPLE is not authorized to propagate to this host$/,
    ],
    [
      'an enctype that the ACL excludes',
      () => ({ acl: path('other-enctype.acl') }),
      /^host\/\S+@LAB\.EXAMPLE is not authorized to propagate/,
    ],
    [
      'a spool file that cannot be made',
      () => ({ file: path('no-folder/from_master') }),
      /^No such file or directory while opening database file$/,
    ],
    [
      'a loader that is not there',
      () => ({ loader: path('no-loader') }),
      /^No such file or directory while trying to exec no-loader$/,
    ],
    [
      'a loader that fails',
      () => ({ loader: lab.loaderStub('echo oops >&2; exit 3') }),
      /^loader returned a bad exit status \(3\)$/,
    ],
    [
      'a loader that is killed',
      () => ({ loader: lab.loaderStub('kill -9 $$') }),
      /^loader load terminated by SIGKILL$/,
    ],
  ];
  // What arrived stays in the spool file although the load failed, as with MIT's kpropd; it is the
  // dump that was there before.
  test.each(cases)('%s', async (_, o, text) => {
    const { mit, ours, advice } = await refused('ours', o());
    expect(mit).toEqual([expect.stringMatching(/^Generic remote error: /)]);
    expect(mit[0]?.replace('Generic remote error: ', '')).toMatch(text);
    expect(ours).toEqual(mit);
    expect(advice).toMatch(/fix: (on the replica, (add the line|write|run) `|run kprop again)/);
  });
});

describe("MIT's kpropd hangs up, and the advice knows its reasons", () => {
  const dropped =
    /^kprop: (Broken pipe while sending database (size|block starting at \d+)|(Software caused connection abort|Connection reset by peer) while (sending database (size|block starting at \d+)|reading response from server))$/;

  test.each([
    ['a principal that is not in the ACL', () => ({ acl: path('other.acl') })],
    ['an ACL that is not there', () => ({ acl: path('no.acl') })],
    ['a spool file that cannot be made', () => ({ file: path('no-folder/from_master') })],
  ])('%s', async (_, o) => {
    const { mit, ours, advice } = await refused('mit', o());
    // How far either gets until it notices is a matter of luck.
    expect(mit).toEqual([expect.stringMatching(dropped)]);
    expect(ours).toEqual([expect.stringMatching(dropped)]);
    expect(advice).toMatch(/if kpropd\.acl there lacks this host, or if it cannot write .* file/);
  });

  test.each([
    ['a loader that is not there', () => path('no-loader')],
    ['a loader that fails', () => lab.loaderStub('exit 3')],
  ])('%s', async (_, loader) => {
    const { mit, ours, advice } = await refused('mit', { loader: loader() });
    expect(mit).toEqual([
      'kprop: Software caused connection abort while reading response from server',
    ]);
    expect(ours).toEqual(mit);
    expect(advice).toMatch(
      /if kdb5_util load fails fix: on the other side, run `journalctl -t kpropd`/,
    );
  });
});

describe.each(['ours', 'mit'] as const)('the keytab of kpropd (%s)', (make) => {
  const rejected =
    'kprop: Server rejected authentication (during sendauth exchange) while authenticating to server';

  const cases = [
    ['has another key of the same version', 'swapped.keytab'],
    ['has an older key', 'old-key.keytab'],
    ['has another name only', 'stranger.keytab'],
    ['is not there', 'no.keytab'],
    ['is garbage', 'kpropd.acl'],
  ] as const;

  test.each(cases)('%s', async (_, name) => {
    const env = { KRB5_KTNAME: `FILE:${path(name)}` };
    const { mit, ours, advice } = await refused(make, { env });
    expect(mit[0]).toBe(rejected);
    expect(ours).toEqual(mit);
    expect(advice).toMatch(
      /fix: on the replica, (run|set) `(kadmin -q "kt(add|remove) |journalctl -t kpropd|rm |ignore_acceptor)/,
    );
  });
});
