import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import { isKpropError } from '../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import { concat } from '../../src/protocol/bytes.ts';
import {
  type Attribute,
  procedures,
  type Update,
  updateStatuses,
} from '../../src/protocol/iprop/updates.ts';
import { bigEndian } from '../../src/protocol/xdr/schema.ts';
import type { PollEvent } from '../../src/server/poll/poller.ts';
import { type KpropServer, serveKprop } from '../../src/server/serve.ts';
import { IpropLab, type IpropReplica } from '../support/lab/iprop-lab.ts';
import { comparable } from '../support/lab/lab.ts';
import {
  type Answer,
  type Asked,
  accept,
  answers,
  deny,
  FalsePrimary,
} from '../support/rig/false-primary.ts';
import { expectHelpful } from '../support/rig/replica-rig.ts';

// Whatever a primary answers: what is wrong is told, the database is as it was, and the next poll passes.

let iprop: IpropLab;
let primary: FalsePrimary;
let replica: IpropReplica;
let server: KpropServer;
let events: PollEvent[];
let before: string;
beforeAll(async () => {
  iprop = await IpropLab.create({ principals: 2 });
  const service = join(iprop.lab.folder, 'service.keytab');
  await iprop.kadmin([`ktadd -norandkey -k ${service} kiprop/localhost`, 'addprinc -pw a alice']);
  primary = await FalsePrimary.start(`FILE:${service}`, answers.nil);
  replica = await iprop.addReplica('replica', primary.port);
  await iprop.resyncByHand(replica);
  before = comparable(await iprop.dumpOf(replica.site));
});
afterAll(async () => {
  await primary.close();
  await iprop.close();
});

beforeEach(async () => {
  const { site } = replica;
  events = [];
  primary.answer = answers.nil;
  primary.calls.length = 0;
  server = await serveKprop({
    port: 0,
    config: loadKrb5Config({ krb5ConfFiles: site.krb5Conf, kdcConfFile: site.kdcConf }),
    keytab: `FILE:${site.keytab}`,
    acl: site.acl,
    file: site.fromMaster,
    loader: { path: '/usr/sbin/kdb5_util', environment: site.env() },
    incremental: { builtInDatabase: site.database, environment: site.env(), pollSeconds: 600 },
    onEvent: (event) => {
      if (event.kind === 'poll') events.push(event.poll);
    },
  });
  await until('waiting');
  events.length = 0;
});
afterEach(() => server.close({ abort: true }));

const until = (kind: PollEvent['kind'], times = 1) =>
  vi.waitUntil(() => events.filter((event) => event.kind === kind).length >= times, {
    timeout: 15_000,
    interval: 5,
  });

/** Polls once with this answer; then the primary is a good one again. */
async function pollWith(answer: (asked: Asked) => Answer): Promise<readonly PollEvent[]> {
  let answered = false;
  primary.answer = (asked) => {
    if (answered) return answers.nil(asked);
    answered = true;
    return answer(asked);
  };
  server.pollNow();
  await until('waiting');
  const seen = events.splice(0);
  primary.answer = answers.nil;
  server.pollNow();
  await until('waiting');
  expect(events.splice(0).map(({ kind }) => kind)).toContain('synchronized');
  return seen;
}

const errorsIn = (seen: readonly PollEvent[]) =>
  seen.flatMap((event) => ('error' in event ? [event.error] : []));

async function expectUntouched(): Promise<void> {
  expect(comparable(await iprop.dumpOf(replica.site))).toBe(before);
}

