import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { IpropLab, type IpropReplica } from '../support/lab/iprop-lab.ts';
import { type LabProcess, ourProgram } from '../support/lab/lab.ts';

// MIT's kpropd and ours in the same situations: what each says about polling its primary with -d, and how
// it ends. What differs stands with each situation, and in docs/deviations.md.

type Make = 'mit' | 'ours';

interface Situation {
  /** On the replica, which is in step with the primary before. */
  readonly prepare?: (replica: IpropReplica) => void | Promise<void>;
  readonly args?: readonly string[];
  readonly env?: (replica: IpropReplica) => NodeJS.ProcessEnv;
  /** `as its own end` for a kpropd that ends by itself; else SIGTERM once this was said so often. */
  readonly until: 'its own end' | { readonly said: RegExp; readonly times?: number };
  readonly kadmind?: 'none' | 'without resyncs';
  readonly meanwhile?: (kpropd: LabProcess) => Promise<void>;
  /** Turns what MIT's says into what ours says. */
  readonly differs?: (lines: string[]) => string[];
  /** How ours ends, where that differs. */
  readonly end?: string | number;
  /** What ours prints on stdout, where that differs. */
  readonly stdout?: string;
}

let iprop: IpropLab;
let count = 0;
const running: LabProcess[] = [];
beforeAll(async () => {
  iprop = await IpropLab.create({ principals: 2 });
  await iprop.kadmin(['addprinc -pw a alice']);
});
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});
afterAll(() => iprop.close());

const change = async () => {
  await iprop.kadmin(['modprinc -maxlife 1h alice', 'modprinc -maxlife 2h alice']);
};
const edit = ({ site }: IpropReplica, from: string | RegExp, to: string) =>
  writeFileSync(site.krb5Conf, readFileSync(site.krb5Conf, 'utf8').replace(from, to));
const inStep = { said: /KDC is synchronized with primary/ } as const;
const unreachable = { said: /Sleeping \d+ seconds to re-init/ } as const;
const kadmAcl = () => join(iprop.lab.primary.folder, 'kadm5.acl');

