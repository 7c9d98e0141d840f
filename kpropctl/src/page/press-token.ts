import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Shows that the button was pressed on a page of ours: the form carries a token that belongs to the
 * cookie, and no other site can read either. This is the second check: what the browser says about
 * the origin of the request is looked at first.
 */
export class PressToken {
  readonly #key: Uint8Array;

  private constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** The key is kept, so that a page that was open before a restart still has a good token. */
  static open(folder: string, onTrouble: (text: string) => void): PressToken {
    const path = join(folder, 'page.key');
    try {
      const known = readFileSync(path);
      if (known.length === keyBytes) return new PressToken(known);
    } catch {
      // The first time.
    }
    const key = randomBytes(keyBytes);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(path, key, { mode: 0o600 });
    } catch (error) {
      onTrouble(`${path} cannot be written (${(error as NodeJS.ErrnoException).code})`);
    }
    return new PressToken(key);
  }

  /** The cookie of a browser that has a good one; else a new one. */
  cookie(known: string | undefined): string {
    return known !== undefined && isCookie(known) ? known : randomBytes(24).toString('base64url');
  }

  tokenFor(cookie: string): string {
    return createHmac('sha256', this.#key).update(cookie).digest('base64url');
  }

  isGood(cookie: string | undefined, token: string | undefined): boolean {
    if (cookie === undefined || !isCookie(cookie)) return false;
    const expected = Buffer.from(this.tokenFor(cookie));
    const given = Buffer.from(token ?? '');
    return given.length === expected.length && timingSafeEqual(given, expected);
  }
}

const isCookie = (text: string) => /^[\w-]{32}$/.test(text);
const keyBytes = 32;

/**
 * Whether a browser says that a request comes from a page of this very address. What says nothing (curl) is
 * no browser that somebody could have misled.
 */
export function isFromOwnPage(headers: {
  readonly origin: string | undefined;
  readonly site: string | undefined;
  readonly host: string | undefined;
}): boolean {
  const { origin, site, host } = headers;
  if (site !== undefined && site !== 'same-origin') return false;
  return origin === undefined || /^https?:\/\/(.+)$/.exec(origin)?.[1] === host;
}
