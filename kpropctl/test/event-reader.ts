import { type ClientRequest, get } from 'node:http';

export interface PageEvent {
  readonly id: string;
  readonly parts: Readonly<Record<string, string>>;
  readonly said: string;
  readonly edition: string;
}

/** Listens to the page as a browser does: events with their ids, and it comes back with the last one. */
export class EventReader {
  readonly events: PageEvent[] = [];
  /** All that was sent, comments included. */
  text = '';
  status: number | undefined;
  isOpen = false;
  retryMillis = 0;
  #request: ClientRequest | undefined;
  readonly #url: string;

  constructor(url: string, o: { readonly since?: string } = {}) {
    this.#url = `${url}/events${o.since === undefined ? '' : `?since=${o.since}`}`;
    this.connect();
  }

  get lastId(): string | undefined {
    return this.events.at(-1)?.id;
  }

  /** What an element of the page shows by now. */
  part(id: string): string | undefined {
    return this.events.findLast(({ parts }) => Object.hasOwn(parts, id))?.parts[id];
  }

  connect(): void {
    const headers = this.lastId === undefined ? {} : { 'last-event-id': this.lastId };
    let rest = '';
    this.#request = get(this.#url, { headers, agent: false }, (response) => {
      this.status = response.statusCode;
      this.isOpen = true;
      response.setEncoding('utf8').on('data', (more: string) => {
        this.text += more;
        const blocks = (rest + more).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) this.#read(block);
      });
      response.on('close', () => {
        this.isOpen = false;
      });
      response.on('error', () => undefined);
    });
    this.#request.on('error', () => {
      this.isOpen = false;
    });
  }

  close(): void {
    this.#request?.destroy();
  }

  #read(block: string): void {
    const fields = new Map(
      block.split('\n').map((line) => {
        const [, name = '', value = ''] = /^(\w*): ?(.*)$/.exec(line) ?? [];
        return [name, value] as const;
      }),
    );
    const retry = fields.get('retry');
    if (retry !== undefined) this.retryMillis = Number(retry);
    const data = fields.get('data');
    if (fields.get('event') !== 'parts' || data === undefined) return;
    this.events.push({ id: fields.get('id') ?? '', ...JSON.parse(data) });
  }
}
