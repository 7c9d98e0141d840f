import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { abortError, KpropError } from '../errors/kprop-error.ts';
import { withoutInspector } from '../host/inspector.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';
import type { Credential } from '../protocol/krb5/session/credential.ts';

export interface GssRequest {
  readonly client: Principal;
  readonly server: Principal;
  /** Keytab name for KRB5_CLIENT_KTNAME. */
  readonly keytab: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

/** Exit status of the worker if the package `kerberos` is not installed or not built. */
const unavailableStatus = 3;

/**
 * Lets the Kerberos library of the system put a ticket for the server into a private credential cache,
 * from which `read` takes it; then the cache is removed.
 * @throws gss.unavailable, gss.failed, and what `read` throws
 */
export async function fetchThroughGss(
  request: GssRequest,
  read: (ccacheName: string) => Credential,
): Promise<Credential> {
  const folder = await mkdtemp(join(tmpdir(), 'kprop-gss-'));
  try {
    const ccacheName = `FILE:${join(folder, 'ccache')}`;
    await runWorker(request, ccacheName);
    return read(ccacheName);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runWorker(request: GssRequest, ccacheName: string): Promise<void> {
  const { client, server, keytab, environment, signal } = request;
  const [service = 'host', host = ''] = server.components;
  // This path leads to it from the bundled program in dist/bin, too.
  const worker = fileURLToPath(new URL('../ticket/gss-worker.js', import.meta.url));
  const options = {
    env: { ...environment, KRB5_CLIENT_KTNAME: keytab, KRB5CCNAME: ccacheName },
    timeout: 120_000,
    ...(signal && { signal }),
  };
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [...withoutInspector, worker, `${service}@${host}`, `${client}`],
      options,
      (error, out) => {
        if (error === null) return resolve();
        if (signal?.aborted) return reject(abortError(signal.reason));
        const reason = out || error.message;
        const code = child.exitCode === unavailableStatus ? 'gss.unavailable' : 'gss.failed';
        const doing = `${reason} while getting initial credentials`;
        reject(new KpropError(code, { reason }).during('credentials', doing));
      },
    );
  });
}
