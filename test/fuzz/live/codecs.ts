import { isKpropError } from '../../../src/errors/kprop-error.ts';
import { decode, encode } from '../../../src/protocol/der/schema.ts';
import { CipherChain } from '../../../src/protocol/krb5/crypto/cipher.ts';
import { decrypt, encrypt } from '../../../src/protocol/krb5/crypto/encrypt.ts';
import { survives } from '../../support/rig/survives.ts';
import { decoderTargets } from '../../support/wire/decoder-targets.ts';
import { enctypes } from '../../support/wire/enctypes.ts';
import { seededAmbient } from '../../support/wire/fixed-ambient.ts';
import { someKey } from '../../support/wire/forge.ts';
import { damaged, mutated, noise, type Random } from '../../support/wire/mutations.ts';
import { type Keep, type Part, someOf } from './part.ts';

/** Every codec and parser, in this process. */
export const codecs: Part = {
  name: 'codecs',
  about: 'malformed bytes into every codec and parser',
  open: async () => ({ lanes: 1, one, close: async () => undefined }),
};

function one(random: Random, keep: Keep): string {
  if (random(20) === 0) return sealed(random, keep);
  const { title, seeds, decode: run, codec } = someOf(decoderTargets, random);
  const bytes = random(10) === 0 ? noise(random) : mutated(someOf(seeds, random), random);
  keep(bytes);
  const accepted = survives(run, bytes);
  if (accepted && codec !== undefined) {
    const value = decode(codec, bytes);
    const again = encode(codec, value);
    if (!Buffer.from(encode(codec, decode(codec, again))).equals(again)) {
      throw new Error(`${title}: what is written is read as something else`);
    }
  }
  return title;
}

const sealedBytes = enctypes.map((enctype) => {
  const key = someKey(enctype);
  const plain = new Uint8Array(100).fill(7);
  return { key, cipher: encrypt(key, 13, plain, { ambient: seededAmbient(0, enctype) }) };
});

/** A message whose MAC cannot be right. */
function sealed(random: Random, keep: Keep): string {
  const { key, cipher } = someOf(sealedBytes, random);
  const bytes = damaged(cipher, random);
  keep(bytes);
  const chain = random(2) === 0 ? new CipherChain(key.profile) : undefined;
  try {
    decrypt(key, 13, bytes, chain === undefined ? {} : { chain });
  } catch (error) {
    if (isKpropError(error, 'crypto.integrity')) return 'a sealed message';
    throw error;
  }
  if (!Buffer.from(bytes).equals(cipher)) throw new Error('a forged message is opened');
  return 'a sealed message';
}
