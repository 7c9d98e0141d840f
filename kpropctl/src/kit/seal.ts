import { closeSync, openSync, readSync } from 'node:fs';

import { Decrypter, Encrypter } from 'age-encryption';

import { badKit, refused } from './refused.ts';

/** Rounds of scrypt as a power of two: a second and 64 MiB. Its own passphrases need none at all. */
const workFactor = 16;
/** The default of age, 256 MiB: a kit may have been encrypted anew by hand. */
const mostWorkFactor = 18;
/** Far above what a kit can hold. */
const mostBytes = 4 * 1024 * 1024;

/** The bytes encrypted to a passphrase, as `age --decrypt` reads them. @see age-encryption.org/v1 */
export async function seal(
  bytes: Uint8Array,
  passphrase: string,
  factor = workFactor,
): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.setScryptWorkFactor(factor);
  encrypter.setPassphrase(passphrase);
  return encrypter.encrypt(bytes);
}

/** What was sealed. @throws Refused */
export async function unseal(sealed: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  try {
    return await decrypter.decrypt(sealed);
  } catch (error) {
    if (/^no identity matched/.test((error as Error).message)) {
      throw badKit(
        'the passphrase does not open this kit',
        'type the one that kpropctl kit showed when it made this kit; if it is lost, make another kit',
      );
    }
    throw badKit('the kit is cut off, or was changed on the way');
  }
}

/**
 * Whether this looks like a kit, before anybody is asked for a passphrase, and before memory is given
 * to scrypt. @throws Refused
 */
export function requireSealed(sealed: Uint8Array, path: string): void {
  const head = Buffer.from(sealed.subarray(0, 256)).toString('latin1');
  if (!head.startsWith('age-encryption.org/v1\n')) {
    throw badKit(
      sealed.length === 0 ? `${path} is empty: the kit was not made` : `${path} is no kit`,
      'name the file that kpropctl kit wrote on the primary',
    );
  }
  const factor = /^[^\n]+\n-> scrypt [A-Za-z0-9+/]{22} ([1-9]\d{0,2})\n/.exec(head)?.[1];
  if (factor === undefined) throw badKit(`${path} is cut off, or not encrypted to a passphrase`);
  if (Number(factor) > mostWorkFactor) {
    throw badKit(
      `${path} wants 2^${factor} rounds of scrypt, and at most 2^${mostWorkFactor} are made here`,
    );
  }
}

/** A kit as it lies on the disk or comes through a pipe. @throws Refused */
export function readSealed(path: string): Uint8Array {
  const buffer = Buffer.alloc(mostBytes + 1);
  let bytes = 0;
  try {
    const fd = openSync(path, 'r');
    try {
      for (;;) {
        const count = readSync(fd, buffer, bytes, buffer.length - bytes, null);
        bytes += count;
        if (count === 0 || bytes > mostBytes) break;
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw refused(`${path} cannot be read (${code})`, 'name the kit, and run join as root', error);
  }
  if (bytes > mostBytes) throw badKit(`${path} is no kit: it has more than ${mostBytes} bytes`);
  const sealed = new Uint8Array(buffer.subarray(0, bytes));
  requireSealed(sealed, path);
  return sealed;
}
