import { systemAmbient } from '../src/protocol/ambient.ts';
import { Key } from '../src/protocol/krb5/crypto/key.ts';
import { Principal } from '../src/protocol/krb5/messages/principal.ts';
import { Session } from '../src/protocol/krb5/session/session.ts';
import { aesBytesPerSecond } from './limits.ts';
import { median, type Part, rate, times } from './part.ts';

const blockBytes = 32_768;
const blocksAtOnce = 32;
const totalBytes = 512 * 2 ** 20;

/** What kprop's own work allows, with no socket, file or other end in its way. */
export const seal: Part = {
  name: 'seal',
  about: 'blocks made KRB-PRIVs, and nothing else',
  async measure({ rounds }) {
    const raw = Array.from({ length: rounds }, sealBytesPerSecond);
    const ours = median(raw);
    const aes = await aesBytesPerSecond();
    return {
      raw,
      figures: [
        {
          what: 'sealing blocks alone, against AES-256-CBC of OpenSSL',
          ...{ result: times(ours / aes), ours: rate(ours), against: rate(aes) },
        },
      ],
    };
  },
};

function sealBytesPerSecond(): number {
  const ambient = systemAmbient();
  const principal = Principal.parse('host/bench@BENCH.TEST');
  const session = new Session({
    client: principal,
    server: principal,
    key: Key.of(18, ambient.random(32)),
    localAddress: { addrType: 2, address: Uint8Array.of(127, 0, 0, 1) },
    sendSequence: 1,
    receiveSequence: 1,
    ambient,
  });
  const sealer = session.sealer();
  const blocks = Array.from({ length: blocksAtOnce }, () => ambient.random(blockBytes));
  const started = performance.now();
  for (let sealed = 0; sealed < totalBytes; sealed += blocksAtOnce * blockBytes) sealer(...blocks);
  return totalBytes / ((performance.now() - started) / 1000);
}
