import { join } from 'node:path';

import { type Krb5Config, serviceKeyAt } from 'kprop';

import type { ReplicaSettings, Settings } from '../config/settings.ts';
import type { State } from '../state/state.ts';
import { kadminLocal, lastLine, saysMissing } from './kadmin-local.ts';

/** A key version has 16 bits in the database: long before they run out, the canary is made anew. */
const remakeAtKvno = 60_000;
/** So many old keys prove how far behind a replica is. */
const keptKeys = 200;

export interface Generation {
  readonly generation: number;
  readonly canary: State['canary'];
}

/** The principal whose key is changed before each dump: its key version stands for the generation. */
export class Canary {
  readonly #settings: Settings;
  readonly #krb5: Krb5Config;
  readonly #principal: string;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(settings: Settings, krb5: Krb5Config, environment: NodeJS.ProcessEnv) {
    if (settings.proof === undefined) throw new Error('there is no proof');
    this.#settings = settings;
    this.#krb5 = krb5;
    this.#principal = settings.proof;
    this.#environment = environment;
  }

  get keytab(): string {
    return join(this.#settings.state, 'canary.keytab');
  }

  /**
   * Gives it a new key, and makes it if it is not there. @throws Error with kadmin.local's words
   */
  async renew(state: State): Promise<Generation> {
    let { base, kvno: before } = state.canary;
    if (before >= remakeAtKvno) await this.#kadmin(`delprinc -force ${this.#principal}`);
    const exists = !saysMissing(await this.#kadmin(`getprinc ${this.#principal}`));
    if (!exists) {
      // Nothing but a proof: the shortest life that a ticket can have.
      const attributes = '-maxlife 5min -maxrenewlife 0 -allow_tgs_req -allow_forwardable';
      const made = await this.#kadmin(`addprinc -randkey ${attributes} ${this.#principal}`);
      if (!/created/.test(made)) throw new Error(lastLine(made));
      base = state.generation;
      before = 0;
    }
    const added = await this.#kadmin(`ktadd -k ${this.keytab} ${this.#principal}`);
    const kvno = Number(/with kvno (\d+)/.exec(added)?.[1]);
    if (!(kvno > 0)) throw new Error(lastLine(added));
    // Somebody deleted it and made it anew, or the state was lost.
    if (kvno <= before) base = state.generation;
    const old = kvno - keptKeys;
    if (old > 0) await this.#kadmin(`ktremove -k ${this.keytab} ${this.#principal} ${old}`);
    const generation = Math.max(base + kvno, state.generation + 1);
    return { generation, canary: { base: generation - kvno, kvno } };
  }

  /** The generation that a replica's own KDC has. @throws kdc.*, keytab.*, network.* */
  async generationAt(
    replica: ReplicaSettings,
    { canary }: Pick<State, 'canary'>,
    signal?: AbortSignal,
  ): Promise<{ readonly generation: number; readonly proved: boolean }> {
    const { kvno, proved } = await serviceKeyAt({
      kdc: replica.kdc,
      service: this.#principal,
      serviceKeytab: `FILE:${this.keytab}`,
      keytab: this.#settings.keytab,
      config: this.#krb5,
      signal,
    });
    return { generation: canary.base + kvno, proved };
  }

  #kadmin(query: string): Promise<string> {
    return kadminLocal(this.#settings, query, this.#environment);
  }
}
