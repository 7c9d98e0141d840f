import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bounds of what open pages may cost. */
export interface ReaderLimits {
  /** Pages that listen to events, of all hosts together. */
  readonly most: number;
  /** Of one other host; this one may be a proxy for many. */
  readonly mostOfOneHost: number;
  readonly heartbeatMillis: number;
  /** A reader that takes nothing for so long is dropped: its page comes back by itself. */
  readonly stuckMillis: number;
  /** Readers that are written to in one go; then others have their turn. */
  readonly atOnce: number;
}

const usualLimits: ReaderLimits = {
  most: 6_000,
  mostOfOneHost: 100,
  heartbeatMillis: 15_000,
  stuckMillis: 30_000,
  atOnce: 250,
};

interface Reader {
  readonly response: ServerResponse;
  readonly host: string;
  /** The last event that it was sent. */
  seen: number;
  /** Since when it takes nothing; undefined if it does. */
  stuckSince: number | undefined;
}

/** A part of the page, and the event in which it last changed. */
interface Part {
  readonly html: string;
  readonly changedAt: number;
}

/**
 * The open pages, and what they show. Only the newest of each part is kept: a reader that was away or is
 * slow gets what has changed since the last event that it has seen, so nothing is ever piled up for it.
 */
export class Readers {
  /** Event numbers of another process mean nothing here. */
  readonly #process = `${process.pid.toString(36)}${Date.now().toString(36)}`;
  readonly #limits: ReaderLimits;
  readonly #readers = new Set<Reader>();
  readonly #parts = new Map<string, Part>();
  readonly #heart: NodeJS.Timeout;
  #edition = '';
  #event = 0;
  #said = '';
  #isSending = false;

  constructor(limits: Partial<ReaderLimits> = {}) {
    this.#limits = { ...usualLimits, ...limits };
    this.#heart = setInterval(() => this.#beat(), this.#limits.heartbeatMillis);
  }

  get count(): number {
    return this.#readers.size;
  }

  /** What a page that is made now has seen. */
  get since(): string {
    return `${this.#process}-${this.#event}`;
  }

  /** Sends what has changed to all; `said` is for those who listen to the page. */
  update(parts: ReadonlyMap<string, string>, said: string, edition: string): void {
    const changed = [...parts].filter(([id, html]) => this.#parts.get(id)?.html !== html);
    if (changed.length === 0 && edition === this.#edition) return;
    this.#event += 1;
    this.#said = said;
    this.#edition = edition;
    for (const [id, html] of changed) this.#parts.set(id, { html, changedAt: this.#event });
    void this.#sendToAll();
  }

  /** Whether one more of this host may listen. */
  hasRoom(host: string): boolean {
    if (this.#readers.size >= this.#limits.most) return false;
    return isThisHost(host) || this.#countOf(host) < this.#limits.mostOfOneHost;
  }

  /** @param lastSeen Last-Event-ID, or what the page was made with */
  add(response: ServerResponse, host: string, lastSeen: string | undefined): void {
    const [, process, event] = /^(\w+)-(\d+)$/.exec(lastSeen ?? '') ?? [];
    const seen = process === this.#process ? Math.min(Number(event), this.#event) : -1;
    const reader: Reader = { response, host, seen, stuckSince: undefined };
    this.#readers.add(reader);
    response.on('close', () => this.#readers.delete(reader));
    response.on('drain', () => {
      reader.stuckSince = undefined;
      this.#send(reader);
    });
    // Those who were hung up on together do not come back together.
    const retryMillis = Math.round(firstRetryMillis * (1 + Math.random()));
    response.write(`retry: ${retryMillis}\n\n`);
    this.#send(reader);
  }

  close(): void {
    clearInterval(this.#heart);
    for (const { response } of this.#readers) response.destroy();
  }

  #countOf(host: string): number {
    let count = 0;
    for (const reader of this.#readers) if (reader.host === host) count += 1;
    return count;
  }

  async #sendToAll(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    let event: number;
    do {
      event = this.#event;
      const started = performance.now();
      let sent = 0;
      for (const reader of this.#readers) {
        this.#send(reader);
        sent += 1;
        if (sent % this.#limits.atOnce === 0) await new Promise(setImmediate);
      }
      // The more pages are open, the less often they are told: a tenth of the time at most goes into it.
      const pauseMillis = 9 * (performance.now() - started);
      await sleep(pauseMillis, undefined, { ref: false });
    } while (event !== this.#event);
    this.#isSending = false;
  }

  #send(reader: Reader): void {
    if (reader.stuckSince !== undefined || reader.seen === this.#event) return;
    const text = this.#textSince(reader.seen);
    reader.seen = this.#event;
    this.#write(reader, text);
  }

  /** Most readers have seen the same: the text for them is made once. */
  #textSince(seen: number): string {
    const known = this.#texts;
    if (known.event !== this.#event) {
      known.event = this.#event;
      known.since.clear();
    }
    const text = known.since.get(seen) ?? this.#makeText(seen);
    known.since.set(seen, text);
    return text;
  }

  readonly #texts = { event: -1, since: new Map<number, string>() };

  #makeText(seen: number): string {
    const parts: Record<string, string> = {};
    for (const [id, { html, changedAt }] of this.#parts) if (changedAt > seen) parts[id] = html;
    const said = seen === this.#event - 1 ? this.#said : '';
    const data = JSON.stringify({ parts, said, edition: this.#edition });
    return `event: parts\nid: ${this.since}\ndata: ${data}\n\n`;
  }

  #write(reader: Reader, text: string): void {
    if (!reader.response.write(text)) reader.stuckSince = performance.now();
  }

  /** Keeps proxies from hanging up, and finds out who has gone. */
  #beat(): void {
    const oldest = performance.now() - this.#limits.stuckMillis;
    for (const reader of this.#readers) {
      if (reader.stuckSince === undefined) this.#write(reader, ': still here\n\n');
      else if (reader.stuckSince < oldest) reader.response.destroy();
    }
  }
}

function isThisHost(address: string): boolean {
  return address === '' || /^(::ffff:)?127\.|^::1$/.test(address);
}

const firstRetryMillis = 2_000;
