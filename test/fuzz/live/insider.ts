import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { concat } from '../../../src/protocol/bytes.ts';
import { framed } from '../../../src/protocol/channel/frame.ts';
import { decode } from '../../../src/protocol/der/schema.ts';
import { encodeSize } from '../../../src/protocol/kprop/size.ts';
import { encKrbPrivPart } from '../../../src/protocol/krb5/messages/priv.ts';
import type { Credential } from '../../../src/protocol/krb5/session/credential.ts';
import { comparable, type Kpropd, Lab } from '../../support/lab/lab.ts';
import { residentBytes } from '../../support/lab/process-status.ts';
import { labCredential } from '../../support/rig/attacker.ts';
import { damaged, mutated, noise, type Random } from '../../support/wire/mutations.ts';
import { InsiderWire } from './insider-wire.ts';
import { type Keep, type Part, type Stand, someOf } from './part.ts';

const kdb5Util = '/usr/sbin/kdb5_util';
/** Some malformed dumps make kdb5_util loop for ever. Ours must not be one that it is given. */
const loadMillis = 20_000;

/**
 * The real kpropd with the real kdb5_util, and one on the way, or at the primary, who has a ticket.
 * After each case the database is the old one, or what kdb5_util makes of the dump that was sent.
 */
export const insider: Part = {
  name: 'insider',
  about: 'whole connections to dist/bin/kpropd.js: content behind a valid MAC, dumps, tampering',
  open: () => InsiderStand.open(),
};

class InsiderStand implements Stand {
  readonly lanes = 1;
  readonly #lab: Lab;
  readonly #kpropds: readonly Kpropd[];
  readonly #dump: Uint8Array;
  readonly #credential: Credential;
  #database: string;
  #mark: string;

  private constructor(lab: Lab, kpropds: readonly Kpropd[], credential: Credential, held: string) {
    this.#lab = lab;
    this.#kpropds = kpropds;
    this.#credential = credential;
    this.#dump = readFileSync(lab.dumpFile);
    this.#database = held;
    this.#mark = this.#databaseMark();
  }

  static async open(): Promise<InsiderStand> {
    const lab = await Lab.create({ principals: 3 });
    for (const name of ['p', 'second']) await lab.kadminLocal('primary', `addpol ${name}`);
    await lab.load(await lab.dump());
    const modes = ['streamed', 'complete'];
    const kpropds = await Promise.all(
      modes.map((mode) =>
        lab.startOurKpropd({
          file: join(lab.replica.folder, `from_master-${mode}`),
          args: ['--load', mode],
        }),
      ),
    );
    const held = await dumped(lab);
    return new InsiderStand(lab, kpropds, await labCredential(lab), held);
  }

