import type { Board, View } from './board.ts';
import { textOf } from './markup.ts';
import { parts, rowPart } from './page-view.ts';
import type { Readers } from './readers.ts';
import { stateWords } from './replica-row.ts';

/** Looks whether something has changed, and tells the open pages. */
export class Publisher {
  readonly #board: Board;
  readonly #readers: Readers;
  readonly #edition: string;
  readonly #timer: NodeJS.Timeout;
  #states: ReadonlyMap<string, string> = new Map();
  #isBusy = false;
  #isWanted = false;
  #publishedAt = 0;

  constructor(board: Board, readers: Readers, edition: string) {
    this.#board = board;
    this.#readers = readers;
    this.#edition = edition;
    // Other processes change the state as well: kpropctl run, hold, release. A hold ends by itself.
    this.#timer = setInterval(() => {
      const isOld = Date.now() - this.#publishedAt > longestMillis;
      if (this.#board.refresh() || isOld) this.publish();
    }, lookMillis);
    this.publish();
  }

  publish(): void {
    this.#isWanted = true;
    if (!this.#isBusy) void this.#work();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      this.#publishedAt = Date.now();
      const view = this.#board.view();
      this.#readers.update(await partsOf(view), this.#said(view), this.#edition);
    }
    this.#isBusy = false;
  }

  /** What has changed, for those who listen to the page. */
  #said({ status }: View): string {
    const states = new Map(status.replicas.map(({ host, state }) => [host, stateWords[state]]));
    const changed = [...states].filter(
      ([host, words]) => this.#states.has(host) && this.#states.get(host) !== words,
    );
    this.#states = states;
    return changed.map(([host, words]) => `${host} is ${words}.`).join(' ');
  }
}

/** By the id of their element. Times stand in them as such, so that they change only if something has changed. */
async function partsOf(view: View): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  for (const [id, part] of Object.entries(parts)) made.set(id, await textOf(part(view, undefined)));
  for (const at of view.status.replicas.keys()) {
    made.set(`row-${at}`, await textOf(rowPart(view, at, undefined)));
  }
  return made;
}

const lookMillis = 1_000;
const longestMillis = 15_000;
