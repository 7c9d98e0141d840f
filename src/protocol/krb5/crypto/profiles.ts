import { KpropError } from '../../../errors/kprop-error.ts';

/** How cipher and MAC are joined; `encrypt.ts` has one pair of functions for each word. */
export type Construction = 'mac-of-plaintext' | 'mac-of-ciphertext' | 'rc4';
/** How keys are derived from keys; `derive.ts` has one function for each word. */
export type Derivation = 'n-fold' | 'kdf-hmac-sha2' | 'kdf-feedback-cmac' | 'hmac-md5';
/** What enctype lists in krb5.conf call a group of types. */
export type EnctypeFamily = 'aes' | 'des3' | 'rc4' | 'camellia';

/** Everything that tells one encryption type from another: behaviour hangs on these words alone. */
export interface EnctypeProfile {
  readonly number: number;
  readonly name: string;
  readonly aliases: readonly string[];
  readonly family: EnctypeFamily;
  readonly keyBytes: number;
  /** Bytes that random-to-key takes: less than the key where that adds parity bits. */
  readonly seedBytes: number;
  /** Cipher block; 1 for a stream. */
  readonly blockBytes: number;
  readonly confounderBytes: number;
  readonly macBytes: number;
  readonly construction: Construction;
  readonly mode: 'cbc-cts' | 'cbc' | 'stream';
  /** node:crypto's names; empty for a cipher that is ours. */
  readonly cbcCipher: string;
  readonly ecbCipher: string;
  readonly mac: 'hmac' | 'cmac';
  /** Hash of the HMAC; empty for a CMAC. */
  readonly hash: 'sha1' | 'sha256' | 'sha384' | 'md5' | '';
  readonly derivation: Derivation;
  readonly checksum: 'mac' | 'md5-then-hmac';
  readonly checksumType: number;
}

/** The row of an enctype number. @throws crypto.unsupported-enctype */
export function profileOf(enctype: number): EnctypeProfile {
  const profile = rowsByNumber.get(enctype);
  if (profile === undefined) throw new KpropError('crypto.unsupported-enctype', { enctype });
  return profile;
}

/** The number behind a name or alias in any case, or undefined if it is none of these eight. */
export function enctypeByName(name: string): number | undefined {
  return numbersByName.get(name.toLowerCase());
}

/** The name of an enctype; one that is not known here is named by its number. */
export function enctypeName(enctype: number): string {
  return rowsByNumber.get(enctype)?.name ?? `etype ${enctype}`;
}

// RFC 3962
const rfc3962 = {
  family: 'aes',
  blockBytes: 16,
  confounderBytes: 16,
  macBytes: 12,
  construction: 'mac-of-plaintext',
  mode: 'cbc-cts',
  mac: 'hmac',
  hash: 'sha1',
  derivation: 'n-fold',
  checksum: 'mac',
} as const;

// RFC 8009
const rfc8009 = {
  family: 'aes',
  blockBytes: 16,
  confounderBytes: 16,
  construction: 'mac-of-ciphertext',
  mode: 'cbc-cts',
  mac: 'hmac',
  derivation: 'kdf-hmac-sha2',
  checksum: 'mac',
} as const;

// RFC 6803
const rfc6803 = {
  family: 'camellia',
  blockBytes: 16,
  confounderBytes: 16,
  macBytes: 16,
  construction: 'mac-of-plaintext',
  mode: 'cbc-cts',
  mac: 'cmac',
  hash: '',
  derivation: 'kdf-feedback-cmac',
  checksum: 'mac',
} as const;

const aes128 = {
  keyBytes: 16,
  seedBytes: 16,
  cbcCipher: 'aes-128-cbc',
  ecbCipher: 'aes-128-ecb',
} as const;

const aes256 = {
  keyBytes: 32,
  seedBytes: 32,
  cbcCipher: 'aes-256-cbc',
  ecbCipher: 'aes-256-ecb',
} as const;

/** One row for each encryption type that is spoken here; numbers as in the IANA registry. */
export const enctypeProfiles: readonly EnctypeProfile[] = [
  {
    // RFC 3961 §6.3
    number: 16,
    name: 'des3-cbc-sha1',
    aliases: ['des3-hmac-sha1', 'des3-cbc-sha1-kd'],
    family: 'des3',
    keyBytes: 24,
    seedBytes: 21,
    blockBytes: 8,
    confounderBytes: 8,
    macBytes: 20,
    construction: 'mac-of-plaintext',
    mode: 'cbc',
    cbcCipher: 'des-ede3-cbc',
    ecbCipher: 'des-ede3-ecb',
    mac: 'hmac',
    hash: 'sha1',
    derivation: 'n-fold',
    checksum: 'mac',
    checksumType: 12,
  },
  {
    ...rfc3962,
    ...aes128,
    number: 17,
    name: 'aes128-cts-hmac-sha1-96',
    aliases: ['aes128-cts', 'aes128-sha1'],
    checksumType: 15,
  },
  {
    ...rfc3962,
    ...aes256,
    number: 18,
    name: 'aes256-cts-hmac-sha1-96',
    aliases: ['aes256-cts', 'aes256-sha1'],
    checksumType: 16,
  },
  {
    ...rfc8009,
    ...aes128,
    number: 19,
    name: 'aes128-cts-hmac-sha256-128',
    aliases: ['aes128-sha2'],
    macBytes: 16,
    hash: 'sha256',
    checksumType: 19,
  },
  {
    ...rfc8009,
    ...aes256,
    number: 20,
    name: 'aes256-cts-hmac-sha384-192',
    aliases: ['aes256-sha2'],
    macBytes: 24,
    hash: 'sha384',
    checksumType: 20,
  },
  {
    // RFC 4757
    number: 23,
    name: 'arcfour-hmac',
    aliases: ['rc4-hmac', 'arcfour-hmac-md5'],
    family: 'rc4',
    keyBytes: 16,
    seedBytes: 16,
    blockBytes: 1,
    confounderBytes: 8,
    macBytes: 16,
    construction: 'rc4',
    mode: 'stream',
    cbcCipher: '',
    ecbCipher: '',
    mac: 'hmac',
    hash: 'md5',
    derivation: 'hmac-md5',
    checksum: 'md5-then-hmac',
    checksumType: -138,
  },
  {
    ...rfc6803,
    number: 25,
    name: 'camellia128-cts-cmac',
    aliases: ['camellia128-cts'],
    keyBytes: 16,
    seedBytes: 16,
    cbcCipher: 'camellia-128-cbc',
    ecbCipher: 'camellia-128-ecb',
    checksumType: 17,
  },
  {
    ...rfc6803,
    number: 26,
    name: 'camellia256-cts-cmac',
    aliases: ['camellia256-cts'],
    keyBytes: 32,
    seedBytes: 32,
    cbcCipher: 'camellia-256-cbc',
    ecbCipher: 'camellia-256-ecb',
    checksumType: 18,
  },
];

const rowsByNumber: ReadonlyMap<number, EnctypeProfile> = new Map(
  enctypeProfiles.map((profile) => [profile.number, profile]),
);

const numbersByName: ReadonlyMap<string, number> = new Map(
  enctypeProfiles.flatMap((profile) =>
    [profile.name, ...profile.aliases].map((name) => [name, profile.number] as const),
  ),
);
