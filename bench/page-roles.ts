import { Agent, get } from 'node:http';

import { untilToldToEnd } from './roles.ts';

export interface WatchersSettings {
  readonly url: string;
  readonly count: number;
}

/** So many open pages: each listens to the events of the page. Says when all do, and at the end what came. */
export async function watchers({ url, count }: WatchersSettings): Promise<void> {
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  let open = 0;
  let bytes = 0;
  let lost = 0;
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      const request = get(`${url}/events`, { agent }, (response) => {
        if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`));
        open += 1;
        response.on('data', (chunk: Uint8Array) => {
          bytes += chunk.length;
        });
        response.on('error', () => undefined);
        response.on('close', () => {
          lost += 1;
        });
        resolve();
      });
      request.on('error', reject);
    });
  // In groups: nobody has five thousand browsers that begin in one moment.
  for (let at = 0; at < count; at += groupSize) {
    await Promise.all(Array.from({ length: Math.min(groupSize, count - at) }, listen));
  }
  console.log(JSON.stringify({ open }));
  await untilToldToEnd();
  console.log(JSON.stringify({ open, lost, bytes }));
  process.exit();
}

const groupSize = 200;
