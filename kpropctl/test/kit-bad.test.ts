import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { packageRoot } from '../../test/support/lab/lab.ts';
import { decodeKit, encodeKit, type Kit } from '../src/kit/kit.ts';
import { Refused } from '../src/kit/refused.ts';
import { readSealed, requireSealed, seal, unseal } from '../src/kit/seal.ts';
import { EmptyHost, keytabOf, kitFor, passphrase } from './empty-host.ts';

// Kits that must not be used: each is refused with a line about what is wrong and one about what to
// do, and nothing is written.

let host: EmptyHost;
beforeAll(() => {
  host = new EmptyHost('kdc5.kit.test');
});
afterAll(() => host.close());

const kit = kitFor('kdc5.kit.test');
/** The JSON of a kit with something changed. */
function document(change: (document: Document) => unknown): Uint8Array {
  const parsed: Document = JSON.parse(new TextDecoder().decode(encodeKit(kit)));
  return new TextEncoder().encode(JSON.stringify(change(parsed) ?? parsed));
}
interface Document {
  schema: unknown;
  realm: unknown;
  host: unknown;
  primary: unknown;
  files: Record<string, unknown>[];
}
const withFile = (change: (file: Record<string, unknown>) => void) =>
  document(({ files }) => files.forEach(change));
const rename = (name: unknown) =>
  document(({ files }) => {
    (files[0] as Record<string, unknown>).name = name;
  });
const about = (more: Partial<Kit>) => encodeKit({ ...kit, ...more });
const withContent = (name: 'krb5.conf' | 'kdc.conf' | 'krb5.keytab', text: string | Uint8Array) =>
  about({ files: new Map([...kit.files, [name, Buffer.from(text)]]) });
const conf = (more: string) => `[libdefaults]\n    default_realm = KIT.TEST\n${more}`;

interface Case {
  readonly what: RegExp;
  readonly fix: RegExp;
  /** What is encrypted; a good kit unless given. */
  readonly inside?: Uint8Array;
  /** The file as a whole. */
  readonly sealed?: () => Promise<Uint8Array> | Uint8Array;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly status?: number;
}

