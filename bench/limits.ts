import { spawnSync } from 'node:child_process';
import { createCipheriv, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

import { type Part, rate } from './part.ts';
import { startRole } from './roles.ts';

const blockBytes = 32_768;

/** What this machine can do at all: the frame in which all other figures stand. */
export const limits: Part = {
  name: 'limits',
  about: "the machine's own limits, on one core each",
  async measure() {
    const aes256 = await aesBytesPerSecond();
    const aes128 = await openssl(['-evp', 'aes-128-cbc'], () => cipherSpeed('aes-128-cbc', 16));
    const sha1 = await openssl(['-hmac', 'sha1'], () => hmacSpeed('sha1'));
    const sha256 = await openssl(['-hmac', 'sha256'], () => hmacSpeed('sha256'));
    const sha384 = await openssl(['-hmac', 'sha384'], () => hmacSpeed('sha384'));
    const loopback = await loopbackBytesPerSecond();
    // Every byte is enciphered once and covered by a MAC once, on each side.
    const floor = 1 / (1 / aes256 + 1 / sha1);
    const raw = { aes256, aes128, sha1, sha256, sha384, loopback, floor };
    const figure = (what: string, value: number) => ({ what, result: rate(value) });
    return {
      raw,
      figures: [
        figure('limit: AES-256-CBC, 32 KiB, OpenSSL', aes256),
        figure('limit: AES-128-CBC, 32 KiB, OpenSSL', aes128),
        figure('limit: HMAC-SHA-1, 32 KiB, OpenSSL', sha1),
        figure('limit: HMAC-SHA-256, 32 KiB, OpenSSL', sha256),
        figure('limit: HMAC-SHA-384, 32 KiB, OpenSSL', sha384),
        figure('limit: AES-256-CBC and HMAC-SHA-1, one after the other', floor),
        figure('limit: TCP over loopback between two processes', loopback),
      ],
    };
  },
};

/** OpenSSL's encryption of 32 KiB blocks on one core. */
export function aesBytesPerSecond(): Promise<number> {
  return openssl(['-evp', 'aes-256-cbc'], () => cipherSpeed('aes-256-cbc', 32));
}

/** `openssl speed`, or where it is not installed the OpenSSL of Node. */
async function openssl(what: readonly string[], instead: () => number): Promise<number> {
  const args = ['speed', ...what, '-bytes', String(blockBytes), '-seconds', '1'];
  const { status, stdout } = spawnSync('openssl', args, { encoding: 'utf8' });
  const thousands = /([\d.]+)k\s*$/.exec(stdout ?? '')?.[1];
  return status === 0 && thousands !== undefined ? Number(thousands) * 1000 : instead();
}

function cipherSpeed(name: string, keyBytes: number): number {
  const cipher = createCipheriv(name, Buffer.alloc(keyBytes), Buffer.alloc(16));
  const block = Buffer.alloc(blockBytes);
  return speedOf(() => cipher.update(block));
}

function hmacSpeed(hash: string): number {
  const key = Buffer.alloc(20);
  const block = Buffer.alloc(blockBytes);
  return speedOf(() => createHmac(hash, key).update(block).digest());
}

function speedOf(work: () => unknown): number {
  const started = performance.now();
  let blocks = 0;
  while (performance.now() - started < 1000) {
    for (let more = 0; more < 64; more += 1) work();
    blocks += 64;
  }
  return (blocks * blockBytes) / ((performance.now() - started) / 1000);
}

/** How fast Node passes bytes from one process to another, with nothing done to them. */
async function loopbackBytesPerSecond(): Promise<number> {
  const total = 1 << 30;
  const sink = startRole('sink', { total });
  const port = Number(await sink.line());
  const piece = Buffer.alloc(1 << 20);
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const started = performance.now();
  for (let sent = 0; sent < total; sent += piece.length) {
    if (!socket.write(piece)) await once(socket, 'drain');
  }
  await sink.line();
  const seconds = (performance.now() - started) / 1000;
  socket.destroy();
  await sink.end();
  return total / seconds;
}

/** The other end of it: says its port, and then when it has all. */
export async function sink({ total }: { readonly total: number }): Promise<void> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log((server.address() as AddressInfo).port);
  const [socket] = await once(server, 'connection');
  let received = 0;
  for await (const chunk of socket) {
    received += chunk.length;
    if (received >= total) break;
  }
  console.log('all');
  server.close();
}