  residentBytes(): number {
    return Math.max(...this.#kpropds.map(({ process }) => residentBytes(process.pid)));
  }

  async one(random: Random, keep: Keep): Promise<string> {
    const kpropd = someOf(this.#kpropds, random);
    const wire = await InsiderWire.open(kpropd.port, this.#credential);
    try {
      const attack = someOf(attacks, random)(wire, this.#dump, random, keep);
      // One that has hung up already is one that refuses.
      await wire.channel.write(attack.stream).catch(() => undefined);
      const end = await wire.end();
      await this.#judge(attack, end);
      this.#watch(kpropd);
      return attack.what;
    } finally {
      wire.channel.close();
    }
  }

  async close(): Promise<void> {
    await this.#lab.close();
  }

  async #judge({ what, dump }: Attack, end: string): Promise<void> {
    if (end === 'confirmed' && dump === undefined) throw new Error(`${what}: it is confirmed`);
    const mark = this.#databaseMark();
    if (end !== 'confirmed' && mark === this.#mark) return;
    const held = await dumped(this.#lab);
    if (held !== this.#database || end === 'confirmed') {
      const whole = dump === undefined ? undefined : await this.#loaded(dump);
      if (held !== whole) throw new Error(`${what}, ${end}: the database is not what was sent`);
    }
    this.#database = held;
    this.#mark = this.#databaseMark();
  }

  /** What kdb5_util makes of a dump in a database of its own. */
  async #loaded(dump: Uint8Array): Promise<string> {
    const { folder } = this.#lab.replica;
    const [file, database] = [join(folder, 'reference'), join(folder, 'reference.db')];
    writeFileSync(file, dump);
    const resync = Buffer.from(dump.subarray(0, 5)).toString('latin1') === 'iprop';
    const args = ['load', '-d', database, ...(resync ? ['-i'] : []), file];
    await this.#lab.run(kdb5Util, args, { role: 'replica', limitMillis: loadMillis });
    return await dumped(this.#lab, database);
  }

  #watch({ process }: Kpropd): void {
    if (!process.running) throw new Error(`kpropd has ended\n${process.stderr.slice(-3000)}`);
    const bug = /.*(internal error|Unhandled|^ {4}at ).*/m.exec(process.stderr.slice(-20_000));
    if (bug !== null) throw new Error(`kpropd says: ${bug[0]}`);
  }

  #databaseMark(): string {
    const { database } = this.#lab.replica;
    return [database, `${database}.kadm5`]
      .map((path) => statSync(path, { bigint: true }))
      .map(({ ino, mtimeNs, size }) => `${ino} ${mtimeNs} ${size}`)
      .join();
  }
}

/**
 * What a database of the replica holds, or why kdb5_util cannot tell: a dump without the master
 * key's entry can be loaded, and not be dumped.
 */
async function dumped(lab: Lab, database?: string): Promise<string> {
  const file = join(lab.replica.folder, 'dumped');
  const args = [...(database === undefined ? [] : ['-d', database]), 'dump', file];
  const { status, stderr } = await lab.run(kdb5Util, args, { role: 'replica' });
  return status === 0 ? comparable(readFileSync(file, 'latin1')) : `status ${status}: ${stderr}`;
}

/** What is said after the handshake, and the dump that it is, if it is one. */
interface Attack {
  readonly what: string;
  readonly stream: Uint8Array;
  /** Loaded or not, nothing else may be. */
  readonly dump?: Uint8Array;
}

type MakeAttack = (wire: InsiderWire, dump: Uint8Array, random: Random, keep: Keep) => Attack;

/** What a part says as a whole, if it is one. */
function userDataOf(part: Uint8Array): Uint8Array | undefined {
  try {
    return decode(encKrbPrivPart, part).userData;
  } catch {
    return undefined;
  }
}

const attacks: readonly MakeAttack[] = [
  function malformedSize(wire, dump, random, keep) {
    const size = random(2) === 0 ? noise(random) : damaged(encodeSize(dump.length), random);
    keep(size);
    const blocks = messagesOf(wire, size, dump, random).slice(1);
    const right = Buffer.from(size).equals(encodeSize(dump.length));
    const stream = inFrames([wire.safe(size), ...(random(2) === 0 ? blocks : [])]);
    return {
      what: 'a malformed size behind its checksum',
      stream,
      ...(right && { dump }),
    };
  },
  function twistedSafe(wire, dump, random, keep) {
    const message = wire.safe(encodeSize(dump.length), (body) => kept(mutated(body, random), keep));
    const blocks = random(2) === 0 ? [] : privs(wire, dump, random);
    const stream = inFrames([message, ...blocks]);
    // Its addresses and its time are nobody's business.
    return { what: 'a twisted KRB-SAFE behind its checksum', stream, dump };
  },
  function twistedPriv(wire, dump, random, keep) {
    const size = wire.safe(encodeSize(dump.length));
    const at = random(4);
    const said: Uint8Array[] = [];
    const blocks = cut(dump, random).map((block, index) => {
      if (index !== at && at !== 3) {
        said.push(block);
        return wire.priv(block);
      }
      return wire.priv(block, (part) => {
        const twisted = kept(mutated(part, random), keep);
        said.push(userDataOf(twisted) ?? block);
        return twisted;
      });
    });
    return {
      what: 'a twisted KRB-PRIV behind its MAC',
      stream: inFrames([size, ...blocks]),
      // Who holds the key may send another dump: that one it must be then.
      dump: Buffer.concat(said),
    };
  },
  ...Array.from(
    { length: 2 },
    () =>
      function malformedDump(
        wire: InsiderWire,
        dump: Uint8Array,
        random: Random,
        keep: Keep,
      ): Attack {
        const bytes = random(3) === 0 ? damaged(dump, random) : rewritten(dump, random);
        keep(bytes);
        return {
          what: 'a malformed dump',
          stream: inFrames(messagesOf(wire, encodeSize(bytes.length), bytes, random)),
          dump: bytes,
        };
      },
  ),
  function tamperedWith(wire, dump, random, keep) {
    const messages = messagesOf(wire, encodeSize(dump.length), dump, random);
    const at = random(messages.length);
    const message = messages[at] as Uint8Array;
    const instead = someOf(
      [[], [message, message], [someOf(messages, random), message], [mutated(message, random)]],
      random,
    );
    messages.splice(at, 1, ...instead);
    const stream = inFrames(messages);
    keep(stream);
    return { what: 'a propagation that was tampered with', stream, dump };
  },
  function cutShort(wire, dump, random, keep) {
    const whole = inFrames(messagesOf(wire, encodeSize(dump.length), dump, random));
    const stream = whole.subarray(0, random(whole.length));
    keep(stream);
    return { what: 'a propagation that was cut', stream };
  },
];

function messagesOf(wire: InsiderWire, size: Uint8Array, dump: Uint8Array, random: Random) {
  return [wire.safe(size), ...privs(wire, dump, random)];
}

function privs(wire: InsiderWire, dump: Uint8Array, random: Random): Uint8Array[] {
  return cut(dump, random).map((block) => wire.priv(block));
}

/** In blocks of any lengths. */
function cut(dump: Uint8Array, random: Random): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  const most = someOf([40, 700, 5_000, 100_000], random);
  for (let at = 0; at < dump.length; ) {
    const bytes = 1 + random(most);
    blocks.push(dump.slice(at, at + bytes));
    at += bytes;
  }
  return blocks;
}

/** Lines twice, left out, exchanged, cut, and with other fields. */
function rewritten(dump: Uint8Array, random: Random): Uint8Array {
  const lines = Buffer.from(dump).toString('latin1').split('\n');
  const at = random(lines.length);
  const line = lines[at] as string;
  const fields = line.split('\t');
  const numbers = ['-1', '0', '99999999999', '2147483648', '-', '', ';', 'x', '65536'];
  const changes: readonly (() => readonly string[])[] = [
    () => [],
    () => [line, line],
    () => [someOf(lines, random), line],
    () => [line.slice(0, random(line.length + 1))],
    () => [fields.with(random(fields.length), someOf(numbers, random)).join('\t')],
    () => [[...fields, someOf(fields, random)].join('\t')],
    () => [fields.toSpliced(random(fields.length), 1).join('\t')],
    () => [
      someOf(['End', '', ' ', 'princ', 'policy\t', 'x', 'princ\t38', 'ipropx 1 2 3'], random),
      line,
    ],
  ];
  lines.splice(at, 1, ...someOf(changes, random)());
  return new Uint8Array(Buffer.from(lines.join('\n'), 'latin1'));
}

function inFrames(messages: readonly Uint8Array[]): Uint8Array {
  return concat(...messages.flatMap((message) => framed(message)));
}

function kept(bytes: Uint8Array, keep: Keep): Uint8Array {
  keep(bytes);
  return bytes;
}
