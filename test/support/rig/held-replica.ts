import { once } from 'node:events';

import { expect } from 'vitest';

import type { KpropError } from '../../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../../src/host/config-files.ts';
import { type KpropServer, type ServerEvent, serveKprop } from '../../../src/server/serve.ts';
import type { Lab } from '../lab/lab.ts';

/** A replica in this process, whose loads wait, if so asked, until they are released. */
export class HeldReplica {
  readonly events: ServerEvent[] = [];
  /** The files that were loaded. */
  readonly loaded: string[] = [];
  #server: KpropServer | undefined;
  #release: () => void = () => undefined;

  static async start(lab: Lab, o: { readonly hold?: boolean } = {}): Promise<HeldReplica> {
    const replica = new HeldReplica();
    const held = new Promise<void>((resolve) => {
      replica.#release = resolve;
    });
    replica.#server = await serveKprop({
      port: 0,
      realm: lab.realm,
      config: loadKrb5Config({ krb5ConfFiles: lab.replica.krb5Conf }),
      keytab: lab.replica.keytab,
      acl: lab.replica.acl,
      file: lab.replica.fromMaster,
      loader: async ({ path, signal }) => {
        if (o.hold) await Promise.race([held, signal && once(signal, 'abort')]);
        replica.loaded.push(path);
      },
      onEvent: (event) => replica.events.push(event),
    });
    return replica;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  release(): void {
    this.#release();
  }

  async close(): Promise<void> {
    await this.#server?.close({ abort: true });
  }
}

/** The error of a propagation that must fail, with a message and a remedy worth the name. */
export async function failureOf(sending: Promise<unknown>): Promise<KpropError> {
  const outcome = await sending.then(
    (report) => ({ report }),
    (error: KpropError) => error,
  );
  expect(outcome).toHaveProperty('code');
  const error = outcome as KpropError;
  expect(error.remedy).toMatch(/.{15,}/);
  expect(error.message).toMatch(/.{8,}/);
  return error;
}
