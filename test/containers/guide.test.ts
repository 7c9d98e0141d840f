import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { GenericContainer, Network, type StartedNetwork, Wait } from 'testcontainers';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { packageRoot } from '../support/lab/lab.ts';
import { buildPackages } from './built-packages.ts';
import { Host } from './host.ts';

// docs/guide.md, line by line: each command that it shows is typed on the hosts that it names.

interface Step {
  readonly hosts: readonly string[];
  readonly command: string;
}

/** The commands of a page: blocks of `sh`, behind a sentence that ends with "On `kdc1` and `kdc2`:". */
function stepsOf(page: string): readonly Step[] {
  return [...page.matchAll(/([^\n]*(?:\n[^\n]+)*)\n\n```sh\n(.*?)^```/gms)].flatMap(
    ([, before = '', block = '']) => {
      const where = /\bon((?:\s+(?:and\s+)?`kdc\d`)+):$/i.exec(before)?.[1];
      if (where === undefined) throw new Error(`where does this run?\n${before}\n${block}`);
      const hosts = [...where.matchAll(/`(kdc\d)`/g)].map(([, name = '']) => name);
      return commandsOf(block).map((command) => ({ hosts, command }));
    },
  );
}

/** One for each line; a here-document belongs to its command. */
const commandsOf = (block: string) =>
  block.match(/^[^\n]*<<'END'\n.*?^END\n|^[^\n]+\n/gms)?.map((command) => command.trim()) ?? [];

const master = 'a long master password';
/** What is typed where a command asks. */
const answers: Readonly<Record<string, readonly string[]>> = {
  'kdb5_util create -s': [master, master],
  'kdb5_util stash': [master],
  "kadmin.local -q 'addprinc admin/admin'": ['looking-glass', 'looking-glass'],
  "kadmin.local -q 'addprinc alice'": ['wonderland', 'wonderland'],
  "kadmin.local -q 'addprinc bob'": ['a builder', 'a builder'],
  "kadmin -p admin/admin -q 'ktadd host/kdc2.example.org'": ['looking-glass'],
  'kinit alice': ['wonderland'],
};

/** What must be seen, beside success. */
const expected: Readonly<Record<string, RegExp>> = {
  'hostname -f': /^kdc\d\.example\.org$/m,
  'getent hosts kdc1.example.org kdc2.example.org': /kdc1\.example\.org.*\n.*kdc2\.example\.org/,
  'kprop --version': /^kprop \d+\.\d+\.\d+ \(\//,
  'kprop kdc2.example.org': /^Database propagation to kdc2\.example\.org: SUCCEEDED$/m,
  'kprop kdc1.example.org': /^Database propagation to kdc1\.example\.org: SUCCEEDED$/m,
  'kpropctl run': /\blive\b/,
  "kadmin -p admin/admin -q 'ktadd host/kdc2.example.org'": /added to keytab/,
  klist: /krbtgt\/EXAMPLE\.ORG@EXAMPLE\.ORG/,
  "kadmin.local -q 'getprinc bob'": /^Principal: bob@EXAMPLE\.ORG$/m,
};

const hosts = new Map<string, Host>();
let network: StartedNetwork;
let packages: string;
beforeAll(async () => {
  packages = mkdtempSync(join(tmpdir(), 'kprop-guide-'));
  await buildPackages(packages);
  network = await new Network().start();
  for (const label of ['kdc1', 'kdc2']) hosts.set(label, await emptyHost(label));
}, 900_000);
afterAll(async () => {
  await Promise.all([...hosts.values()].map((host) => host.remove()));
  await network?.stop();
  rmSync(packages, { recursive: true, force: true });
});

/** A host of Debian with the two packages in root's folder. */
async function emptyHost(label: string): Promise<Host> {
  const name = `${label}.example.org`;
  const debs = readdirSync(packages).filter((file) => file.endsWith('.deb'));
  const container = await new GenericContainer('debian:bookworm-slim')
    .withHostname(name)
    .withNetwork(network)
    .withNetworkAliases(name)
    .withUser('root')
    .withCopyFilesToContainer(
      debs.map((file) => ({ source: join(packages, file), target: `/root/${file}` })),
    )
    .withCommand(['sleep', 'infinity'])
    .withWaitStrategy(Wait.forSuccessfulCommand('true'))
    .start();
  return new Host(name, container, { network: network.getName(), user: 'root' });
}

test('the guide, line by line', { timeout: 900_000 }, async () => {
  const steps = stepsOf(readFileSync(join(packageRoot, 'docs/guide.md'), 'utf8'));
  expect(steps.length).toBeGreaterThan(50);
  const shown = new Set(steps.map(({ command }) => command));
  for (const command of Object.keys({ ...answers, ...expected })) expect(shown).toContain(command);
  for (const { hosts: labels, command } of steps) {
    for (const label of labels) await type(label, command);
  }
});

/** Types a command, with what it asks for. A failure names the line of the guide. */
async function type(label: string, command: string): Promise<void> {
  const input = (answers[command] ?? []).map((line) => `${line}\n`).join('');
  const script = 'cd /root; export DEBIAN_FRONTEND=noninteractive; printf %s "$1" | bash -c "$2"';
  const host = hosts.get(label);
  const { exitCode, output = '' } =
    (await host?.run(['bash', '-c', script, 'sh', input, command])) ?? {};
  expect(exitCode, `${label}# ${command}\n${output}`).toBe(0);
  // kadmin exits with 0 whatever happens.
  if (command.startsWith('kadmin')) {
    expect(output, `${label}# ${command}`).not.toMatch(/^[\w.]+: .* while /m);
  }
  expect(output, `${label}# ${command}`).toMatch(expected[command] ?? /^/);
}
