import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { bothFail, type Failure } from '../support/lab/both-kprops.ts';
import { Lab } from '../support/lab/lab.ts';
import type { KpropOptions } from '../support/lab/lab-options.ts';
import { freePort } from '../support/lab/lab-process.ts';

let lab: Lab;
const path = (name: string) => join(lab.primary.folder, name);

beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
});
afterAll(() => lab.close());

/** A krb5.conf of few words; `kdc` is the whole line. */
function configured(kdc: string, realm = lab.realm): NodeJS.ProcessEnv {
  const file = path('other-krb5.conf');
  const text = `[libdefaults]
  default_realm = ${lab.realm}
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  qualify_shortname = ""
[realms]
  ${realm} = {
    ${kdc}
  }
`;
  writeFileSync(file, text);
  return { KRB5_CONFIG: file };
}

async function fails(text: string, o: Partial<KpropOptions>): Promise<Failure> {
  const failure = await bothFail(lab, { port: 1, ...o });
  expect(failure.mit).toEqual([`kprop: ${text}`]);
  expect(failure.ours).toEqual(failure.mit);
  return failure;
}

test('a KDC that is down is known at once, and named', async () => {
  const port = await freePort();
  const { advice, millis } = await fails(
    'Cannot contact any KDC for requested realm while getting initial credentials',
    { env: configured(`kdc = 127.0.0.1:${port}`) },
  );
  expect(millis).toBeLessThan(2000);
  expect(advice).toMatch(
    new RegExp(`no KDC of realm LAB\\.EXAMPLE answers.*${port}.* run .systemctl start krb5-kdc`),
  );
});

test('no KDC is configured', async () => {
  const { advice } = await fails(
    'Cannot find KDC for requested realm while getting initial credentials',
    { env: configured('# no kdc') },
  );
  expect(advice).toMatch(/set `kdc = HOST` in \[realms\] LAB\.EXAMPLE of/);
});

test('-r with a realm for which the keytab has no key', async () => {
  const { advice } = await fails('Key table entry not found while getting initial credentials', {
    args: ['-r', 'OTHER.EXAMPLE'],
  });
  expect(advice).toContain(
    `holds ${lab.client}, but the realm is OTHER.EXAMPLE (-r) fix: run it with \`-r ${lab.realm}\``,
  );
});

test('-r with a realm that the KDC does not serve', async () => {
  const query = [
    `addent -password -p host/${lab.host}@GHOST.EXAMPLE -k 1 -e ${lab.enctype}`,
    'no matter',
    `wkt ${path('ghost.keytab')}`,
    'quit',
  ];
  const made = await lab.run('ktutil', [], { input: `${query.join('\n')}\n` });
  expect(made.stderr).toBe('');
  const { advice } = await fails(
    'Client not found in Kerberos database while getting initial credentials',
    {
      env: configured(`kdc = 127.0.0.1:${lab.primary.kdcPort}`, 'GHOST.EXAMPLE'),
      args: ['-r', 'GHOST.EXAMPLE', '-s', path('ghost.keytab')],
    },
  );
  expect(advice).toMatch(
    /the KDC has no host\/\S+@GHOST\.EXAMPLE.*addprinc -randkey host.*ktadd -k /,
  );
});

test('krb5.conf with a malformed line', async () => {
  writeFileSync(path('broken.conf'), '[libdefaults]\n  default_realm = X\n[realms\n');
  const { advice } = await fails(
    'Improper format of Kerberos configuration file while initializing krb5',
    { env: { KRB5_CONFIG: path('broken.conf') } },
  );
  expect(advice).toMatch(/broken\.conf line 3: .* fix: correct line 3 of/);
});

// MIT prints errno here, which is nothing or something else: krb5 src/kprop/kprop.c, get_realm.
test.each([
  ['without a default realm', '[libdefaults]\n  dns_canonicalize_hostname = false\n'],
  ['that does not exist', undefined],
])('krb5.conf %s', async (_, text) => {
  const file = path(`no-realm-${text === undefined}.conf`);
  if (text !== undefined) writeFileSync(file, text);
  const { mit, ours, advice } = await bothFail(lab, { port: 1, env: { KRB5_CONFIG: file } });
  expect(mit.join()).toMatch(/^kprop: (No such file or directory )?while getting default realm$/);
  expect(ours).toEqual([
    'kprop: Configuration file does not specify default realm while getting default realm',
  ]);
  expect(advice).toMatch(
    text === undefined
      ? /no-realm-true\.conf does not exist fix: run `unset KRB5_CONFIG`/
      : /set `default_realm = REALM` in \[libdefaults\] of \S+no-realm-false\.conf/,
  );
});
