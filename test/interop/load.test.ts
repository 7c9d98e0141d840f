import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { propagate } from '../../src/client/propagate.ts';
import { isKpropError } from '../../src/errors/kprop-error.ts';
import { comparable, Lab, packageRoot } from '../support/lab/lab.ts';
import { asPrimary, expectReplicaHas } from '../support/lab/pairings.ts';
import { residentBytes } from '../support/lab/process-status.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create({ principals: 500 });
  await lab.dump();
});
afterAll(() => lab.close());

test('ten at once to one replica: each has a definite outcome, the last one loaded stays', async () => {
  const kpropd = await lab.startOurKpropd();
  const options = { ...asPrimary(lab), port: kpropd.port };
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => propagate(options)));
  const reasons = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  // Who was overtaken by one that came later is told so, and loads nothing.
  for (const reason of reasons) {
    expect(isKpropError(reason, 'peer.refused')).toBe(true);
    expect(reason.detail.text).toMatch(/^a newer propagation was loaded meanwhile/);
  }
  expect(outcomes.length - reasons.length).toBeGreaterThan(0);
  await expectReplicaHas(lab);
  const loads = kpropd.stderr.match(/loading the database natively/g) ?? [];
  expect(loads).toHaveLength(outcomes.length - reasons.length);
  await kpropd.stop();
});

test("ten at once to one replica of MIT's, which serves them one after the other", async () => {
  const kpropd = await lab.startMitKpropd();
  const options = { ...asPrimary(lab), port: kpropd.port };
  const reports = await Promise.all(Array.from({ length: 10 }, () => propagate(options)));
  expect(reports).toHaveLength(10);
  await expectReplicaHas(lab);
  await kpropd.stop();
});

test.each(['mit', 'ours'] as const)(
  'a large dump of kprop (%s) is loaded while it arrives: the same database, the same file',
  async (make) => {
    const kpropd = await lab.startOurKpropd({ args: ['--load=auto'] });
    const file = largeDump();
    const o = { port: kpropd.port, file };
    const sent = await (make === 'mit' ? lab.mitKprop(o) : lab.ourKprop(o));
    expect(sent).toMatchObject({ status: 0, stderr: '' });
    const dump = readFileSync(file);
    expect(comparable(await lab.replicaDump())).toBe(comparable(dump.toString('latin1')));
    expect(readFileSync(lab.replica.fromMaster).equals(dump)).toBe(true);
    expect(kpropd.stderr).toMatch(/transfer finished\.\nloading the database natively\n/);
    await kpropd.stop();
  },
);

test.each(['mit', 'ours'] as const)(
  'kprop (%s) hears of a record that kdb5_util cannot read, with its line',
  async (make) => {
    const kpropd = await lab.startOurKpropd();
    const file = largeDump();
    const lines = readFileSync(file, 'latin1').split('\n');
    lines.splice(40, 0, 'princ\t38\tgarbage');
    writeFileSync(file, lines.join('\n'));
    writeFileSync(`${file}.dump_ok`, '\0');
    const before = await lab.replicaDump();
    const o = { port: kpropd.port, file };
    const sent = await (make === 'mit' ? lab.mitKprop(o) : lab.ourKprop(o));
    expect(sent.status).toBe(1);
    expect(sent.stderr).toContain('kdb5_util returned a bad exit status (1)\n');
    expect(kpropd.stderr).toContain('(41): cannot match size tokens');
    expect(await lab.replicaDump()).toBe(before);
    await kpropd.stop();
  },
);

function largeDump(): string {
  const path = join(lab.primary.folder, 'large');
  makeSyntheticDump(path, 20_000, { basedOn: readFileSync(lab.dumpFile, 'latin1') });
  return path;
}

test('memory stays where it is while 300 MB go from a stream to a replica', async () => {
  const totalBytes = 300_000_000;
  const kpropd = await lab.startOurKpropd({ loader: lab.loaderStub('exit 0') });
  // In a process of its own, so that nobody else's memory is measured. The dump is one that a
  // replica passes on to its loader: a header, and lines that look like records.
  const script = `
    import { propagate, loadKrb5Config } from ${JSON.stringify(pathToFileURL(join(packageRoot, 'dist/index.js')).href)};
    const total = ${totalBytes};
    const header = Buffer.from('kdb5_util load_dump version 7\\n');
    const line = Buffer.from('policy\\tp' + '\\t0'.repeat(14) + '\\n');
    async function* dump(bytes) {
      yield header;
      for (let left = bytes - header.length; left > 0; ) {
        const piece = Buffer.alloc(Math.min(left, line.length * 30_000), line);
        left -= piece.length;
        yield piece;
      }
    }
    const send = (lines, onEvent) => {
      const bytes = header.length + lines * line.length;
      return propagate({ host: '127.0.0.1', port: ${kpropd.port}, onEvent,
        config: loadKrb5Config({ krb5ConfFiles: process.env.KRB5_CONFIG }),
        credential: { kind: 'keytab', name: process.env.KRB5_KTNAME },
        dump: { bytes, stream: dump(bytes) } });
    };
    // What is still in use: the releases of Node differ in how long they keep what is not.
    const held = () => {
      gc();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    await send(300_000); // everything has been loaded and compiled once
    const before = held();
    let most = 0;
    let calls = 0;
    let looks = 0;
    const report = await send(Math.floor(total / line.length), () => {
      if (++calls % 50 !== 0) return;
      looks += 1;
      most = Math.max(most, held());
    });
    console.log(JSON.stringify({ bytes: report.bytes, looks, growth: most - before }));
  `;
  const sending = lab.run(process.execPath, ['--expose-gc', '--input-type=module', '-e', script]);
  let atFirst = 0;
  let most = 0;
  const watch = setInterval(() => {
    if ((kpropd.stderr.match(/transfer started/g) ?? []).length < 2) return;
    const now = residentBytes(kpropd.process.pid);
    atFirst ||= now;
    most = Math.max(most, now);
  }, 20);
  const sent = await sending;
  clearInterval(watch);
  expect(sent).toMatchObject({ status: 0, stderr: '' });
  const said = JSON.parse(sent.stdout) as Record<'bytes' | 'looks' | 'growth', number>;
  expect(said.bytes).toBeGreaterThan(totalBytes - 100);
  expect(said.looks).toBeGreaterThan(5);
  // Some of the pieces are being sealed or written; a sender that kept what it sent would have all.
  expect(said.growth).toBeLessThan(24_000_000);
  // Node 24 collects buffers later than Node 20 does.
  expect(most - atFirst).toBeLessThan(totalBytes * 0.3);
  await kpropd.stop();
});