const another = /copy the kit again, or make another one/;
const cases: Readonly<Record<string, Case>> = {
  'a wrong passphrase': {
    sealed: () => seal(encodeKit(kit), 'another passphrase', 10),
    ...{ what: /the passphrase does not open this kit/, fix: /make another kit/ },
  },
  'an empty file': { sealed: () => new Uint8Array(), what: /is empty/, fix: /kpropctl kit wrote/ },
  'no kit': {
    sealed: () => Buffer.from('PK\u0003\u0004'),
    what: /is no kit/,
    fix: /kpropctl kit wrote/,
  },
  'five megabytes': {
    sealed: () => new Uint8Array(5_000_000),
    ...{ what: /more than 4194304 bytes/, fix: another },
  },
  'encrypted to a key': {
    sealed: () => Buffer.from('age-encryption.org/v1\n-> X25519 abc\nabc\n--- abc\n'),
    ...{ what: /not encrypted to a passphrase/, fix: another },
  },
  'a work factor of 30': {
    sealed: async () => {
      const text = Buffer.from(await seal(encodeKit(kit), passphrase, 10)).toString('latin1');
      return Buffer.from(text.replace(/ 10\n/, ' 30\n'), 'latin1');
    },
    ...{ what: /wants 2\^30 rounds of scrypt/, fix: another },
  },
  'cut in the middle': {
    sealed: async () => (await seal(encodeKit(kit), passphrase, 10)).subarray(0, 700),
    ...{ what: /cut off, or was changed/, fix: another },
  },
  'not JSON': { inside: Buffer.from('{'), what: /not JSON/, fix: another },
  'deep JSON': { inside: Buffer.alloc(200_000, '['), what: /is no kit/, fix: another },
  'another schema': {
    inside: document((d) => {
      d.schema = 'kpropctl.kit/2';
    }),
    ...{ what: /another kind/, fix: /same release/ },
  },
  'no files': {
    inside: document((d) => ({ ...d, files: {} })),
    ...{ what: /no list of files/, fix: another },
  },
  'no keytab': {
    inside: document((d) => ({
      ...d,
      files: d.files.filter(({ name }) => name !== 'krb5.keytab'),
    })),
    ...{ what: /lacks krb5\.keytab/, fix: another },
  },
  'a path as a name': {
    inside: rename('../../etc/shadow'),
    ...{ what: /a file that no kit has: "\.\.\/\.\.\/etc\/shadow"/, fix: another },
  },
  'an inherited name': { inside: rename('constructor'), what: /no kit has/, fix: another },
  'a file twice': {
    inside: document((d) => ({ ...d, files: [...d.files, d.files[0]] })),
    ...{ what: /twice/, fix: another },
  },
  'a mode of 4755': {
    inside: withFile((file) => {
      file.mode = '4755';
    }),
    ...{ what: /another mode or owner/, fix: another },
  },
  'a wrong digest': {
    inside: withFile((file) => {
      file.sha256 = createHash('sha256').digest('hex');
    }),
    ...{ what: /not what the list of files says/, fix: another },
  },
  'a wrong size': {
    inside: withFile((file) => {
      file.bytes = 1e9;
    }),
    ...{ what: /not what the list of files says/, fix: another },
  },
  'a keytab of a megabyte': {
    inside: withContent('krb5.keytab', new Uint8Array(1_000_000)),
    ...{ what: /krb5\.keytab has 1000000 bytes; at most 65536/, fix: another },
  },
  'no base64': {
    inside: withFile((file) => {
      file.content = '~';
    }),
    ...{ what: /not base64/, fix: another },
  },
  'a realm that is a path': {
    inside: about({ realm: '../../etc' }),
    ...{ what: /realm of the kit is malformed/, fix: another },
  },
  'a primary with a line of its own': {
    inside: about({ primary: 'host/a@B\nhost/evil@B' }),
    ...{ what: /primary of the kit is malformed/, fix: another },
  },
  'a keytab that is none': {
    inside: withContent('krb5.keytab', 'x'),
    ...{ what: /is no keytab/, fix: another },
  },
  'a key of somebody else': {
    inside: withContent('krb5.keytab', keytabOf('root/admin@KIT.TEST')),
    ...{ what: /has a key of "root\/admin@KIT\.TEST"/, fix: another },
  },
  'for another host': {
    inside: encodeKit(kitFor('kdc6.kit.test')),
    ...{ what: /this kit is for kdc6\.kit\.test, and this host is kdc5\.kit\.test/ },
    fix: /kpropctl kit kdc5\.kit\.test > kdc5\.kit\.test\.kit/,
  },
  'for the short name of this host': {
    inside: encodeKit(kitFor('kdc5')),
    ...{ what: /this kit is for kdc5, and this host is kdc5\.kit\.test/, fix: /hostnamectl/ },
  },
  'for another realm': {
    inside: encodeKit(kitFor('kdc5.kit.test', 'OTHER.TEST')),
    flags: ['--keep'],
    ...{
      what: /for the realm OTHER\.TEST, and .*, which is kept, is for KIT\.TEST/,
      fix: /--keep/,
    },
  },
  'a configuration of another realm': {
    inside: withContent('krb5.conf', '[libdefaults]\ndefault_realm = OTHER.TEST\n'),
    flags: ['--replace'],
    ...{ what: /for the realm KIT\.TEST, and its krb5\.conf for OTHER\.TEST/, fix: another },
  },
  'a configuration that includes': {
    inside: withContent('krb5.conf', conf('include /etc/shadow\n')),
    flags: ['--replace'],
    ...{ what: /has an include of "\/etc\/shadow"/, fix: another },
  },
  'a stash in the wrong place': {
    inside: withContent('kdc.conf', '[realms]\nKIT.TEST = {\nkey_stash_file = /etc/shadow\n}\n'),
    flags: ['--replace'],
    ...{ what: /names "\/etc\/shadow" as key_stash_file/, fix: /--keep/ },
  },
  'a keytab in the wrong place': {
    inside: withContent('krb5.conf', conf('default_keytab_name = FILE:/root/.profile\n')),
    flags: ['--replace'],
    env: { KRB5_KTNAME: undefined },
    ...{ what: /names "\/root\/\.profile" as default_keytab_name/, fix: /--keep/ },
  },
  'files that differ': {
    inside: withContent('krb5.conf', conf('# of the kit\n')),
    ...{ what: /krb5\.conf differs from the kit; nothing was written/, fix: /--replace.*--keep/ },
    status: 3,
  },
  'a passphrase file that is not there': {
    flags: ['--passphrase-file', '/proc/none'],
    ...{ what: /cannot be read from \/proc\/none \(ENOENT\)/, fix: /\/dev\/fd\/3/, status: 3 },
  },
  'a duration that is none': {
    flags: ['--wait=soon'],
    ...{ what: /--wait=soon is not a duration/, fix: /--wait=10m/, status: 64 },
  },
  'two flags that contradict each other': {
    flags: ['--keep', '--replace'],
    ...{ what: /contradict/, fix: /choose one/, status: 64 },
  },
};

