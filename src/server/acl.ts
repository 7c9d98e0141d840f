import { readFileSync } from 'node:fs';

import { errnoOf, errnoText } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';
import { enctypeByName, enctypeName } from '../protocol/krb5/crypto/profiles.ts';
import { nameBytes, type Principal } from '../protocol/krb5/messages/principal.ts';

/**
 * kpropd.acl: who may replace this host's database. One principal a line, from the first column,
 * with realm, and behind it perhaps the one encryption type that its tickets must have.
 * @see kpropd(8); krb5 src/kprop/kpropd.c, authorized_principal
 */
export class Acl {
  readonly path: string;
  readonly #lines: readonly string[];
  readonly #missing: string | undefined;

  private constructor(path: string, lines: readonly string[], missing?: string) {
    this.path = path;
    this.#lines = lines;
    this.#missing = missing;
  }

  /** The file as it is now; one that cannot be read lets nobody in. */
  static read(path: string): Acl {
    try {
      return Acl.parse(readFileSync(path), path);
    } catch (error) {
      return new Acl(path, [], errnoText(errnoOf(error)));
    }
  }

  /** Never fails: a line that means nothing lets nobody in. */
  static parse(bytes: Uint8Array, path: string): Acl {
    const lines: string[] = [];
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(LF, start);
      const end = newline === -1 ? bytes.length : newline;
      // C reads a line as a string: a NUL ends it.
      const nul = bytes.subarray(start, end).indexOf(0);
      lines.push(latin1(bytes.subarray(start, nul === -1 ? end : start + nul)));
      start = end + 1;
    }
    return new Acl(path, lines);
  }

  /** Whether a client with a ticket of this enctype may propagate. */
  permits(client: Principal, ticketEnctype: number): boolean {
    return this.#linesOf(client).some(
      (rest) => rest === '' || enctypeByName(rest) === ticketEnctype,
    );
  }

  /** @throws auth.denied, with the reason in words */
  require(client: Principal, ticketEnctype: number): void {
    if (this.permits(client, ticketEnctype)) return;
    const only = this.#linesOf(client).map((rest) => JSON.stringify(rest).slice(1, -1));
    const enctype = enctypeName(ticketEnctype);
    const reason =
      this.#missing !== undefined
        ? `the ACL file cannot be read: ${this.#missing}`
        : only.length === 0
          ? 'it is not in the ACL'
          : `the ACL lets it in with ${only.join(' or ')} only, and its ticket is ${enctype}`;
    throw new KpropError('auth.denied', { client: `${client}`, enctype, acl: this.path, reason });
  }

  /**
   * The hosts that its principals are named for: NAME of host/NAME@REALM, and of another service
   * where it looks like the name of a host. Each stands once, in the order of the lines.
   */
  get hosts(): readonly string[] {
    const found = this.#lines.flatMap((line) => {
      const [, service, instance = ''] = /^([^\s/@#]+)\/([\w.:-]+)@\S/.exec(line) ?? [];
      return service === 'host' || /[.:]/.test(instance) ? [instance] : [];
    });
    return [...new Set(found)];
  }

  /** What stands behind the client's name on each of its lines. */
  #linesOf(client: Principal): readonly string[] {
    const name = latin1(nameBytes(client.toString()));
    return this.#lines
      .filter((line) => line.startsWith(name) && /^[ \t\v\f\r]|^$/.test(line.slice(name.length)))
      .map((line) => line.slice(name.length).replace(/^[ \t\v\f\r]+/, ''));
  }
}

/** A character for each byte: names of other encodings than UTF-8 compare by their bytes. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

const LF = 0x0a;
