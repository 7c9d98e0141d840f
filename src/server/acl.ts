import { readFileSync } from 'node:fs';

import { errnoOf, errnoText } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';
import { enctypeByName, enctypeName } from '../protocol/krb5/crypto/profiles.ts';
import { nameBytes, type Principal } from '../protocol/krb5/messages/principal.ts';
import { nearMiss } from './near-miss.ts';

/**
 * kpropd.acl: the principals that may replace this host's database. Each line has one principal,
 * with its realm, from the first column on, and optionally the encryption type that its tickets must have.
 * @see kpropd(8); krb5 src/kprop/kpropd.c, authorized_principal
 */
export class Acl {
  readonly path: string;
  /** As MIT's kpropd reads them, in latin1. */
  readonly lines: readonly string[];
  /** The errno of a file that cannot be read. */
  readonly missing: string | undefined;

  private constructor(path: string, lines: readonly string[], missing?: string) {
    this.path = path;
    this.lines = lines;
    this.missing = missing;
  }

  /** The file as it is now. A file that cannot be read permits nobody. */
  static read(path: string): Acl {
    try {
      return Acl.parse(readFileSync(path), path);
    } catch (error) {
      return new Acl(path, [], errnoOf(error));
    }
  }

  /** Never fails: a line that cannot be parsed permits nobody. */
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

  /** @throws auth.denied, with the reason */
  require(client: Principal, ticketEnctype: number): void {
    if (this.permits(client, ticketEnctype)) return;
    const only = this.#linesOf(client).map((rest) => JSON.stringify(rest).slice(1, -1));
    const enctype = enctypeName(ticketEnctype);
    const reason =
      this.missing !== undefined
        ? `the ACL file cannot be read: ${errnoText(this.missing)}`
        : only.length === 0
          ? 'it is not in the ACL'
          : `the ACL lets it in with ${only.join(' or ')} only, and its ticket is ${enctype}`;
    const near = nearMiss(this.lines, { name: latin1(nameBytes(client.toString())), enctype });
    throw new KpropError('auth.denied', {
      client: `${client}`,
      enctype,
      acl: this.path,
      reason,
      near,
    });
  }

  /**
   * The hosts of its principals: NAME of host/NAME@REALM, and of other services if NAME looks like a
   * host name. No duplicates, in the order of the lines.
   */
  get hosts(): readonly string[] {
    const found = this.lines.flatMap((line) => {
      const [, service, instance = ''] = /^([^\s/@#]+)\/([\w.:-]+)@\S/.exec(line) ?? [];
      return service === 'host' || /[.:]/.test(instance) ? [instance] : [];
    });
    return [...new Set(found)];
  }

  /** The rest of each line that names this client. */
  #linesOf(client: Principal): readonly string[] {
    const name = latin1(nameBytes(client.toString()));
    return this.lines
      .filter((line) => line.startsWith(name) && /^[ \t\v\f\r]|^$/.test(line.slice(name.length)))
      .map((line) => line.slice(name.length).replace(/^[ \t\v\f\r]+/, ''));
  }
}

/** latin1, one character for each byte, so that names in any encoding compare by their bytes. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

const LF = 0x0a;