const situations: Readonly<Record<string, Situation>> = {
  'nothing is new': { until: inStep },
  'nothing is new, -t': { args: ['-t'], until: 'its own end' },
  'updates, -t': { prepare: change, args: ['-t'], until: 'its own end' },
  updates: { prepare: change, until: inStep },
  'updates twice': {
    prepare: change,
    until: { said: /Incremental updates:/, times: 2 },
    meanwhile: async (kpropd) => {
      await kpropd.until(() => /Incremental updates:/.test(kpropd.stderr), 'updates');
      await change();
    },
  },
  'a resync is needed, -t': {
    prepare: async ({ site }) => {
      await iprop.lab.run('/usr/sbin/kproplog', ['-R'], { env: site.env() });
    },
    args: ['-t'],
    until: 'its own end',
  },
  'a resync that does not come': {
    kadmind: 'without resyncs',
    prepare: async ({ site }) => {
      await iprop.lab.run('/usr/sbin/kproplog', ['-R'], { env: site.env() });
    },
    until: { said: /Still waiting for full resync/ },
  },
  'no log yet': {
    kadmind: 'without resyncs',
    prepare: ({ site }) => rmSync(`${site.database}.ulog`),
    until: { said: /Full resync request granted/ },
  },
  'no kadmind': { kadmind: 'none', until: unreachable },
  'no kadmind, twice': {
    kadmind: 'none',
    until: { ...unreachable, times: 2 },
    // The same trouble is said once.
    differs: (lines) => {
      const first = lines.findIndex((line) => line.startsWith('Sleeping'));
      return lines.filter((line, at) => at <= first || !/retrying$/.test(line));
    },
  },
  '-A names another host': {
    args: ['-A', 'nowhere.invalid'],
    until: unreachable,
  },
  'admin_server is missing': {
    prepare: (replica) => edit(replica, 'admin_server = localhost', ''),
    until: unreachable,
  },
  'a port is with admin_server': {
    prepare: (replica) => edit(replica, 'admin_server = localhost', 'admin_server = localhost:1'),
    until: inStep,
  },
  'the primary has no kiprop of that name': {
    prepare: (replica) => edit(replica, 'admin_server = localhost', 'admin_server = 127.0.0.1'),
    until: unreachable,
  },
  'the keytab lacks kiprop': {
    prepare: ({ site }) => {
      rmSync(site.keytab);
      return iprop.kadmin([`ktadd -norandkey -k ${site.keytab} host/${iprop.lab.host}`]);
    },
    until: unreachable,
  },
  'the keytab is missing': {
    prepare: ({ site }) => rmSync(site.keytab),
    until: unreachable,
  },
  'the KDC does not answer': {
    prepare: (replica) => edit(replica, /\n {4}kdc = \S+/, '\n    kdc = 127.0.0.1:1'),
    until: unreachable,
  },
  'no right in kadm5.acl, -t': {
    prepare: () => writeFileSync(kadmAcl(), 'nobody@LAB.EXAMPLE p\n'),
    args: ['-t'],
    until: 'its own end',
  },
  'no right in kadm5.acl': {
    prepare: () => writeFileSync(kadmAcl(), 'nobody@LAB.EXAMPLE p\n'),
    until: { said: /permission denied[\s\S]*(bailing|backoff)/ },
    // Ours tries again instead of leaving the replica without a kpropd.
    differs: (lines) => [
      ...lines.slice(0, lines.indexOf('get_updates permission denied') + 1),
      'Busy signal received from primary, backoff for 4 secs',
    ],
    end: 'SIGTERM',
  },
  'a poll interval in minutes': {
    prepare: (replica) => edit(replica, 'iprop_replica_poll = 1', 'iprop_slave_poll = 2m'),
    until: { said: /Waiting for 120 seconds/ },
  },
  'a poll interval of 0': {
    prepare: (replica) => edit(replica, 'iprop_replica_poll = 1', 'iprop_replica_poll = 0'),
    until: { said: /Waiting for 10 seconds/ },
  },
  'SIGUSR1 polls now': {
    prepare: (replica) => edit(replica, 'iprop_replica_poll = 1', 'iprop_replica_poll = 1h'),
    until: { said: /KDC is synchronized/, times: 2 },
    meanwhile: async (kpropd) => {
      await kpropd.until(() => /Waiting for 3600 seconds/.test(kpropd.stderr), 'the wait');
      await sleep(200);
      kpropd.signal('SIGUSR1');
    },
  },
  'kadmind was started anew between two polls': {
    until: { said: /KDC is synchronized/, times: 3 },
    meanwhile: async (kpropd) => {
      await kpropd.until(() => /Waiting for 1 seconds/.test(kpropd.stderr), 'the wait');
      await running[0]?.stop();
      running[0] = await iprop.startKadmind('/bin/false', 1);
    },
    // When the poll meets it is chance; the words are not.
    differs: (lines) => [...new Set(lines)],
  },
  'an entry that was deleted here only': {
    prepare: async ({ site }) => {
      const off = readFileSync(site.krb5Conf, 'utf8').replace('iprop_enable = true', '');
      const quiet = join(site.folder, 'quiet.conf');
      writeFileSync(quiet, off);
      await iprop.lab.run('/usr/sbin/kadmin.local', ['-q', 'delprinc -force alice'], {
        env: { ...site.env(), KRB5_CONFIG: quiet },
      });
      await change();
    },
    kadmind: 'without resyncs',
    until: { said: /Got incremental updates[\s\S]*(not registered|Assertion|Waiting)/ },
    // MIT's dies of SIGABRT.
    differs: (lines) => [
      ...lines.filter((line) => !/Assertion|^kpropd:/.test(line)),
      'ulog_replay failed (Update log conversion error), updates not registered',
    ],
    end: 'SIGTERM',
  },
  'the log is none': {
    prepare: ({ site }) => writeFileSync(`${site.database}.ulog`, Buffer.alloc(2_048_040, 1)),
    until: { said: /Unable to map log!/ },
    // MIT's ends with 1. Ours tries again, and serves full propagations.
    differs: () => ['kpropd: Update log is corrupt Unable to map log!'],
    end: 'SIGTERM',
    stdout: 'ready\n',
  },
};

