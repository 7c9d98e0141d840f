import type { UpdatePoint } from '../../kdb/dump/header.ts';
import { UpdateLog } from '../../kdb/ulog/update-log.ts';
import type { Ambient } from '../../protocol/ambient.ts';

export interface ReplicaLogOptions {
  readonly path: string;
  /** iprop_ulogsize */
  readonly slots: number;
  readonly ambient: Ambient;
}

/** The update log of a replica with incremental propagation, as a full load leaves it. */
export class ReplicaLog {
  readonly #o: ReplicaLogOptions;

  constructor(o: ReplicaLogOptions) {
    this.#o = o;
  }

  /**
   * Before the new database becomes live: after a crash the log must ask for a resynchronization, and
   * never claim more than the database has. @throws errno, the signal's reason
   */
  async forget(signal: AbortSignal): Promise<void> {
    await this.#with((log) => log.reset(this.#o.ambient.nowMicros(), signal));
  }

  /** When the new database is live: at which point of its primary it is, if the dump says so. */
  async begin(point: UpdatePoint | undefined, signal: AbortSignal): Promise<void> {
    await this.forget(signal);
    if (point !== undefined) await this.#with((log) => log.startAt(point, signal));
  }

  async #with(work: (log: UpdateLog) => Promise<void>): Promise<void> {
    const log = await UpdateLog.open(this.#o.path, this.#o.slots);
    try {
      await work(log);
    } finally {
      await log.close();
    }
  }
}
