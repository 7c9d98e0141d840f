import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { propagate } from '../src/client/propagate.ts';
import { openSharedDump } from '../src/client/shared-dump.ts';
import { loadKrb5Config } from '../src/host/config-files.ts';
import { serveKprop } from '../src/server/serve.ts';
import { untilToldToEnd } from './roles.ts';

export interface ReceiversSettings {
  readonly count: number;
  readonly realm: string;
  readonly krb5Conf: string;
  readonly keytab: string;
  readonly acl: string;
}

/**
 * So many replicas, each with a port and a file of its own; says the ports. They stand for as many
 * machines, each with its own disk: fifty that wait for one disk would be all that is measured. So
 * their files are in memory, where there is such a file system.
 */
export async function receivers(settings: ReceiversSettings): Promise<void> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kprop-bench-'));
  try {
    await receiveUntilTold(settings, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function receiveUntilTold(settings: ReceiversSettings, folder: string): Promise<void> {
  const files = Array.from({ length: settings.count }, (_, at) => join(folder, `replica-${at}`));
  const servers = await Promise.all(
    files.map((file) =>
      serveKprop({
        port: 0,
        realm: settings.realm,
        config: loadKrb5Config({ krb5ConfFiles: settings.krb5Conf }),
        keytab: settings.keytab,
        acl: settings.acl,
        file,
        loader: async ({ path }) => rmSync(path),
      }),
    ),
  );
  console.log(JSON.stringify(servers.map((server) => server.port)));
  await untilToldToEnd();
  await Promise.all(servers.map((server) => server.close({ abort: true })));
}

export interface SendersSettings {
  readonly ports: readonly number[];
  readonly dump: string;
  readonly krb5Conf: string;
  readonly keytab: string;
  readonly shared: boolean;
}

export interface SendersReport {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** Propagates to all at once, and says what it took. */
export async function senders(settings: SendersSettings): Promise<void> {
  const config = loadKrb5Config({ krb5ConfFiles: settings.krb5Conf });
  const { ports } = settings;
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const shared = settings.shared ? await openSharedDump(settings.dump) : undefined;
  await Promise.all(
    ports.map((port) =>
      propagate({
        host: '127.0.0.1',
        port,
        dump: shared ?? settings.dump,
        config,
        credential: { kind: 'keytab', name: `FILE:${settings.keytab}` },
      }),
    ),
  );
  await shared?.close();
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const report: SendersReport = {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
  console.log(JSON.stringify(report));
}
