import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Built, DatabaseBuilder } from '../../../src/kdb/db2/builder.ts';
import { type Checked, checkBtree } from '../../../src/kdb/db2/checker.ts';
import { LeafReader } from '../../../src/kdb/db2/leaf-reader.ts';
import { Lab } from '../lab/lab.ts';

const kdb5Util = '/usr/sbin/kdb5_util';
const endings = ['', '.kadm5', '.ok', '.kadm5.lock'];

/** Databases of one realm, written natively or by kdb5_util, in one folder. */
export class Databases {
  readonly lab: Lab;

  private constructor(lab: Lab) {
    this.lab = lab;
  }

  static async open(): Promise<Databases> {
    return new Databases(await Lab.create({ principals: 2 }));
  }

  path(name: string): string {
    return join(this.lab.replica.folder, name);
  }

  /** The lines of a real dump. */
  async realLines(): Promise<readonly string[]> {
    return readFileSync(await this.lab.dump(), 'latin1')
      .trimEnd()
      .split('\n');
  }

  /** Writes a database natively. @throws DumpRefusal */
  build(name: string, dump: string, pieceBytes = 65536): Built {
    const path = this.path(name);
    for (const ending of endings) writeFileSync(path + ending, '', { mode: 0o600 });
    const [principals, policies] = [openSync(path, 'r+'), openSync(`${path}.kadm5`, 'r+')];
    try {
      const masterKey = `K/M@${this.lab.realm}`;
      const builder = new DatabaseBuilder({ principals, policies, masterKey });
      const bytes = Buffer.from(dump, 'latin1');
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        builder.push(bytes.subarray(at, at + pieceBytes));
      }
      return builder.finish();
    } finally {
      closeSync(principals);
      closeSync(policies);
    }
  }

  /** Lets kdb5_util load it; what it says, and whether it succeeds. */
  async load(name: string, dump: string) {
    const path = this.path(name);
    for (const ending of endings) rmSync(path + ending, { force: true });
    const file = `${path}.dump`;
    writeFileSync(file, dump, 'latin1');
    const { status, stderr } = await this.#util(['-d', path, 'load', file]);
    return { status, stderr };
  }

  /** What kdb5_util dumps of it. */
  async dump(name: string, args: readonly string[] = []): Promise<string> {
    const file = `${this.path(name)}.out`;
    const { status, stderr } = await this.#util(['-d', this.path(name), 'dump', ...args, file]);
    if (status !== 0) throw new Error(`kdb5_util dump: ${stderr}`);
    return readFileSync(file, 'latin1');
  }

  /** What the checker says of both files. */
  check(name: string): readonly Checked[] {
    return ['', '.kadm5'].map((ending) => {
      const file = openSync(this.path(name) + ending, 'r');
      try {
        return checkBtree(file);
      } finally {
        closeSync(file);
      }
    });
  }

  /** Keys and data of one file, in hex. */
  records(name: string, ending = ''): readonly string[] {
    const file = openSync(this.path(name) + ending, 'r');
    try {
      const reader = new LeafReader(file);
      const found: string[] = [];
      while (reader.next()) {
        const key = Buffer.from(
          reader.bytes.subarray(reader.keyAt, reader.keyAt + reader.keyBytes),
        );
        const data = Buffer.alloc(reader.dataBytes);
        reader.copyData(data, 0);
        found.push(`${key.toString('hex')} ${data.toString('hex')}`);
      }
      return found;
    } finally {
      closeSync(file);
    }
  }

  close(): Promise<void> {
    return this.lab.close();
  }

  #util(args: readonly string[]) {
    return this.lab.run(kdb5Util, args, { role: 'replica' });
  }
}
