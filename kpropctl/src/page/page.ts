import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';

import type { Settings } from '../config/settings.ts';
import type { Diagnosis } from '../doctor/finding.ts';
import { type Guard, openGuard } from '../serve/guard.ts';
import { version } from '../show/version.ts';
import { pageApp } from './app.ts';
import { Board } from './board.ts';
import { DoctorWatch, diagnoseByProgram } from './doctor-watch.ts';
import type { Live } from './link.ts';
import { openPort } from './port.ts';
import { PressToken } from './press-token.ts';
import { Publisher } from './publisher.ts';
import { type ReaderLimits, Readers } from './readers.ts';

export interface PageOptions {
  readonly settings: Settings;
  readonly environment: NodeJS.ProcessEnv;
  /** Somebody has pressed the button. */
  readonly onRun: (by: string) => void;
  readonly onLog: (text: string) => void;
  /** kpropctl doctor unless given. */
  readonly diagnose?: ((signal: AbortSignal) => Promise<Diagnosis>) | undefined;
  /** As the configuration asks for unless given. */
  readonly guard?: Guard | undefined;
  readonly limits?: Partial<ReaderLimits> | undefined;
}

export interface Page {
  /** The port, or 0 for a socket of this host. */
  readonly port: number;
  /** Pages that are open, and listen. */
  readonly readers: number;
  /** What the daemon is doing now. */
  show(live: Live): void;
  close(): Promise<void>;
}

/** The page, served at the address of `listen`. @throws Error with a code: the address cannot be opened */
export async function openPage(o: PageOptions): Promise<Page> {
  const { settings, onLog } = o;
  const board = new Board(settings);
  const readers = new Readers(o.limits);
  const edition = editionOf(settings);
  const publisher = new Publisher(board, readers, edition);
  const around = { environment: o.environment, onTrouble: onLog };
  const guard = o.guard ?? (await openGuard(settings, around));
  let lastLook = Number.NEGATIVE_INFINITY;
  const doctor = new DoctorWatch({
    board,
    isWatched: () => readers.count > 0 || performance.now() - lastLook < watchedMillis,
    diagnose: o.diagnose ?? diagnoseByProgram(settings, o.environment),
    onChange: () => publisher.publish(),
  });
  const answers = new EventEmitter();
  const app = pageApp({
    ...{ settings, board, readers, guard, edition, onLog },
    press: PressToken.open(settings.state, onLog),
    onRun: async (by) => {
      // The page that is loaded next shows it.
      const answered = once(answers, 'live', { signal: AbortSignal.timeout(longestAnswerMillis) });
      o.onRun(by);
      await answered.catch(() => undefined);
    },
    onLook: () => {
      lastLook = performance.now();
      doctor.consider();
    },
  });
  const port = await openPort(app.fetch, settings.listen ?? '');
  return {
    port: port.number,
    get readers() {
      return readers.count;
    },
    show: (live) => {
      board.show(live);
      answers.emit('live');
      publisher.publish();
      doctor.live(live);
    },
    close: async () => {
      doctor.close();
      publisher.close();
      readers.close();
      await port.close();
      await guard.close();
    },
  };
}

/** Another program, or other replicas: an open page has to be loaded again. */
function editionOf({ realm, replicas }: Settings): string {
  const hosts = replicas.map(({ host }) => host);
  return createHash('sha256')
    .update(JSON.stringify([version(), realm, hosts]))
    .digest('hex')
    .slice(0, 12);
}

const longestAnswerMillis = 1_000;
/** A page without its script says only when it is loaded that somebody looks. */
const watchedMillis = 60_000;