describe('a reply that is no good', () => {
  const bad: Readonly<Record<string, readonly [RegExp, (asked: Asked) => Answer]>> = {
    'a wrong MIC': [
      /^crypto\.integrity$/,
      ({ xid, tokens, next }) => ({
        records: [accept(xid, tokens.makeMic(next(), bigEndian(77)), new Uint8Array(0))],
      }),
    ],
    'a verifier without a MIC': [
      /^decode\./,
      ({ xid }) => ({ records: [accept(xid, new Uint8Array(0), new Uint8Array(0))] }),
    ],
    'the number of another call': [
      /^decode\.bad-value$/,
      ({ reply }) => ({ records: [reply(new Uint8Array(20), { sequence: bigEndian(99) })] }),
    ],
    'a body that is not wrapped': [
      /^(crypto|decode)\./,
      ({ xid, tokens, next, sequence }) => ({
        records: [accept(xid, tokens.makeMic(next(), sequence), new Uint8Array(24))],
      }),
    ],
    'a token with a sequence number that was used': [
      /^session\.replayed$/,
      ({ xid, tokens, next, sequence }) => {
        const used = next();
        const mic = tokens.makeMic(used, sequence);
        const body = concat(bigEndian(0), new Uint8Array(0));
        const wrapped = tokens.wrap(used, concat(sequence, body));
        return { records: [accept(xid, mic, concat(bigEndian(wrapped.length), wrapped))] };
      },
    ],
    'nothing after the number': [
      /^decode\.truncated$/,
      ({ reply }) => ({ records: [reply(new Uint8Array(0))] }),
    ],
    'four thousand million updates': [
      /^decode\.bad-value$/,
      ({ reply }) => ({
        records: [reply(concat(new Uint8Array(12), bigEndian(0xffffffff), bigEndian(0)))],
      }),
    ],
    'a name that is longer than the reply': [
      /^decode\./,
      ({ reply }) => ({
        records: [
          reply(
            concat(new Uint8Array(12), bigEndian(1), bigEndian(0x7fffffff), new Uint8Array(60)),
          ),
        ],
      }),
    ],
    'bytes after the end': [
      /^decode\.bad-value$/,
      ({ reply }) => ({ records: [reply(concat(new Uint8Array(16), bigEndian(4), bigEndian(0)))] }),
    ],
    'a record of no use': [
      /^network\.|^decode\.|^message\./,
      () => ({ records: [new Uint8Array(3)], end: true }),
    ],
    'a fragment of 2 GB': [/^message\.too-long$/, () => ({ raw: bigEndian(0xffffffff) })],
    'fragments without end': [/^message\.too-long$/, () => ({ raw: new Uint8Array(4_000) })],
    'half a mark, and the end': [
      /^network\.closed$/,
      () => ({ raw: new Uint8Array(2), end: true }),
    ],
    'half a fragment, and the end': [
      /^network\.closed$/,
      () => ({ raw: concat(bigEndian(0x80000100), new Uint8Array(100)), end: true }),
    ],
    'nothing, and the end': [/^network\.closed$/, () => ({ end: true })],
    'another kind of message': [
      /^decode\.bad-value$|^network\./,
      ({ xid }) => ({ records: [concat(bigEndian(xid), bigEndian(1), bigEndian(7))] }),
    ],
    'garbage arguments': [
      /^rpc\.failed$/,
      ({ xid, tokens, next, sequence }) => ({
        records: [accept(xid, tokens.makeMic(next(), sequence), new Uint8Array(0), 4)],
      }),
    ],
    'an expired context': [/^rpc\.denied$/, ({ xid }) => ({ records: [deny(xid, 5)] })],
    'a lost context': [/^rpc\.denied$/, ({ xid }) => ({ records: [deny(xid, 14)] })],
    'replies to other calls only': [
      /^message\.unexpected$/,
      ({ reply, xid }) => ({
        records: Array.from({ length: 70 }, (_, at) =>
          reply(new Uint8Array(20), { xid: xid + 1 + at }),
        ),
      }),
    ],
  };

  test.each(Object.keys(bad))('%s', async (name) => {
    const [code, answer] = bad[name] as (typeof bad)[string];
    const seen = await pollWith(answer);
    const [error] = errorsIn(seen);
    if (!isKpropError(error)) throw new Error(`no error: ${seen.map(({ kind }) => kind)}`);
    expect(error.code).toMatch(code);
    expectHelpful(error);
    // A new connection, and the same question again at once.
    expect(seen.map(({ kind }) => kind)).toEqual([
      ...['asking', 'call-failed', 'connecting', 'connected', 'asking', 'synchronized', 'waiting'],
    ]);
    await expectUntouched();
  });

  test('a late reply to another call is skipped', async () => {
    const seen = await pollWith((asked) => {
      const late = asked.reply(new Uint8Array(20), { xid: asked.xid - 1 });
      return { records: [late, ...(answers.nil(asked).records ?? [])] };
    });
    expect(seen.map(({ kind }) => kind)).toEqual(['asking', 'synchronized', 'waiting']);
  });
});

