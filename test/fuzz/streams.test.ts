import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../src/errors/kprop-error.ts';
import { faultOf } from '../../src/kdb/dump/completeness.ts';
import { concat } from '../../src/protocol/bytes.ts';
import { framed, readFrame } from '../../src/protocol/channel/frame.ts';
import { Inbox } from '../../src/protocol/channel/inbox.ts';
import { DerReader } from '../../src/protocol/der/reader.ts';
import { cutsOf, header, isSafe, policy, princ } from '../support/rig/feeding.ts';
import { channelPair } from '../support/wire/channel-pair.ts';

describe('the inbox', () => {
  const sizes = fc.oneof(fc.nat(50), fc.nat(9000));
  const steps = fc.array(
    fc.record({ what: fc.constantFrom('push', 'fill', 'take'), bytes: sizes }),
    { maxLength: 60 },
  );

  test('gives the bytes in their order, however they come and are taken', () => {
    const property = fc.property(steps, (plan) => {
      const inbox = new Inbox();
      let model = Buffer.alloc(0);
      let next = 0;
      const fresh = (byteCount: number) => Uint8Array.from({ length: byteCount }, () => next++);
      for (const { what, bytes } of plan) {
        if (what === 'push') {
          const chunk = fresh(bytes);
          model = Buffer.concat([model, chunk]);
          inbox.push(chunk);
        } else if (what === 'fill') {
          const room = inbox.room();
          const chunk = fresh(Math.min(bytes, room.length));
          room.set(chunk);
          inbox.filled(chunk.length);
          model = Buffer.concat([model, chunk]);
        } else {
          const got = inbox.take(bytes);
          const there = bytes <= model.length;
          expect(got && Buffer.from(got).equals(model.subarray(0, bytes))).toBe(
            there ? true : undefined,
          );
          if (there) model = model.subarray(bytes);
        }
        expect(inbox.arrived).toBe(model.length);
      }
    });
    fc.assert(property, { numRuns: 200 });
  });
});

describe('messages behind their lengths', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });

  test('arrive whole, in whatever pieces they travel', async () => {
    const property = fc.asyncProperty(
      messages,
      fc.integer({ min: 1, max: 97 }),
      async (all, cut) => {
        const { client, server } = channelPair();
        const stream = concat(...all.flatMap((message) => framed(message)));
        const written = (async () => {
          for (let at = 0; at < stream.length; at += cut) {
            await client.write(stream.slice(at, at + cut));
          }
        })();
        for (const message of all) expect(await readFrame(server, 'message', 300)).toEqual(message);
        await written;
        client.close();
        await expect(readFrame(server, 'message', 300)).rejects.toMatchObject({
          code: 'network.closed',
        });
        server.close();
      },
    );
    await fc.assert(property, { numRuns: 50 });
  });

  test('that claim too much are refused before a byte of them is awaited', async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.nat(2 ** 30),
      async (over, limit) => {
        const { client, server } = channelPair();
        const [length] = framed({ length: limit + over } as Uint8Array);
        await client.write(length as Uint8Array);
        await expect(readFrame(server, 'message', limit)).rejects.toMatchObject({
          code: 'message.too-long',
        });
        client.close();
        server.close();
      },
    );
    await fc.assert(property, { numRuns: 30 });
  });
});