/** What is said about polling; what is said about connections is compared elsewhere, and mixed into it by chance. */
function pollLines(stderr: string): string[] {
  // The primary's log goes on from one make to the other: serial numbers are counted as they are met.
  const serials = new Set<string>();
  return stderr
    .split('\n')
    .filter(
      (line) =>
        line !== '' &&
        !/^(cause:|fix:|loads natively|waiting for a kprop|Connection from|krb5_recvauth|authenticated client|Full propagation|calling kdb5_util|loading the database|Load PID|Database load|Killing fullprop)/.test(
          line,
        ),
    )
    .map((line) =>
      line
        .replace(/sno=\d+/, (sno) => `sno=${serials.add(sno) && [...serials].indexOf(sno)}`)
        .replace(/sec=\d+ usec=\d+/, 'sec=S usec=U')
        .replace(/\/ \d+ us$/, '/ N us'),
    );
}

async function play(make: Make, situation: Situation) {
  const replica = await iprop.addReplica(`${make}-${count}`);
  count += 1;
  await iprop.resyncByHand(replica);
  copyFileSync(kadmAcl(), `${kadmAcl()}.kept`);
  try {
    await situation.prepare?.(replica);
    const kprop = situation.kadmind === 'without resyncs' ? '/bin/false' : ourProgram('kprop');
    if (situation.kadmind !== 'none') {
      running.push(await iprop.startKadmind(kprop, replica.kpropPort));
    }
    const kpropd = iprop.startKpropd(make, replica, { args: situation.args ?? [] });
    running.push(kpropd);
    await situation.meanwhile?.(kpropd);
    const { until } = situation;
    if (until !== 'its own end') {
      const all = new RegExp(until.said.source, 'g');
      const enough = () => (kpropd.stderr.match(all)?.length ?? 0) >= (until.times ?? 1);
      await kpropd.until(() => enough() || !kpropd.running, `${make}: ${until.said}`);
      kpropd.signal('SIGTERM');
    }
    const { status, signal, stdout, stderr } = await kpropd.ended;
    return { end: signal ?? status, stdout, lines: pollLines(stderr), stderr };
  } finally {
    copyFileSync(`${kadmAcl()}.kept`, kadmAcl());
    for (const one of running.splice(0).reverse()) await one.stop();
  }
}

type Lines = readonly string[];

/** Without the polls that find the resync still under way: how many there are is chance. */
function withoutWaits(lines: Lines): Lines {
  const isWait = (at: number) => /^Still waiting/.test(lines[at] ?? '');
  return lines.filter((_, at) => ![at - 1, at, at + 1].some(isWait));
}

describe('polling a primary', () => {
  test.each(Object.keys(situations))('%s', { timeout: 60_000 }, async (name) => {
    const situation = situations[name] as Situation;
    const mit = await play('mit', situation);
    const ours = await play('ours', situation);
    const shown = situation.until === 'its own end' ? withoutWaits : (lines: Lines) => lines;
    const expected = shown(situation.differs?.(mit.lines) ?? mit.lines);
    const said = shown(
      name === 'kadmind was started anew between two polls' ? [...new Set(ours.lines)] : ours.lines,
    );
    // After the line that is waited for, chance decides how much more is said.
    const last = Math.min(said.length, expected.length);
    expect(said.slice(0, last), mit.stderr + ours.stderr).toEqual(expected.slice(0, last));
    expect(last).toBeGreaterThan(0);
    expect(ours.end).toBe(situation.end ?? mit.end);
    expect(ours.stdout).toBe(situation.stdout ?? mit.stdout);
  });
});