describe('a status', () => {
  test.each([
    ['busy', updateStatuses.busy, 4],
    ['an error', updateStatuses.error, 4],
    ['denied', updateStatuses.permissionDenied, 4],
    ['one that does not exist', 9, 4],
  ])('%s: said, and asked again after a while', async (_, status, seconds) => {
    const seen = await pollWith((asked) => answers.status(asked, status));
    expect(seen).toContainEqual({ kind: 'refused', status });
    expect(seen).toContainEqual({ kind: 'waiting', seconds, busy: true });
    await expectUntouched();
  });

  test('denied in the middle: kpropd goes on, and says what to do in its state file', async () => {
    await pollWith(answers.nil);
    primary.answer = (asked) => answers.status(asked, updateStatuses.permissionDenied);
    events.length = 0;
    server.pollNow();
    await until('waiting');
    const path = `${replica.site.fromMaster}.status`;
    await vi.waitFor(() => {
      const { lastError } = JSON.parse(readFileSync(path, 'utf8')).incremental;
      expect(lastError).toMatchObject({
        code: 'iprop.denied',
        remedy: expect.stringContaining('kadm5.acl'),
      });
    });
    primary.answer = answers.nil;
    server.pollNow();
    await until('synchronized');
    await vi.waitFor(() =>
      expect(JSON.parse(readFileSync(path, 'utf8')).incremental).not.toHaveProperty('lastError'),
    );
  });

  test.each([
    ['granted', updateStatuses.ok, 600, false],
    ['busy', updateStatuses.busy, 4, true],
    ['denied', updateStatuses.permissionDenied, 4, true],
  ])('a resync that is %s', async (_, status, seconds, busy) => {
    primary.answer = (asked) =>
      asked.procedure === procedures.getUpdates
        ? answers.status(asked, updateStatuses.fullResyncNeeded)
        : answers.resync(asked, status);
    server.pollNow();
    await until('waiting');
    expect(primary.calls.slice(-2)).toEqual([procedures.getUpdates, procedures.fullResyncExt]);
    expect(events).toContainEqual({ kind: 'resync-answered', status });
    expect(events).toContainEqual({ kind: 'waiting', seconds, busy });
    // It is not asked for again while it may be on its way.
    server.pollNow();
    await until('waiting', 2);
    expect(primary.calls.at(-1)).toBe(procedures.getUpdates);
    expect(events).toContainEqual({ kind: 'resync-awaited' });
  });

  test('a primary of release 1.7 knows one procedure for a resync', async () => {
    primary.answer = (asked) => {
      if (asked.procedure === procedures.getUpdates) {
        return answers.status(asked, updateStatuses.fullResyncNeeded);
      }
      if (asked.procedure === procedures.fullResync) return answers.resync(asked, 0);
      const mic = asked.tokens.makeMic(asked.next(), asked.sequence);
      return { records: [accept(asked.xid, mic, new Uint8Array(0), 3)] };
    };
    server.pollNow();
    await until('resync-answered');
    expect(primary.calls.slice(-2)).toEqual([procedures.fullResyncExt, procedures.fullResync]);
  });
});

