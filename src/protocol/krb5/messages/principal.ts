import { KpropError } from '../../../errors/kprop-error.ts';
import { equalBytes, utf8 } from '../../bytes.ts';

/** Name types, RFC 4120 §6.2 and RFC 6111 §3. */
export const nameTypes = { principal: 1, srvInst: 2, srvHst: 3, wellKnown: 11 } as const;

/**
 * A Kerberos principal: its realm and its components, as the texts that `nameText` gives.
 * @see RFC 4120 §6; krb5_parse_name(3), krb5_unparse_name(3)
 */
export class Principal {
  readonly realm: string;
  readonly components: readonly string[];
  readonly nameType: number;

  private constructor(realm: string, components: readonly string[], nameType: number) {
    this.realm = realm;
    this.components = components;
    this.nameType = nameType;
  }

  /** The principal of these parts; the name type follows from them unless given. */
  static of(realm: string, components: readonly string[], nameType?: number): Principal {
    return new Principal(realm, [...components], nameType ?? typeOf(components));
  }

  /**
   * The principal that a text such as `host/a.example@REALM` names; `defaultRealm` is the realm of a
   * text without `@`. Empty components and an empty realm are legal. @throws principal.malformed
   */
  static parse(text: string, defaultRealm?: string): Principal {
    const parts = [''];
    let realmStarted = false;
    for (let at = 0; at < text.length; at++) {
      let char = text.charAt(at);
      if (char === '@') {
        if (realmStarted) throw malformed(text, 'it has a second unescaped @');
        realmStarted = true;
        parts.push('');
      } else if (char === '/') {
        if (realmStarted) throw malformed(text, 'its realm has an unescaped /');
        parts.push('');
      } else {
        if (char === '\\') {
          at++;
          if (at === text.length) throw malformed(text, 'it ends with a lone backslash');
          const letter = text.charAt(at);
          char = meaningOfEscape.get(letter) ?? letter;
        }
        parts[parts.length - 1] += char;
      }
    }
    const realm = realmStarted ? parts.pop() : defaultRealm;
    if (realm === undefined) throw malformed(text, 'it names no realm and there is no default one');
    return Principal.of(realm, parts);
  }

  /** The text that `parse` reads, always with the realm. Lines of kpropd.acl are compared with it. */
  toString(): string {
    return `${this.components.map(escaped).join('/')}@${escaped(this.realm)}`;
  }

  /** Whether realm and components are the same bytes. The name type is a hint, not identity (RFC 4120 §6.2). */
  equals(other: Principal): boolean {
    return (
      this.realm === other.realm &&
      this.components.length === other.components.length &&
      this.components.every((part, index) => part === other.components[index])
    );
  }

  /** The same name in another realm. */
  withRealm(realm: string): Principal {
    return new Principal(realm, this.components, this.nameType);
  }
}

/**
 * The text for the bytes of a name. Different bytes give different texts, so that names can be
 * compared as texts: well-formed UTF-8 is decoded; in other names each byte above 127 becomes the
 * lone surrogate U+DC00 + byte.
 */
export function nameText(bytes: Uint8Array): string {
  const text = looseUtf8.decode(bytes);
  // A decoder that throws would make a malformed name the most expensive part of a request.
  if (!text.includes('\ufffd') || equalBytes(utf8(text), bytes)) return text;
  let escapedText = '';
  for (const byte of bytes) {
    escapedText += String.fromCharCode(byte < 0x80 ? byte : escapedByteBase + byte);
  }
  return escapedText;
}

/** The bytes of a name; the reverse of `nameText`. */
export function nameBytes(text: string): Uint8Array {
  if (!loneSurrogate.test(text)) return utf8(text);
  return Uint8Array.from(
    Array.from(text).flatMap((char) =>
      loneSurrogate.test(char) ? [char.charCodeAt(0) - escapedByteBase] : [...utf8(char)],
    ),
  );
}

const escapedByteBase = 0xdc00;
const loneSurrogate = /[\udc80-\udcff]/u; // with the u flag, halves of a proper pair do not match
// Without ignoreBOM a leading U+FEFF would vanish, and two names would look the same.
const looseUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

const meaningOfEscape: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['b', '\b'],
  ['0', '\0'],
]);
const escapeOf: ReadonlyMap<string, string> = new Map([
  ...[...meaningOfEscape].map(([letter, char]) => [char, `\\${letter}`] as const),
  ...['/', '@', '\\'].map((char) => [char, `\\${char}`] as const),
]);
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped.
const toBeEscaped = /[\n\t\x08\0/@\\]/g;

function escaped(part: string): string {
  return part.replace(toBeEscaped, (char) => escapeOf.get(char) as string);
}

/** The name type as MIT's parser infers it (krb5_parse_name since 1.15). */
function typeOf(components: readonly string[]): number {
  const [first] = components;
  if (components.length === 2 && first === 'krbtgt') return nameTypes.srvInst;
  if (components.length >= 2 && first === 'WELLKNOWN') return nameTypes.wellKnown;
  return nameTypes.principal;
}

function malformed(text: string, reason: string): KpropError {
  return new KpropError('principal.malformed', { text, reason });
}
