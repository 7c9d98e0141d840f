import type { ServerEvent } from '../../server/serve.ts';

/**
 * Passes events on with the peer's name in the place of its address, as MIT's kpropd logs it. What
 * happens on a connection is held back, in its order, until the name is known or will not be; at the
 * latest until the connection is closed.
 */
export class NamedPeers {
  readonly #nameOf: (address: string) => Promise<string | undefined>;
  readonly #pass: (event: ServerEvent) => void;
  /** By connection: what is held back. */
  readonly #held = new Map<number, ServerEvent[]>();

  constructor(
    nameOf: (address: string) => Promise<string | undefined>,
    pass: (event: ServerEvent) => void,
  ) {
    this.#nameOf = nameOf;
    this.#pass = pass;
  }

  event(event: ServerEvent): void {
    const { connection } = event;
    if (event.kind === 'connected') {
      this.#held.set(connection, [event]);
      void this.#nameOf(event.address).then((name) => this.#release(connection, name));
      return;
    }
    const held = this.#held.get(connection);
    if (held === undefined) this.#pass(event);
    else held.push(event);
    if (event.kind === 'closed') this.#release(connection, undefined);
  }

  #release(connection: number, name: string | undefined): void {
    const held = this.#held.get(connection) ?? [];
    this.#held.delete(connection);
    for (const event of held) {
      const named = event.kind === 'connected' && name !== undefined;
      this.#pass(named ? { ...event, address: name } : event);
    }
  }
}