describe('updates that must not be applied', () => {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
  const principal = (name: string, realm = 'LAB.EXAMPLE'): Attribute => ({
    type: 'principal',
    value: {
      realm: bytes(realm),
      components: name.split('/').map((each) => ({ magic: -1760647422, data: bytes(each) })),
      nameType: 1,
    },
  });
  const key = (o: object = {}) => ({
    ...{ version: 1, kvno: 1, enctypes: [18], contents: [bytes('\x20\0'.padEnd(34, 'k'))] },
    ...o,
  });
  const keys = (...value: ReturnType<typeof key>[]): Attribute => ({ type: 'keys', value });
  const length: Attribute = { type: 'length', value: 38 };
  let serial: number;
  beforeEach(async () => {
    serial = await iprop.lastSerial(replica.site);
  });
  const update = (o: Partial<Update> & { readonly step?: number }): Update => ({
    name: bytes('new@LAB.EXAMPLE'),
    serial: serial + (o.step ?? 1),
    ...{ seconds: 1_796_000_000, micros: 1, deleted: false, committed: true },
    attributes: [principal('new'), keys(key()), length],
    ...{ seenBy: [], futures: new Uint8Array(0) },
    ...o,
  });

  const bad: Readonly<Record<string, () => readonly Update[]>> = {
    'a gap in the numbers': () => [update({ step: 3 })],
    'a number that was there': () => [update({ step: 0 })],
    'a name that is none': () => [update({ name: bytes('a@b@c'), attributes: [] })],
    'a NUL in a name': () => [update({ name: bytes('new\0@LAB.EXAMPLE') })],
    'no principal': () => [update({ attributes: [keys(key()), length] })],
    "another principal's data": () => [
      update({ attributes: [principal('alice'), keys(key()), length] }),
    ],
    'another realm': () => [
      update({ attributes: [principal('new', 'OTHER'), keys(key()), length] }),
    ],
    'a key of version 0': () => [
      update({ attributes: [principal('new'), keys(key({ version: 0 })), length] }),
    ],
    'a key of version 3': () => [
      update({ attributes: [principal('new'), keys(key({ version: 3 })), length] }),
    ],
    'a key without its salt': () => [
      update({
        attributes: [principal('new'), keys(key({ version: 2, enctypes: [18, 0] })), length],
      }),
    ],
    'a key of 40,000 bytes': () => [
      update({
        attributes: [principal('new'), keys(key({ contents: [new Uint8Array(40_000)] })), length],
      }),
    ],
    'another base length': () => [
      update({ attributes: [principal('new'), keys(key()), { type: 'length', value: 40 }] }),
    ],
    'more than a log can hold': () => [
      update({
        attributes: [
          ...[principal('new'), keys(key()), length],
          {
            type: 'typedData',
            value: Array.from({ length: 3 }, (_, at) => ({
              type: 9 + at,
              data: new Uint8Array(30_000),
            })),
          },
        ],
      }),
    ],
    'a change of an entry that is not there': () => [
      update({ attributes: [principal('new'), { type: 'maxLife', value: 5 }] }),
    ],
    'a change of an entry that was just deleted': () => [
      update({ name: bytes('alice@LAB.EXAMPLE'), attributes: [], deleted: true }),
      update({
        ...{ step: 2, name: bytes('alice@LAB.EXAMPLE') },
        attributes: [principal('alice'), { type: 'maxLife', value: 5 }],
      }),
    ],
  };

  test.each(Object.keys(bad))('%s: nothing is applied, and a resync is asked for', async (name) => {
    const list = (bad[name] as () => readonly Update[])();
    await iprop.resyncByHand(replica);
    serial = await iprop.lastSerial(replica.site);
    const seen = await pollWith((asked) => answers.updates(asked, list));
    const error = errorsIn(seen)[0];
    if (!isKpropError(error, 'iprop.bad-update')) throw new Error('no error', { cause: error });
    expectHelpful(error);
    await expectUntouched();
    expect(await iprop.lastSerial(replica.site)).toBe(1);
    await iprop.resyncByHand(replica);
  });

  test('one that is not committed waits for the next poll, and those after it', async () => {
    await iprop.resyncByHand(replica);
    serial = await iprop.lastSerial(replica.site);
    const list = [
      update({ name: bytes('nobody@LAB.EXAMPLE'), attributes: [], deleted: true }),
      update({ step: 2, committed: false }),
      update({ step: 3 }),
    ];
    const seen = await pollWith((asked) => answers.updates(asked, list));
    expect(seen).toContainEqual(expect.objectContaining({ kind: 'applied', count: 1 }));
    await expectUntouched();
    expect(await iprop.lastSerial(replica.site)).toBe(serial + 1);
  });

  test('an attribute that nobody knows is left out, and the rest is applied', async () => {
    await iprop.resyncByHand(replica);
    serial = await iprop.lastSerial(replica.site);
    const attributes: Attribute[] = [
      ...[principal('new'), keys(key()), length],
      { type: 77, value: bytes('later') },
    ];
    const seen = await pollWith((asked) => answers.updates(asked, [update({ attributes })]));
    expect(seen).toContainEqual(expect.objectContaining({ kind: 'applied', count: 1 }));
    expect(await iprop.dumpOf(replica.site)).toContain('\tnew@LAB.EXAMPLE\t');
    await iprop.kadmin(['delprinc -force new'], replica.site);
    await iprop.resyncByHand(replica);
  });
});

