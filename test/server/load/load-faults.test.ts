import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { isKpropError, type KpropError } from '../../../src/errors/kprop-error.ts';
import type { ServeOptions } from '../../../src/server/serve.ts';
import {
  expectHelpful,
  kdb5Util,
  ReplicaRig,
  textOnceThere,
} from '../../support/rig/replica-rig.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

const inFolder = (name: string) => join(rig.lab.replica.folder, name);

/** A dump for the primary to send, complete with its .dump_ok. */
function dumpOf(text: string): string {
  const path = join(rig.lab.primary.folder, 'odd');
  writeFileSync(path, text);
  writeFileSync(`${path}.dump_ok`, '\0');
  return path;
}

/** What the primary is told when the load ends badly; database and service are as before. */
async function refusalOfLoad(
  loaderPath: string,
  o: {
    readonly dump?: string;
    readonly kept?: boolean;
    readonly options?: Partial<ServeOptions>;
  } = {},
) {
  const loader = { path: loaderPath, environment: rig.lab.env('replica') };
  const server = await rig.serve({ loader, ...o.options });
  const dump = o.dump ?? rig.other;
  let refusal: KpropError | undefined;
  const fault = async () => {
    refusal = await rig.failure(server.port, { dump });
  };
  // MIT's order is spool first, then load: of a failed load the whole dump remains, to be looked at.
  await rig.survives(server, fault, { spool: o.kept ? 'kept' : dump, thenSends: false });
  await rig.expectServes(await rig.serve());
  rig.holdGood();
  if (!isKpropError(refusal, 'peer.refused')) throw refusal;
  expectHelpful(refusal);
  expect(server.errors).toHaveLength(1);
  return { text: refusal.detail.text, error: server.errors[0] as KpropError };
}

describe('a loader that fails', () => {
  test('it is not there', async () => {
    const { text, error } = await refusalOfLoad('/nonexistent/kdb5_util');
    expect(text).toBe('No such file or directory while trying to exec kdb5_util');
    expect(error).toMatchObject({ code: 'loader.missing', phase: 'load' });
  });

  test.each([
    ['not executable', () => rig.lab.replica.krb5Conf, 'Permission denied'],
    ['a directory', () => rig.lab.replica.folder, 'Permission denied'],
    ['below a file', () => `${rig.lab.replica.krb5Conf}/kdb5_util`, 'Not a directory'],
  ])('it is %s', async (_what, path, reason) => {
    const { text, error } = await refusalOfLoad(path());
    expect(text).toBe(`${reason} while trying to exec ${basename(path())}`);
    expect(error).toMatchObject({ code: 'loader.missing', phase: 'load' });
  });

  test('it fails with words', async () => {
    const stub = rig.lab.loaderStub(
      'echo "one thing" >&2; echo "and another" >&2; exit 3',
      'stub3',
    );
    const { text, error } = await refusalOfLoad(stub);
    expect(text).toBe('stub3 returned a bad exit status (3)');
    const detail = { status: 3, stderr: 'one thing and another' };
    expect(error).toMatchObject({ code: 'loader.failed', detail });
  });

  test('it is killed', async () => {
    const stub = rig.lab.loaderStub('kill -9 $$', 'stub9');
    const { text, error } = await refusalOfLoad(stub);
    expect(text).toBe('stub9 load terminated by SIGKILL');
    expect(error).toMatchObject({ code: 'loader.killed', phase: 'load' });
  });

  test('it hangs: it is killed with its children, and the primary is told', async () => {
    const stub = rig.lab.loaderStub(
      `sleep 300 & echo "$$ $!" > "$TMPDIR/pids.new"; mv "$TMPDIR/pids.new" "$TMPDIR/pids"; sleep 301`,
      'stub-hang',
    );
    const { text, error } = await refusalOfLoad(stub, {
      options: { limits: { totalMillis: 600 } },
    });
    expect(text).toBe('the propagation did not end within 0.6 s');
    expect(error).toMatchObject({ code: 'server.timeout', phase: 'load' });
    const pids = readFileSync(inFolder('tmp/pids'), 'utf8').trim().split(' ');
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(lives(pid)).toBe(false);
  });

  test('it takes so long that the time of the next is up: that one is not even published', async () => {
    let loads = 0;
    const loader = async () => {
      loads += 1;
      await sleep(800);
    };
    const server = await rig.serve({ loader, limits: { totalMillis: 500 } });
    const first = rig.send(server.port);
    await rig.eventually(() => loads === 1);
    const second = await rig.failure(server.port, { dump: rig.good });
    expect(second.message).toContain('the propagation did not end within 0.5 s');
    await first;
    expect(loads).toBe(1);
    expect(readFileSync(rig.lab.replica.fromMaster)).toEqual(readFileSync(rig.other));
    rig.holdGood();
  });

  test('the server is closed at once: the load is killed, nothing is promoted', async () => {
    const stub = rig.lab.loaderStub(
      'echo "$$" > "$TMPDIR/pid"; sleep 303; touch "$TMPDIR/done"',
      'stub-close',
    );
    const loader = { path: stub, environment: rig.lab.env('replica') };
    const server = await rig.serve({ loader });
    const attempt = rig.failure(server.port);
    const pid = (await textOnceThere(inFolder('tmp/pid'))).trim();
    await server.close({ abort: true });
    expect((await attempt).fault).toBe('network');
    expect(lives(pid)).toBe(false);
    await rig.expectIntact();
    rig.holdGood();
  });
});

describe('a dump that is not whole', () => {
  const good = () => readFileSync(rig.good, 'latin1');
  const cutAt = (fromEnd: number) => dumpOf(good().slice(0, -fromEnd));

  test.each([1, 2, 3, 10, 100])(
    '%i bytes are missing at its end: kdb5_util never sees it',
    async (fromEnd) => {
      const stub = rig.lab.loaderStub('touch "$TMPDIR/ran"', 'stub-run');
      const { text, error } = await refusalOfLoad(stub, { dump: cutAt(fromEnd), kept: true });
      expect(text).toMatch(/^the dump was not loaded: it ends /);
      expect(error).toMatchObject({ code: 'spool.malformed', phase: 'load' });
      expect(existsSync(inFolder('tmp/ran'))).toBe(false);
    },
  );

  test.each([
    ['is no dump', () => 'hello\n', 'does not begin with the header of a kdb5_util dump'],
    [
      'is all zeros',
      () => '\0'.repeat(9_999),
      'does not begin with the header of a kdb5_util dump',
    ],
    ['has CR LF', () => good().replaceAll('\n', '\r\n'), 'does not begin with'],
    ['ends in rubbish', () => `${good()}rubbish\n`, 'ends with a line that is not a record'],
  ])('what %s is not loaded', async (_what, text, reason) => {
    const refusal = await refusalOfLoad(kdb5Util, { dump: dumpOf(text()), kept: true });
    expect(refusal.text).toContain(`the dump was not loaded: it ${reason}`);
  });

  test('a record that kdb5_util cannot read: its own words stay here', async () => {
    const lines = good().split('\n');
    lines.splice(3, 0, 'princ\t38\tgarbage');
    const dump = dumpOf(lines.join('\n'));
    const { text, error } = await refusalOfLoad(kdb5Util, { dump });
    expect(text).toBe('kdb5_util returned a bad exit status (1)');
    expect(error.message).toContain('cannot match size tokens');
    expect(error.message).toContain('error processing line 4');
  });
});

function lives(pid: string): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}
