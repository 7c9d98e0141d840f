import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { loaderEnvironment } from '../../../src/server/load/loader-environment.ts';
import { Lab } from '../../support/lab/lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create({ principals: 1 });
});
afterAll(() => lab.close());

test('the loader gets the variables that it needs, and no others', () => {
  const needed = {
    PATH: '/usr/bin',
    KRB5_CONFIG: '/etc/krb5.conf',
    KRB5_TRACE: '/tmp/trace',
    LDAPTLS_CACERT: '/etc/ca.pem',
    LC_MESSAGES: 'C',
    TZ: 'UTC',
    TMPDIR: '/tmp',
  };
  const others = {
    NOTIFY_SOCKET: '/run/systemd/notify',
    LISTEN_FDS: '1',
    WATCHDOG_USEC: '1',
    LD_PRELOAD: '/tmp/evil.so',
    NODE_OPTIONS: '--inspect',
    AWS_SECRET_ACCESS_KEY: 'secret',
    MY_LDAP: 'x',
  };
  expect(loaderEnvironment({ ...others, ...needed })).toEqual(needed);
});

test('a kpropd with a secret in its environment keeps it from its loader', async () => {
  const seen = join(lab.replica.folder, 'seen');
  const loader = lab.loaderStub(`tr '\\0' '\\n' </proc/$$/environ >'${seen}'`);
  const env = { NOTIFY_SOCKET: '/nowhere', SECRET_OF_ROOT: 'secret' };
  const kpropd = await lab.startOurKpropd({ loader, env });
  expect(await lab.ourKprop({ port: kpropd.port, file: await lab.dump() })).toMatchObject({
    status: 0,
  });
  const text = readFileSync(seen, 'utf8');
  expect(text).toContain(`KRB5_CONFIG=${lab.replica.krb5Conf}\n`);
  expect(text).not.toMatch(/NOTIFY_SOCKET|SECRET/);
});