describe('the log of the replica', () => {
  test('is another one since the primary was asked: nothing is applied, and it is asked again', async () => {
    await iprop.resyncByHand(replica);
    const seen = await pollWith((asked) => {
      // What a full propagation does at its end.
      execFileSync('/usr/sbin/kproplog', ['-R'], { env: replica.site.env(), stdio: 'ignore' });
      const { serial = 0, seconds = 0, micros = 0 } = asked.last ?? {};
      const deletion: Update = {
        ...{
          name: new Uint8Array(Buffer.from('alice@LAB.EXAMPLE')),
          serial: serial + 1,
          seconds,
          micros,
        },
        ...{
          attributes: [],
          deleted: true,
          committed: true,
          seenBy: [],
          futures: new Uint8Array(0),
        },
      };
      return answers.updates(asked, [deletion]);
    });
    expect(errorsIn(seen)).toEqual([]);
    await expectUntouched();
    expect(seen.map(({ kind }) => kind)).not.toContain('applied');
    await iprop.resyncByHand(replica);
  });

  test('was removed: it is made anew, and a resync is asked for', async () => {
    rmSync(`${replica.site.database}.ulog`);
    await pollWith((asked) => answers.status(asked, updateStatuses.fullResyncNeeded));
    expect(await iprop.lastSerial(replica.site)).toBe(1);
    await iprop.resyncByHand(replica);
    const serial = await iprop.lastSerial(replica.site);
    let asked = 0;
    await pollWith((one) => {
      asked = one.last?.serial ?? 0;
      return answers.nil(one);
    });
    expect(asked).toBe(serial);
  });

  test('cannot be read: said, and tried again', async () => {
    const log = `${replica.site.database}.ulog`;
    renameSync(log, `${log}.kept`);
    mkdirSync(log);
    events.length = 0;
    server.pollNow();
    await until('no-position');
    const [error] = errorsIn(events);
    expectHelpful(error);
    rmdirSync(log);
    renameSync(`${log}.kept`, log);
    server.pollNow();
    await until('synchronized');
  });
});

describe('the process that applies', () => {
  test('is started anew if it is killed, and the poll goes on', async () => {
    await iprop.resyncByHand(replica);
    const serial = await iprop.lastSerial(replica.site);
    const update = (step: number): Update => ({
      name: new Uint8Array(Buffer.from('nobody@LAB.EXAMPLE')),
      serial: serial + step,
      ...{ seconds: 1_796_000_000, micros: step, deleted: true, committed: true },
      ...{ attributes: [], seenBy: [], futures: new Uint8Array(0) },
    });
    await pollWith((asked) => answers.updates(asked, [update(1)]));
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
      .trim()
      .split(' ');
    const appliers = children.filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('applier-process'),
    );
    expect(appliers).toHaveLength(1);
    process.kill(Number(appliers[0]), 'SIGKILL');
    await sleep(100);
    const seen = await pollWith((asked) => answers.updates(asked, [update(2)]));
    expect(seen).toContainEqual(expect.objectContaining({ kind: 'applied', count: 1 }));
    expect(await iprop.lastSerial(replica.site)).toBe(serial + 2);
    await expectUntouched();
  });
});
