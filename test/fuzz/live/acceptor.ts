import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import { fileReplayCache } from '../../../src/host/replay-file.ts';
import { systemAmbient } from '../../../src/protocol/ambient.ts';
import { acceptApReq } from '../../../src/protocol/krb5/session/ap-exchange.ts';
import { memoryReplayCache } from '../../../src/protocol/krb5/session/replay.ts';
import { codeOf } from '../../support/wire/code-of.ts';
import { enctypes } from '../../support/wire/enctypes.ts';
import {
  acceptor,
  forgeApReq,
  forgeCredential,
  kpropApReq,
  nowSeconds,
} from '../../support/wire/forge.ts';
import { damaged, mutated, type Random } from '../../support/wire/mutations.ts';
import { type Keep, type Part, someOf } from './part.ts';
import { temporaryFolder } from './process.ts';

const skewSeconds = 300;

/** One who asks for the database, and is let in or not: tickets, replays, clocks. */
export const acceptors: Part = {
  name: 'acceptor',
  about: 'damaged AP-REQs of every enctype, the replay file, steps of the clock',
  async open() {
    const folder = temporaryFolder('acceptor');
    const steps = new ClockSteps();
    let files = 0;
    return {
      // Each step of the clock follows the one before it.
      lanes: 1,
      one(random, keep) {
        const choice = random(10);
        if (choice === 0) return steps.one(random, keep);
        files += 1;
        if (choice === 1) return replayFile(join(folder.path, String(files)), random, keep);
        return damagedRequest(random, keep);
      },
      close: async () => folder.remove(),
    };
  },
};

const forged = enctypes.map((enctype) => {
  const credential = forgeCredential({ enctype });
  return { credential, message: forgeApReq(credential) };
});

/** If it is accepted, what it says is what the KDC and the client have said. */
async function damagedRequest(random: Random, keep: Keep): Promise<string> {
  const { credential, message } = someOf(forged, random);
  const bytes = mutated(message, random);
  keep(bytes);
  try {
    const accepted = await acceptApReq(bytes, acceptor({ anyHost: random(2) === 0 }));
    const honest =
      accepted.client.equals(credential.client) &&
      Buffer.from(accepted.sessionKey.bytes).equals(credential.sessionKey.bytes) &&
      accepted.ctime === nowSeconds &&
      accepted.cusec === 1;
    if (!honest) throw new Error(`${accepted.client} was let in by a forged AP-REQ`);
    return 'an AP-REQ damaged where it does not matter';
  } catch (error) {
    if (error instanceof KpropError) return 'a damaged AP-REQ';
    throw error;
  }
}

/** A replay cache whose file holds anything refuses in words, or works from then on. */
async function replayFile(path: string, random: Random, keep: Keep): Promise<string> {
  const tag = (seed: number) => Uint8Array.from({ length: 12 }, (_, at) => (seed * 31 + at) & 0xff);
  const cache = fileReplayCache({ path, strict: false, clockSkewSeconds: skewSeconds });
  try {
    for (let seed = 0; seed < 4; seed += 1) await cache.store(tag(seed), nowSeconds, 'someone');
    const bytes = new Uint8Array(readFileSync(path));
    const other = damaged(bytes.subarray(0, random(bytes.length + 1)), random);
    keep(other);
    writeFileSync(path, other);
    const fresh = tag(100 + random(100));
    if ((await codeOf(cache.store(fresh, nowSeconds, 'someone'))) === 'none') {
      const again = await codeOf(cache.store(fresh, nowSeconds + random(skewSeconds), 'someone'));
      if (again !== 'auth.replay') throw new Error(`a replay is taken: ${again}`);
    }
    if (statSync(path).size > 2 ** 22) throw new Error('the replay cache grows');
    return 'a damaged replay file';
  } finally {
    if (existsSync(path)) rmSync(path);
  }
}

/** A machine whose clock is stepped, under an acceptor that lives on. */
class ClockSteps {
  #millis = nowSeconds * 1000;
  readonly #ambient = systemAmbient(() => this.#millis);
  readonly #replay = memoryReplayCache(skewSeconds);

  async one(random: Random, keep: Keep): Promise<string> {
    // Seconds to years, back and forth, within the ticket's life or not.
    const stepMillis = (random(2) === 0 ? -1 : 1) * 10 ** random(9) * (1 + random(9));
    const inLife = nowSeconds * 1000 + random(86_000_000);
    this.#millis = random(3) === 0 ? inLife : Math.max(1, this.#millis + stepMillis);
    const peerMillis = (random(3) - 1) * 100_000 * random(7);
    keep(`clock ${this.#millis} ms, the client's ${peerMillis} ms ahead`);
    const client = this.#millis + peerMillis;
    // Beside the fixed clock of the peer: its authenticators differ.
    const micros = client * 1000 + random(1000);
    const credential = forgeCredential({ client: forged[0]!.credential.client });
    const random16 = (byteCount: number) =>
      Uint8Array.from({ length: byteCount }, () => random(256));
    const { message } = kpropApReq(credential, { nowMicros: () => micros, random: random16 });
    const code = await codeOf(
      acceptApReq(message, acceptor({ ambient: this.#ambient, replay: this.#replay })).then(
        () => undefined,
      ),
    );
    const seconds = (millis: number) => Math.floor(millis / 1000);
    const here = seconds(this.#millis);
    const skewed = Math.abs(seconds(client) - here) - skewSeconds;
    const life = Math.max(nowSeconds - here, here - (nowSeconds + 86_400)) - skewSeconds;
    const wanted = skewed <= 0 && life <= 0;
    // To the second, rounding and uniqueness decide.
    const close = Math.abs(skewed) <= 2 || Math.abs(life) <= 2;
    if (!close && wanted !== (code === 'none')) {
      throw new Error(`${code}, the client's clock being ${peerMillis} ms ahead, life ${life}`);
    }
    return 'a step of the clock';
  }
}
