import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { isKpropError } from '../../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../../src/host/config-files.ts';
import { kdb5Util, processesOf, ReplicaRig } from '../../support/rig/replica-rig.ts';
import { has, largeDump, pausing, whole } from '../../support/wire/streams.ts';

// On whom a load of a dump that is still arriving may be forced, and on whom not.

let rig: ReplicaRig;
let large: Buffer;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  large = largeDump(rig);
});
afterAll(() => rig.close());
beforeEach(() => rig.holdGood());

const limits = { idleMillis: 0, totalMillis: 30_000 };

const stub = (script: string) => ({
  path: rig.lab.loaderStub(script, 'stub-streamed'),
  environment: rig.lab.env('replica'),
});
const place = (name: string) => join(rig.lab.replica.folder, 'tmp', name);

test('another program than kdb5_util, which is given /dev/stdin', async () => {
  const loader = stub('echo "$*" >"$TMPDIR/line"; shift $(($# - 1)); cat "$1" >"$TMPDIR/got"');
  const server = await rig.serve({ loader, limits, load: 'streamed' });
  const { dump, go } = pausing(large);
  const sending = rig.send(server.port, { dump });
  await rig.eventually(() => existsSync(place('got')) && statSync(place('got')).size > 900_000);
  go();
  await sending;
  expect(readFileSync(place('line'), 'utf8')).toBe('-r LAB.EXAMPLE load /dev/stdin\n');
  expect(readFileSync(place('got')).equals(large)).toBe(true);
});

test('a loader that does not read to the end is run again, with the file', async () => {
  const loader = stub('echo "$*" >>"$TMPDIR/lines"');
  const server = await rig.serve({ loader, limits, load: 'streamed' });
  const { dump, go } = pausing(large);
  const sending = rig.send(server.port, { dump });
  await rig.eventually(() => existsSync(place('lines')));
  go();
  await sending;
  expect(readFileSync(place('lines'), 'utf8')).toBe(
    `-r LAB.EXAMPLE load /dev/stdin\n-r LAB.EXAMPLE load ${rig.lab.replica.fromMaster}\n`,
  );
});

test('its children get no end of a dump, either, when it fails', async () => {
  const loader = stub(
    'exec 3<"$4"; (cat <&3 >/dev/null && touch "$TMPDIR/ended") & sleep 0.3; exit 4',
  );
  const server = await rig.serve({ loader, limits, load: 'streamed' });
  const { dump, go } = pausing(large);
  const failed = rig.failure(server.port, { dump });
  await rig.eventually(has(server, 'failed'));
  go();
  await failed;
  await sleep(100);
  expect(existsSync(place('ended'))).toBe(false);
  expect(processesOf(rig.lab.replica.folder)).toEqual([]);
});

test('another program than kdb5_util is not, unless it is forced', async () => {
  const server = await rig.serve({ loader: stub('exit 0'), limits });
  await rig.send(server.port, { dump: whole(large) });
  expect(has(server, 'streaming')()).toBe(false);
});

test.each(['klmdb', 'kldap'])('kdb5_util with %s is not, and cannot be', async (library) => {
  const { replica } = rig.lab;
  const kdcConf = join(replica.folder, `${library}.conf`);
  const module = `[dbmodules]\n  LAB.EXAMPLE = {\n    db_library = ${library}\n  }\n`;
  writeFileSync(kdcConf, `${readFileSync(replica.kdcConf, 'latin1')}${module}`);
  const config = loadKrb5Config({ krb5ConfFiles: replica.krb5Conf, kdcConfFile: kdcConf });
  // The program has the name of kdb5_util, and its database here is db2: only kpropd is misled.
  const server = await rig.serve({ config, limits });
  await rig.send(server.port, { dump: whole(large) });
  expect(has(server, 'streaming')()).toBe(false);
  const refused = await rig.serve({ config, load: 'streamed' }).catch((error) => error);
  expect(isKpropError(refused, 'config.load')).toBe(true);
  expect(refused.message).toContain(`is not safe with the database library ${library}`);
});

test('a function is not', async () => {
  const refused = await rig.serve({ loader: async () => {}, load: 'streamed' }).catch((e) => e);
  expect(isKpropError(refused, 'config.load')).toBe(true);
});

test('the dump of a full resynchronisation is loaded when it is complete', async () => {
  const text = large.toString('latin1').replace(/^.*\n/, 'ipropx 1 0 0 0\n');
  const loader = { path: kdb5Util, environment: rig.lab.env('replica') };
  const server = await rig.serve({ loader, limits, load: 'streamed' });
  await rig.failure(server.port, { dump: whole(Buffer.from(text)) });
  expect(has(server, 'streaming')()).toBe(false);
  expect(server.errors[0]).toMatchObject({ detail: { stderr: /Iprop not enabled/ } });
});
