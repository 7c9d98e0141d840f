import { isKpropError } from '../../errors/kprop-error.ts';
import type { Ambient } from '../../protocol/ambient.ts';
import type { ServerEvent } from '../options.ts';
import { isoMicros } from '../spool/state-file.ts';
import type { FullStatus } from './full-status.ts';
import { notedError } from './noted-error.ts';
import type { StatusFile } from './status-file.ts';

/** Notes in the status file how full propagations go. */
export class FullStatusNotes {
  readonly #file: StatusFile;
  readonly #ambient: Ambient;
  /** By connection. */
  readonly #clients = new Map<number, string>();

  constructor(file: StatusFile, ambient: Ambient) {
    this.#file = file;
    this.#ambient = ambient;
  }

  event(event: ServerEvent): void {
    const at = () => isoMicros(this.#ambient.nowMicros());
    if (event.kind === 'authenticated') this.#clients.set(event.connection, event.client);
    if (event.kind === 'closed') this.#clients.delete(event.connection);
    if (event.kind === 'loaded') {
      const { client, bytes, records, millis } = event;
      this.#note({ lastSuccess: { at: at(), client, bytes, ...records, millis } });
    }
    if (event.kind === 'failed') {
      const { error } = event;
      const client = this.#clients.get(event.connection);
      // Every principal of the realm gets as far as that.
      if (client === undefined || isKpropError(error, 'auth.denied')) return;
      this.#note({ lastFailure: { client, ...notedError(error, at()) } });
    }
  }

  #note(change: FullStatus): void {
    void this.#file.note(({ full }) => ({ full: { ...full, ...change } }));
  }
}