test('the DER reader never leaves its bytes, and refuses with errors of ours only', () => {
  const steps = fc.array(
    fc.constantFrom('open', 'enter', 'skip', 'content', 'leave', 'integer', 'finish'),
    { maxLength: 12 },
  );
  // Small lengths behind tags that are asked for.
  const bytes = fc.array(fc.oneof(fc.constantFrom(0x30, 0xa0, 2, 4), fc.nat(20), fc.nat(255)), {
    maxLength: 40,
  });
  const property = fc.property(bytes, steps, (some, plan) => {
    const der = Uint8Array.from(some);
    const reader = new DerReader(der, 'it');
    try {
      for (const step of plan) {
        const tag = reader.next ?? 0x30;
        if (step === 'open') expect(reader.open()).toBe(tag);
        else if (step === 'enter') reader.enter(tag);
        else if (step === 'skip') reader.skip();
        else if (step === 'leave') reader.leave();
        else if (step === 'integer') reader.integerField(tag & 0x1f, -0x80000000, 0xffffffff);
        else if (step === 'finish') return reader.finish(16);
        else {
          const content = reader.content(tag);
          expect(content.byteOffset + content.length).toBeLessThanOrEqual(der.length);
        }
        expect(reader.offset).toBeLessThanOrEqual(der.length);
      }
    } catch (error) {
      if (!isKpropError(error) || !error.code.startsWith('decode.')) throw error;
    }
  });
  fc.assert(property, { numRuns: 500 });
});

/** What a dump may hold, and what somebody may put there. */
const names = fc.string({
  unit: fc.constantFrom(...'aZ0/@\\.-_'),
  minLength: 1,
  maxLength: 80,
});
const data = fc.nat(900).map((times) => '5a'.repeat(times));
const records = fc.oneof(
  { arbitrary: fc.tuple(names, data).map(([name, tl]) => princ(name, tl)), weight: 6 },
  names.map(princ),
);
const policies = names.map(policy);
const strange = fc.oneof(
  fc.constantFrom('\n', 'End\n', ' End\n', 'pri\n', 'E\n', 'princ\n', 'policy\t\n', '\t\n', 'x\n'),
  names.map((name) => `${name}\n`),
);

describe('a dump', () => {
  const feeds = fc.record({
    limitBytes: fc.integer({ min: 130, max: 4096 }),
    step: fc.integer({ min: 1, max: 3000 }),
  });

  test('of records and policies is cut inside its records only, and fed whole', () => {
    const dumps = fc.tuple(
      fc.array(records, { maxLength: 25 }),
      fc.array(policies, { maxLength: 9 }),
    );
    const property = fc.property(dumps, feeds, ([some, more], o) => {
      const dump = `${header}${some.join('')}${more.join('')}`;
      const { cuts, end } = cutsOf(dump, o);
      expect(cuts.filter((cut) => !isSafe(dump, cut))).toEqual([]);
      expect(end).toBe('whole');
    });
    fc.assert(property, { numRuns: 100 });
  });

  test('of anything is cut where an end makes the load fail', () => {
    const lines = fc.array(fc.oneof(records, policies, strange), { maxLength: 25 });
    const property = fc.property(lines, feeds, (some, o) => {
      const dump = `${header}${some.join('')}`;
      const { cuts } = cutsOf(dump, o);
      const unsafe = cuts.filter((cut) => !isSafe(dump, cut));
      // Behind a word that kdb5_util does not know it reads nothing, and fails.
      if (unsafe.length > 0) {
        expect(unsafe).toEqual([cuts.at(-1)]);
        const fed = dump.slice(0, (cuts.at(-1) as number) - 1).trimEnd();
        expect(fed.slice(fed.lastIndexOf('\n') + 1)).not.toMatch(/^(princ\t|policy\t|End$|$)/);
      }
    });
    fc.assert(property, { numRuns: 100 });
  });

  test('passes the check whole, and cut inside a record it does not', () => {
    const dumps = fc.tuple(
      fc.array(records, { minLength: 1, maxLength: 6 }),
      fc.array(policies, { maxLength: 3 }),
    );
    const property = fc.property(dumps, fc.nat(), ([some, more], at) => {
      const dump = `${header}${some.join('')}${more.join('')}`;
      const fault = (text: string) =>
        faultOf(Buffer.from(text).subarray(0, 256), Buffer.from(text), false);
      expect(fault(dump)).toBeUndefined();
      const cut = at % dump.length;
      const atRecord = cut >= header.length && dump[cut - 1] === '\n';
      expect(fault(dump.slice(0, cut)) === undefined).toBe(atRecord);
    });
    fc.assert(property);
  });
});
