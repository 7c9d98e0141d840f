import { isKpropError, KpropError } from '../../../errors/kprop-error.ts';
import { ByteReader } from '../../bytes.ts';
import { nameText, Principal } from '../messages/principal.ts';

/** A session key from a cache. Its bytes do not appear when it is printed. */
export class CachedKey {
  readonly enctype: number;
  readonly #bytes: Uint8Array;

  constructor(enctype: number, bytes: Uint8Array) {
    this.enctype = enctype;
    this.#bytes = bytes;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }
}

/** A ticket and what belongs to it. Times are seconds since 1970 UTC, unsigned 32 bits. */
export interface CachedCredential {
  readonly client: Principal;
  readonly server: Principal;
  readonly key: CachedKey;
  readonly authTime: number;
  readonly startTime: number;
  readonly endTime: number;
  readonly renewTill: number;
  /** TicketFlags (RFC 4120 §5.3) as the flag word. */
  readonly flags: number;
  /** The Ticket in DER. */
  readonly ticket: Uint8Array;
}

export interface Ccache {
  /** The client that the tickets belong to. */
  readonly principal: Principal;
  readonly credentials: readonly CachedCredential[];
}

/**
 * The tickets of a credential cache file of version 3 or 4; configuration entries and removed
 * credentials are left out, and one that is cut off ends the list, as in MIT's reader. Bytes are
 * copies. @throws ccache.format @see MIT credential cache file format
 */
export function parseCcache(bytes: Uint8Array, path: string): Ccache {
  const reader = new ByteReader(bytes, path);
  const [version, principal] = readHead(reader, path);
  const credentials: CachedCredential[] = [];
  try {
    while (reader.remaining > 0) {
      const credential = readCredential(reader, version);
      const isRemoved = credential.endTime === 0 && credential.authTime !== 0;
      if (!isRemoved && credential.server.realm !== configRealm) credentials.push(credential);
    }
  } catch (error) {
    if (!isKpropError(error, 'decode.truncated')) throw error;
  }
  return { principal, credentials };
}

const configRealm = 'X-CACHECONF:';

function readHead(reader: ByteReader, path: string): [version: number, principal: Principal] {
  try {
    const magic = reader.uint8();
    const version = reader.uint8();
    if (magic !== 5 || (version !== 3 && version !== 4)) {
      const known = magic === 5 && (version === 1 || version === 2);
      const reason = known ? `version ${version} is too old` : 'unknown format version';
      throw new KpropError('ccache.format', { path, reason });
    }
    // The header holds the offset of the KDC's clock, which a ticket in hand does not need.
    if (version === 4) reader.bytes(reader.uint16());
    return [version, readPrincipal(reader)];
  } catch (cause) {
    if (!isKpropError(cause, 'decode.truncated')) throw cause;
    throw new KpropError('ccache.format', { path, reason: 'its head is cut off' }, { cause });
  }
}

function readCredential(reader: ByteReader, version: number): CachedCredential {
  const client = readPrincipal(reader);
  const server = readPrincipal(reader);
  const enctype = reader.int16();
  if (version === 3) reader.uint16(); // the enctype once more
  const key = new CachedKey(enctype, readData(reader).slice());
  const authTime = reader.uint32();
  const startTime = reader.uint32();
  const endTime = reader.uint32();
  const renewTill = reader.uint32();
  reader.uint8(); // is_skey: the ticket is for user-to-user
  const flags = reader.uint32();
  skipTypedData(reader); // addresses
  skipTypedData(reader); // authorization data
  const ticket = readData(reader).slice();
  readData(reader); // the second ticket, of user-to-user
  return { client, server, key, authTime, startTime, endTime, renewTill, flags, ticket };
}

function readPrincipal(reader: ByteReader): Principal {
  const nameType = reader.int32();
  const componentCount = reader.uint32();
  const realm = nameText(readData(reader));
  const components: string[] = [];
  // A false count allocates nothing: each component has to be there to be read.
  for (let index = 0; index < componentCount; index++) {
    components.push(nameText(readData(reader)));
  }
  return Principal.of(realm, components, nameType);
}

function skipTypedData(reader: ByteReader): void {
  for (let left = reader.uint32(); left > 0; left--) {
    reader.uint16();
    readData(reader);
  }
}

function readData(reader: ByteReader): Uint8Array {
  return reader.bytes(reader.uint32());
}

/** What a cache name such as `FILE:/path` stands for. @throws ccache.unknown-type */
export function parseCcacheName(text: string): { type: 'FILE' | 'MEMORY'; path: string } {
  const colon = text.indexOf(':');
  // A single letter before the colon is a Windows drive, as in MIT's resolver.
  if (colon === -1 || /^[A-Za-z]:/.test(text)) return { type: 'FILE', path: text };
  const type = text.slice(0, colon);
  if (type !== 'FILE' && type !== 'MEMORY') {
    throw new KpropError('ccache.unknown-type', { name: text });
  }
  return { type, path: text.slice(colon + 1) };
}
