import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Outcome, packageRoot, Site } from '../../test/support/lab/lab.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import type { Make } from '../../test/support/lab/make.ts';
import type { ControlRealm, Replica } from './realm.ts';

export const passphrase = 'a passphrase of the test';

/** A host that is to become a replica of a realm: a folder for its files, an address on loopback. */
export class NewReplica {
  readonly host: string;
  readonly site: Site;
  readonly kitFile: string;
  readonly passphraseFile: string;
  readonly #realm: ControlRealm;
  readonly #replica: Replica;

  static async create(realm: ControlRealm): Promise<NewReplica> {
    const [kdcPort, kpropPort] = [await freePort(), await freePort()];
    const host = `127.0.0.${realm.replicas.length + 11}`;
    const site = new Site({
      ...{ role: 'replica', folder: join(realm.lab.folder, host), kdcPort },
      ...{ realm: realm.lab.realm, enctype: realm.lab.enctype },
      ...{ clockskewSeconds: undefined, krb5ConfExtra: '' },
    });
    const replica = { host, site, kpropPort, kdcPort, kpropd: undefined, kdc: undefined };
    realm.replicas.push(replica);
    realm.configure();
    return new NewReplica(realm, replica);
  }

  private constructor(realm: ControlRealm, replica: Replica) {
    this.#realm = realm;
    this.#replica = replica;
    this.host = replica.host;
    this.site = replica.site;
    this.kitFile = join(realm.lab.folder, `${replica.host}.kit`);
    this.passphraseFile = join(realm.lab.folder, 'passphrase');
    writeFileSync(this.passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  }

  get kpropPort(): number {
    return this.#replica.kpropPort;
  }

  /** The primary makes a kit for it, into its file. */
  kit(...flags: readonly string[]): Promise<Outcome> {
    const { config, lab } = this.#realm;
    const words = [program, 'kit', this.host, '--config', config, ...flags];
    return lab.run('/bin/sh', [
      '-c',
      'out=$1; shift; exec "$@" >"$out"',
      'sh',
      this.kitFile,
      process.execPath,
      ...words,
      '--passphrase-file',
      this.passphraseFile,
    ]);
  }

  /** It joins, with the kit, where no kadmind of a primary is seen. */
  join(...flags: readonly string[]): Promise<Outcome> {
    const [file, ...more] = flags[0]?.startsWith('/') ? flags : [this.kitFile, ...flags];
    const ours = ['--yes', '--no-start', '--passphrase-file', this.passphraseFile];
    const host = more.includes('--host') ? [] : ['--host', this.host];
    const words = [program, 'join', file as string, ...ours, ...host, ...more];
    return this.alone(process.execPath, words);
  }

  /** A program in namespaces of its own: it sees no other process. */
  alone(command: string, args: readonly string[]): Promise<Outcome> {
    const namespaces = ['--pid', '--fork', '--mount-proc', command, ...args];
    return this.#realm.lab.run('unshare', namespaces, { env: this.site.env() });
  }

  modeOf(path: string): string {
    return (statSync(path).mode & 0o777).toString(8);
  }

  start(make: Make): Promise<void> {
    return this.#realm.startKpropd(this.#replica, make);
  }

  run(): Promise<Outcome> {
    return this.#realm.run('run', '--plain', this.host);
  }

  /** What join does when it waits. */
  async startKdcAfterFirst(): Promise<void> {
    while (!existsSync(this.site.database)) await sleep(50);
    await this.#realm.startKdc(this.#replica);
  }

  kinit(user: string, password: string): Promise<Outcome> {
    return this.#realm.lab.run('/usr/bin/kinit', ['-c', 'MEMORY:', user], {
      ...{ env: this.site.env(), input: `${password}\n` },
    });
  }
}

const program = join(packageRoot, 'kpropctl', 'dist', 'main.js');
