import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { IpropLab, type IpropReplica, principalsOf } from '../support/lab/iprop-lab.ts';
import { type LabProcess, ourProgram } from '../support/lab/lab.ts';
import { freePort } from '../support/lab/lab-process.ts';
import { seededRandom } from '../support/wire/seeded-random.ts';

// The primary's kadmind, our kpropd, the process that applies updates, or the network between them ends at
// a random moment, again and again, while the primary changes all the time, and the logs are so small that
// a replica often misses updates. Once that is over, nothing is missing, and nobody asks for resyncs any more.
// KILL_SECONDS=3600 npm run test:long -- test/interop/incremental-kills.test.ts; KILL_SEED repeats a run's choices.

const seconds = Number(process.env.KILL_SECONDS ?? 15);
const seed = Number(process.env.KILL_SEED ?? Math.floor(Math.random() * 2 ** 31));
const random = seededRandom(seed);
const below = (limit: number) => Math.floor(random() * limit);

let iprop: IpropLab;
let replica: IpropReplica;
let network: Network;
let kadmind: LabProcess;
let kpropd: LabProcess;
/** What the kpropds of this test have said so far, the present one aside. */
let said = '';

beforeAll(async () => {
  iprop = await IpropLab.create({ logSize: 12, principals: 50 });
  network = await Network.start(iprop.kadmindPort);
  replica = await iprop.addReplica('replica', network.port);
  await startKadmind();
  startKpropd();
  await kpropd.until(() => kpropd.stderr.includes('KDC is synchronized'), 'the first resync');
});
afterAll(async () => {
  await network.close();
  await iprop.close();
});

const kills: Readonly<Record<string, () => Promise<void>>> = {
  kadmind: async () => {
    kadmind.kill();
    await kadmind.ended;
    await sleep(below(300));
    await startKadmind();
  },
  kpropd: async () => {
    kpropd.signal('SIGKILL');
    await kpropd.ended;
    said += kpropd.stderr;
    startKpropd();
    await kpropd.until(() => kpropd.stdout.includes('ready'), 'kpropd');
  },
  applier: async () => {
    for (const pid of appliers()) process.kill(pid, 'SIGKILL');
  },
  network: async () => network.cut(),
};

test(`${seconds} s of kills, seed ${seed}`, { timeout: (seconds + 120) * 1000 }, async () => {
  const end = performance.now() + seconds * 1000;
  const counts = new Map<string, number>();
  let changing = true;
  const changes = (async () => {
    for (let number = 0; changing; number += 1) {
      await iprop.kadmin([
        `addprinc -nokey made${number}`,
        `modprinc -maxlife ${number + 1}m user${1 + (number % 50)}`,
        ...(number % 3 === 0 ? [`delprinc -force made${number - 2}`] : []),
        // A policy makes the primary begin its log anew.
        ...(number % 40 === 39 ? [`addpol policy${number}`] : []),
      ]);
      await sleep(below(150));
    }
  })();
  while (performance.now() < end) {
    await sleep(below(700));
    const name = Object.keys(kills)[below(4)] as string;
    await kills[name]?.();
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  changing = false;
  await changes;
  const resyncsBefore = resyncs();
  const from = performance.now();
  const wanted = principalsOf(await iprop.dumpOf(iprop.lab.primary));
  let polls = 0;
  for (;;) {
    // Not the end of a long pause after failures: whoever mends a primary sends this signal, too.
    kpropd.signal('SIGUSR1');
    polls += 1;
    await sleep(1_000);
    const now = principalsOf(await iprop.dumpOf(replica.site));
    if (JSON.stringify(now) === JSON.stringify(wanted)) break;
    // A resync that went with its primary is asked for again after 15 s.
    if (performance.now() - from > 40_000) expect(now, kpropd.stderr.slice(-2_000)).toEqual(wanted);
  }
  const asked = resyncs() - resyncsBefore;
  expect(asked, 'resyncs after the last kill').toBeLessThanOrEqual(1);
  // In step, and it stays so without another resync.
  kpropd.signal('SIGUSR1');
  await sleep(1_500);
  expect(resyncs() - resyncsBefore).toBe(asked);
  expect(kpropd.stderr).toMatch(
    /KDC is synchronized with primary\.\nWaiting for 1 seconds[^\n]*\n$/,
  );
  expect(await iprop.lastSerial(replica.site)).toBe(await iprop.lastSerial('primary'));
  const table = [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
  console.log(`${table}; ${resyncs()} resyncs in all; in step after ${polls} polls; seed ${seed}`);
});

async function startKadmind(): Promise<void> {
  kadmind = await iprop.startKadmind(ourProgram('kprop'), replica.kpropPort);
}

function startKpropd(): void {
  kpropd = iprop.startKpropd('ours', replica);
}

function resyncs(): number {
  return `${said}${kpropd.stderr}`.match(/Full resync request granted/g)?.length ?? 0;
}

function appliers(): readonly number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const [, , , parent] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ');
      const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return Number(parent) === kpropd.pid && line.includes('applier-process') ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

/** What is between replica and primary. */
class Network {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number, target: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (near) => {
      const far = connect(target, 'localhost');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
  }

  static async start(target: number): Promise<Network> {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, 'localhost', resolve));
    return new Network(server, port, target);
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
