import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';

import type { Part } from './part.ts';
import type { PartNews, PartSettings } from './process.ts';

/** A part that says nothing for so long hangs where not even its own clock is heard. */
const silenceMillis = 120_000;

/** A part in its process, watched. */
export class Running {
  readonly part: Part;
  /** Whether it failed. */
  readonly ended: Promise<boolean>;
  #news: PartNews = { cases: 0, counts: {} };
  readonly #started = performance.now();
  #seconds = 0;
  readonly #child: ChildProcess;
  #heard = performance.now();
  #stopped = false;

  constructor(part: Part, settings: PartSettings) {
    this.part = part;
    const { seed, progress } = settings;
    const args = [`--part=${part.name}`, `--child=${JSON.stringify(settings)}`];
    this.#child = fork(process.argv[1] as string, args, { execArgv: ['--expose-gc'] });
    this.#child.on('message', (news: PartNews) => {
      this.#news = news;
      this.#heard = performance.now();
    });
    const watchdog = setInterval(() => {
      if (performance.now() - this.#heard > silenceMillis) this.#child.kill('SIGKILL');
    }, 5_000);
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (status, signal) => {
        clearInterval(watchdog);
        this.#seconds = (performance.now() - this.#started) / 1000;
        if (status === 0 || this.#stopped) return resolve(false);
        const { failure } = this.#news;
        const index = failure?.index ?? begun(progress);
        const reason = failure?.reason ?? `its process ended with ${status ?? signal}, or hung`;
        console.error(`\n${part.name}, case ${index}: ${reason}`);
        if (failure?.input !== undefined) console.error(`input: ${failure.input}`);
        console.error(
          `repeat: FUZZ_SEED=${seed} npm run fuzz -- --part=${part.name} --case=${index}\nwith all that came before it: the same without --case\n`,
        );
        resolve(true);
      });
    });
  }

  get cases(): number {
    return this.#news.cases;
  }

  stop(): void {
    this.#stopped = true;
    this.#child.kill('SIGTERM');
  }

  print(): void {
    const { cases, counts } = this.#news;
    const rate = Math.round(cases / this.#seconds);
    console.log(`\n${this.part.name}: ${cases} cases, ${rate} a second`);
    for (const [kind, count] of Object.entries(counts).sort()) console.log(`  ${count} ${kind}`);
  }
}

/** The case that was begun last. */
function begun(progress: string): number {
  const bytes = readFileSync(progress);
  return bytes.length < 8 ? 0 : bytes.readDoubleBE(0);
}
