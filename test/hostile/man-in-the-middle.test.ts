import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { comparable, type Kpropd, Lab } from '../support/lab/lab.ts';
import type { Make } from '../support/lab/make.ts';
import { type Pairing, pairings, runKprop, startKpropd } from '../support/lab/pairings.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import {
  type Attack,
  attackKinds,
  conversation,
  type Direction,
  ManInTheMiddle,
} from '../support/rig/man-in-the-middle.ts';

/** A few attacks on each of ours; MITM=all: each attack on each message of every pairing. */
const all = process.env.MITM === 'all';
const pairingsOfOne: readonly Pairing[] = [
  ['ours', 'mit'],
  ['mit', 'ours'],
];

const everyAttack = attackKinds.flatMap((kind) =>
  (['toServer', 'toClient'] as const).flatMap((direction) =>
    conversation[direction].map((_, at): Attack => ({ kind, direction, at })),
  ),
);
const selection: readonly Attack[] = [
  { kind: 'drop', direction: 'toClient', at: 3 },
  { kind: 'delay', direction: 'toClient', at: 2 },
  { kind: 'repeat', direction: 'toServer', at: 5 },
  { kind: 'swap', direction: 'toServer', at: 4 },
  { kind: 'cut', direction: 'toServer', at: 6 },
  { kind: 'reflect', direction: 'toServer', at: 3 },
  { kind: 'splice', direction: 'toServer', at: 2 },
  { kind: 'splice', direction: 'toClient', at: 3 },
];

let lab: Lab;
let man: ManInTheMiddle;
const kpropds = new Map<Make, Kpropd>();
/** Two dumps that are sent by turns, and one that nobody sends while somebody is on the way. */
const dumps: Record<'one' | 'two' | 'stray', { file: string; database: string }> = {
  one: { file: '', database: '' },
  two: { file: '', database: '' },
  stray: { file: '', database: '' },
};

beforeAll(async () => {
  lab = await Lab.create({ principals: 2 });
  for (const name of ['one', 'two', 'stray'] as const) {
    await lab.addPrincipals([name]);
    const base = readFileSync(await lab.dump(join(lab.primary.folder, `${name}-base`)), 'latin1');
    const file = join(lab.primary.folder, name);
    makeSyntheticDump(file, 200, { basedOn: base });
    dumps[name] = { file, database: comparable(readFileSync(file, 'latin1')) };
  }
  man = await ManInTheMiddle.start();
  for (const make of ['ours', 'mit'] as const) {
    const file = join(lab.replica.folder, `from_master-${make}`);
    kpropds.set(make, await startKpropd(lab, make, { file }));
  }
});
afterAll(async () => {
  await man?.close();
  await lab.close();
});

describe.each(all ? pairings : pairingsOfOne)('kprop (%s), kpropd (%s)', (kprop, kpropd) => {
  const send = async (name: keyof typeof dumps, attack?: Attack) => {
    man.target = (kpropds.get(kpropd) as Kpropd).port;
    man.attack = attack;
    const { status, stdout } = await runKprop(lab, kprop, {
      port: man.port,
      file: dumps[name].file,
    });
    await man.settled;
    const success = 'Database propagation to 127.0.0.1: SUCCEEDED\n';
    // The two ways of saying it are one.
    expect(status === 0).toBe(stdout === success);
    return status === 0;
  };
  const held = async () => comparable(await lab.replicaDump());

  // Before the first of them the other session is recorded, with another dump.
  beforeAll(async () => {
    expect(await send('stray')).toBe(true);
    man.other = man.said;
    expect(man.said.toServer).toHaveLength(conversation.toServer.length);
    expect(man.said.toClient).toHaveLength(conversation.toClient.length);
    expect(await send('one')).toBe(true);
    expect((await held()) === dumps.one.database).toBe(true);
  });

  const attacks = all ? everyAttack : selection;
  test.each(attackKinds)('%s', async (kind) => {
    for (const attack of attacks.filter((one) => one.kind === kind)) {
      const what = `${kind}: ${conversation[attack.direction][attack.at]}`;
      const before = await held();
      const name = before === dumps.one.database ? 'two' : 'one';
      expect(before === dumps.one.database || before === dumps.two.database, what).toBe(true);
      const success = await send(name, attack);
      expect(man.struck, `${what} took place`).toBe(true);
      const after = await held();
      const loaded = after === dumps[name].database;
      // Wholly the old one or what was sent to its end; and never a success over anything else.
      expect(loaded || after === before, `${what}: the database`).toBe(true);
      if (loaded) expect(wholeDumpWasSaid(name), `${what}: loaded`).toBe(true);
      if (success) expect(loaded, `${what}: false success`).toBe(true);
      if (kind === 'delay') expect(success, what).toBe(true);
      if (!harmless(attack)) expect(success, `${what}: unnoticed`).toBe(false);
    }
  });

  test('and whatever it was, the next propagation passes', async () => {
    const next = (await held()) === dumps.one.database ? 'two' : 'one';
    expect(await send(next)).toBe(true);
    expect((await held()) === dumps[next].database).toBe(true);
  });
});

function wholeDumpWasSaid(name: keyof typeof dumps): boolean {
  const bytes = man.said.toServer.slice(4).reduce((sum, message) => sum + message.length, 0);
  return bytes > readFileSync(dumps[name].file).length;
}

/** Where the propagation goes on: a message later, twice at the very end, or the same in all sessions. */
function harmless({ kind, direction, at }: Attack): boolean {
  const last = (side: Direction) => conversation[side].length - 1;
  if (kind === 'delay') return true;
  if (kind === 'repeat') return at === last(direction);
  return kind === 'splice' && at < 2;
}