describe('is refused, and nothing is written:', () => {
  test.each(Object.keys(cases))('%s', async (name) => {
    const { what, fix, inside, sealed, flags, env, status = 2 } = cases[name] as Case;
    const file = join(host.folder, 'kit');
    const bytes = await (sealed?.() ?? seal(inside ?? encodeKit(kit), passphrase, 10));
    writeFileSync(file, bytes);
    const before = host.files();
    const outcome = await host.run([process.execPath], file, { flags, env });
    expect(outcome.stderr).toMatch(/^kpropctl: [^\n]+\nfix: [^\n]+\n$/);
    const [said = '', hint = ''] = outcome.stderr.split('\n');
    expect(said).toMatch(what);
    expect(hint).toMatch(fix);
    expect(outcome.status).toBe(status);
    expect(host.files()).toEqual(before);
  });
});

const refusal = async (work: () => unknown) => {
  try {
    await work();
    return 'accepted';
  } catch (error) {
    if (error instanceof Refused) return error.exit;
    throw error;
  }
};

test('cut after any byte, a kit is refused', async () => {
  const sealed = await seal(encodeKit(kit), passphrase, 1);
  for (let bytes = 0; bytes < sealed.length; bytes += bytes < 300 ? 1 : 7) {
    const cut = sealed.subarray(0, bytes);
    expect(await refusal(() => open(cut)), `${bytes} bytes`).toBe(2);
  }
});

test('with any bit changed, a kit is refused', async () => {
  const sealed = await seal(encodeKit(kit), passphrase, 1);
  expect(await refusal(() => open(sealed))).toBe('accepted');
  for (let at = 0; at < sealed.length; at += at < 300 ? 1 : 5) {
    for (const bit of [0x01, 0x20, 0x80]) {
      const changed = Uint8Array.from(sealed);
      changed[at] = (sealed[at] as number) ^ bit;
      expect(await refusal(() => open(changed)), `byte ${at}`).toBe(2);
    }
  }
});

async function open(sealed: Uint8Array): Promise<Kit> {
  requireSealed(sealed, 'kit');
  return decodeKit(await unseal(sealed, passphrase));
}

test('what is in a kit is as its schema says', () => {
  const ajv = new Ajv2020({ strict: false });
  (formats as unknown as (one: Ajv2020) => void)(ajv);
  const path = join(packageRoot, 'kpropctl/schemas/kit-1.json');
  const validate = ajv.compile(JSON.parse(readFileSync(path, 'utf8')));
  validate(JSON.parse(new TextDecoder().decode(encodeKit(kit))));
  expect(validate.errors ?? []).toEqual([]);
});

test('what is no file at all', () => {
  expect(() => readSealed('/proc/none')).toThrow(/cannot be read \(ENOENT\)/);
  expect(() => readSealed('/')).toThrow(/cannot be read \(EISDIR\)/);
  expect(() => readSealed('/dev/zero')).toThrow(/more than/);
});
