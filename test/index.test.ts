import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import * as library from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'kprop-index-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('the values that the package exports', () => {
  expect(Object.keys(library).sort()).toEqual([
    'KpropError',
    'Krb5Config',
    'canonicalNames',
    'checkDump',
    'checkReplica',
    'chooseReplayCache',
    'configFilesOf',
    'defaultKeytabName',
    'dumpDatabase',
    'fileReplayCache',
    'followUpdates',
    'formatKeytab',
    'formatProfile',
    'hostsLines',
    'inspectDump',
    'isKpropError',
    'kdcClock',
    'loadKrb5Config',
    'lockFile',
    'masterEntryOfDatabase',
    'masterEntryOfDump',
    'memoryReplayCache',
    'openFiles',
    'openSharedDump',
    'opensMasterKey',
    'ownPrincipals',
    'parseDuration',
    'parseKeytab',
    'parseKeytabName',
    'parseProfile',
    'probe',
    'propagate',
    'propagationPort',
    'readDefaultPaths',
    'readProfile',
    'readStash',
    'replaceOwnFile',
    'retry',
    'runningProcesses',
    'sendDatagram',
    'serveKprop',
    'serveSocket',
    'serviceKeyAt',
    'servicePrincipals',
    'systemAmbient',
    'withoutInspector',
  ]);
});

test("an acceptor of one's own can share the replay file of the host", async () => {
  const config = library.loadKrb5Config({ krb5ConfFiles: '/dev/null' });
  const replay: library.ReplayCache = library.chooseReplayCache({ KRB5RCACHEDIR: folder }, config);
  const tag = library.systemAmbient().random(12);
  await replay.store(tag, 1_800_000_000, 'a@R');
  const path = join(folder, `krb5_${process.geteuid?.()}.rcache2`);
  expect(statSync(path).size).toBeGreaterThan(0);
  const { clockSkewSeconds } = config;
  const same = library.fileReplayCache({ path, strict: true, clockSkewSeconds });
  const replayed: library.Detail<'auth.replay'> = { client: 'a@R' };
  await expect(same.store(tag, 1_800_000_000, 'a@R')).rejects.toMatchObject({
    code: 'auth.replay',
    detail: replayed,
  });
});
