import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What the kprop says, and what the kpropd says, by their places on the wire. */
export const conversation = {
  toServer: ['sendauth version', 'version', 'AP-REQ', 'size', 'block 1', 'block 2', 'last block'],
  toClient: ['answer', 'acceptance', 'AP-REP', 'confirmation'],
} as const;
export type Direction = keyof typeof conversation;

export const attackKinds = ['drop', 'delay', 'repeat', 'swap', 'cut', 'reflect', 'splice'] as const;

/** What is done to one message of a conversation. */
export interface Attack {
  readonly kind: (typeof attackKinds)[number];
  readonly direction: Direction;
  /** Counted from 0. */
  readonly at: number;
}

/** The messages of a conversation as they were said, lengths and all. */
export type Said = { readonly [direction in Direction]: readonly Uint8Array[] };

/** Both wait for each other, and nobody will say anything more. */
const silenceMillis = 400;
const delayMillis = 250;

/** Somebody between kprop and kpropd who knows where messages begin and end. */
export class ManInTheMiddle {
  /** What becomes of later connections. */
  attack: Attack | undefined;
  /** Where messages that are spliced in come from. */
  other: Said = { toServer: [], toClient: [] };
  /** Of the last connection, as it was said. */
  said: Said = { toServer: [], toClient: [] };
  /** Whether the attack on the last connection took place. */
  struck = false;
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
    this.#serve(client),
  );
  readonly #open = new Set<Socket>();
  #settled: Promise<unknown> = Promise.resolve();

  static async start(): Promise<ManInTheMiddle> {
    const man = new ManInTheMiddle();
    man.#server.listen(0, '127.0.0.1');
    await once(man.#server, 'listening');
    return man;
  }

  /** The port of the kpropd. */
  target = 0;

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** When both sides of the last connection are closed: kpropd has loaded by then what it will. */
  get settled(): Promise<unknown> {
    return this.#settled;
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket): void {
    const server = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true });
    const said = { toServer: [] as Uint8Array[], toClient: [] as Uint8Array[] };
    this.said = said;
    this.struck = false;
    const { attack } = this;
    let silence: NodeJS.Timeout | undefined;
    const end = () => {
      client.destroy();
      // An orderly end, so that the server is seen to have ended, too.
      server.end();
    };
    const strike = () => {
      this.struck = true;
      clearTimeout(silence);
      silence = setTimeout(end, silenceMillis);
    };
    const way = (direction: Direction, from: Socket, to: Socket) => {
      const messages = new Messages(direction === 'toClient' ? 1 : 0);
      let kept: Uint8Array | undefined;
      /** What comes behind a message that is held back. */
      let late: Uint8Array[] | undefined;
      from.on('data', (chunk: Buffer) => {
        silence?.refresh();
        for (const message of messages.take(chunk)) {
          const at = said[direction].push(message) - 1;
          if (late !== undefined) {
            late.push(message);
          } else if (attack?.direction === direction && attack.at === at) {
            strike();
            if (attack.kind === 'swap') kept = message;
            else if (attack.kind !== 'delay') this.#strike(attack, message, { from, to, end });
            else {
              clearTimeout(silence);
              late = [message];
              setTimeout(() => {
                for (const each of late ?? []) to.write(each);
                late = undefined;
              }, delayMillis);
            }
          } else {
            to.write(message);
            if (kept !== undefined) to.write(kept);
            kept = undefined;
          }
        }
      });
      const over = () => {
        if (late === undefined) to.end();
        else setTimeout(over, delayMillis);
      };
      from.on('end', over);
      from.on('error', () => to.destroy());
      from.on('close', over);
    };
    way('toServer', client, server);
    way('toClient', server, client);
    for (const socket of [client, server]) this.#open.add(socket);
    this.#settled = Promise.all(
      [client, server].map((socket) => new Promise((closed) => socket.on('close', closed))),
    ).then(() => clearTimeout(silence));
  }

  #strike(
    { kind, direction, at }: Attack,
    message: Uint8Array,
    { from, to, end }: { readonly from: Socket; readonly to: Socket; end(): void },
  ): void {
    if (kind === 'repeat') {
      to.write(message);
      to.write(message);
    } else if (kind === 'cut') {
      to.write(message.subarray(0, message.length >> 1));
      end();
    } else if (kind === 'reflect') {
      from.write(message);
    } else if (kind === 'splice') {
      to.write(this.other[direction][at] ?? message);
    }
  }
}

/** Cuts a stream into messages, each with its length; so many single bytes come first. */
class Messages {
  #waiting = Buffer.alloc(0);
  #bare: number;

  constructor(bareBytes: number) {
    this.#bare = bareBytes;
  }

  take(chunk: Uint8Array): Uint8Array[] {
    this.#waiting = Buffer.concat([this.#waiting, chunk]);
    const messages: Uint8Array[] = [];
    for (;;) {
      const waiting = this.#waiting;
      if (waiting.length < (this.#bare > 0 ? 1 : 4)) return messages;
      const end = this.#bare > 0 ? 1 : 4 + waiting.readUInt32BE(0);
      if (waiting.length < end) return messages;
      messages.push(Uint8Array.from(waiting.subarray(0, end)));
      this.#waiting = waiting.subarray(end);
      if (this.#bare > 0) this.#bare -= 1;
    }
  }
}
