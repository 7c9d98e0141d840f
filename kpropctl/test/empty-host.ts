import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { formatKeytab, type KeytabFields } from '../../src/protocol/krb5/formats/keytab.ts';
import { Principal } from '../../src/protocol/krb5/messages/principal.ts';
import { packageRoot } from '../../test/support/lab/lab.ts';
import type { Kit } from '../src/kit/kit.ts';

export const passphrase = 'a passphrase of the test';

/** A keytab with one key of a principal; the key is made of this byte. */
export function keytabOf(principal: string, o: { kvno?: number; byte?: number } = {}): Uint8Array {
  const entry: KeytabFields = {
    principal: Principal.parse(principal),
    timestampSeconds: 1_800_000_000,
    kvno: o.kvno ?? 1,
    enctype: 18,
    key: new Uint8Array(32).fill(o.byte ?? 7),
  };
  return formatKeytab([entry]);
}

/** A kit that nobody's primary made. */
export function kitFor(host: string, realm = 'KIT.TEST'): Kit {
  const bytes = (text: string) => new TextEncoder().encode(text);
  return {
    ...{ host, realm, primary: `host/kdc1.kit.test@${realm}`, made: '2026-01-02T03:04:05.678Z' },
    files: new Map([
      ['krb5.conf', bytes(krb5Conf(realm))],
      ['kdc.conf', bytes(`[realms]\n    ${realm} = {\n    }\n`)],
      ['kpropd.acl', bytes(`host/kdc1.kit.test@${realm}\n`)],
      ['krb5.keytab', keytabOf(`host/${host}@${realm}`)],
      ['stash', bytes('a stash')],
    ]),
  };
}

function krb5Conf(realm: string): string {
  return `[libdefaults]\n    default_realm = ${realm}\n    dns_canonicalize_hostname = false\n`;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A host with a krb5.conf of KIT.TEST, and no more: a folder, to which the environment leads. */
export class EmptyHost {
  readonly folder = mkdtempSync(join(tmpdir(), 'kpropctl-host-'));
  readonly etc = join(this.folder, 'etc');
  readonly #name: string;
  readonly #passphraseFile = join(this.folder, 'passphrase');

  constructor(name: string) {
    this.#name = name;
    mkdirSync(this.etc);
    writeFileSync(this.path('krb5.conf'), krb5Conf('KIT.TEST'));
    writeFileSync(this.#passphraseFile, `${passphrase}\n`);
  }

  path(name: string): string {
    return join(this.etc, name);
  }

  /** All files where a KDC has its own, and what is in them. */
  files(): Readonly<Record<string, string>> {
    const names = readdirSync(this.etc).sort();
    return Object.fromEntries(names.map((name) => [name, readFileSync(this.path(name), 'latin1')]));
  }

  join(kit: string, ...flags: readonly string[]): Promise<Ended> {
    return this.run([process.execPath], kit, { flags });
  }

  /** The same by way of another program, such as strace. It sees no process but its own. */
  run(
    through: readonly string[],
    kit: string,
    {
      flags = [],
      env = {},
    }: { flags?: readonly string[] | undefined; env?: NodeJS.ProcessEnv | undefined } = {},
  ): Promise<Ended> {
    const words = [join(packageRoot, 'kpropctl/dist/main.js'), 'join', kit, '--yes', '--no-start'];
    const given = flags.includes('--passphrase-file')
      ? []
      : ['--passphrase-file', this.#passphraseFile];
    const all = [...through, ...words, '--host', this.#name, ...given, ...flags];
    const child = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', ...all], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        KRB5_CONFIG: this.path('krb5.conf'),
        KRB5_KDC_PROFILE: this.path('kdc.conf'),
        KRB5_KTNAME: `FILE:${this.path('krb5.keytab')}`,
        ...env,
      },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    return new Promise((resolve) => {
      child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
    });
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
