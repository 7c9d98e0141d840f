import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import type { Kpropd, KpropdOptions } from '../support/lab/lab.ts';
import { holdLock } from '../support/lab/lock-holder.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { ReplicaRig } from '../support/rig/replica-rig.ts';

let rig: ReplicaRig;
let kpropd: Kpropd | undefined;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  const basedOn = readFileSync(rig.other, 'latin1');
  // MIT's kprop is still in the middle of it when our kpropd has made up its mind.
  makeSyntheticDump(bigDump(), Number.POSITIVE_INFINITY, { basedOn, exactBytes: 5_000_000 });
});
afterEach(async () => {
  await kpropd?.stop();
  kpropd = undefined;
});
afterAll(() => rig.close());

const bigDump = () => join(rig.lab.primary.folder, 'big');
const sizes = [
  ['a small dump', () => rig.other],
  ['5 MB', bigDump],
] as const;

/** What MIT's kprop prints for a propagation to our kpropd, which must fail. */
async function mitSays(file: string, o: KpropdOptions = {}): Promise<string> {
  kpropd = await rig.lab.startOurKpropd(o);
  const sent = await rig.lab.mitKprop({ port: kpropd.port, file });
  expect(sent).toMatchObject({ status: 1, stdout: '' });
  return sent.stderr;
}

describe.each(sizes)("MIT's kprop with %s prints why", (_size, dump) => {
  test('it is not in the ACL', async () => {
    const acl = join(rig.lab.replica.folder, 'acl-empty');
    writeFileSync(acl, '');
    expect(await mitSays(dump(), { acl })).toBe(
      `Generic remote error: ${rig.lab.client} is not authorized to propagate to this host\n`,
    );
    expect(kpropd?.stderr).toContain(
      `Rejected connection from unauthorized principal ${rig.lab.client}\n`,
    );
  });

  test('the spool is locked', async () => {
    const path = `${rig.lab.replica.fromMaster}.temp`;
    writeFileSync(path, '');
    const holder = await holdLock(path, 'OFD');
    expect(await mitSays(dump())).toBe(
      `Generic remote error: the spool file is locked by another propagation while trying to lock\n`,
    );
    await holder.end();
  });

  test('the load failed; the words of the loader stay in our log', async () => {
    const loader = rig.lab.loaderStub('echo "kdb5_util: no such luck" >&2; exit 1');
    expect(await mitSays(dump(), { loader })).toBe(
      `Generic remote error: loader returned a bad exit status (1)\n`,
    );
    expect(kpropd?.stderr).toContain('kdb5_util: no such luck');
  });

  test('the dump is malformed', async () => {
    const path = join(rig.lab.primary.folder, 'cut');
    writeFileSync(path, readFileSync(dump()).subarray(0, -2));
    writeFileSync(`${path}.dump_ok`, '\0');
    expect(await mitSays(path)).toBe(
      'Generic remote error: the dump was not loaded: it ends in the middle of its last record\n',
    );
  });

  test('the load ran out of time', async () => {
    const loader = rig.lab.loaderStub('sleep 304');
    const said = await mitSays(dump(), { loader, env: { KRB5_KDC_PROFILE: shortKdcConf() } });
    expect(said).toBe('Generic remote error: the propagation did not end within 1 s\n');
  });
});

test('and after all of this the replica holds what it held', () => rig.expectIntact());

function shortKdcConf(): string {
  const path = join(rig.lab.replica.folder, 'kdc-short.conf');
  const text = readFileSync(rig.lab.replica.kdcConf, 'utf8');
  const realm = `  ${rig.lab.realm} = {\n`;
  writeFileSync(path, text.replace(realm, `${realm}    iprop_resync_timeout = 1\n`));
  return path;
}
