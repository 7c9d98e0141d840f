import { KpropError } from '../../../errors/kprop-error.ts';
import type { HostAddress } from '../../channel/channel.ts';
import { int32, octetString, stringBytes, uint32 } from '../../der/primitives.ts';
import {
  type Codec,
  type Decoded,
  field,
  optional,
  sequence,
  sequenceOf,
} from '../../der/schema.ts';
import { nameBytes, nameText, Principal } from './principal.ts';

/** A host name has at most 253 bytes. Names of peers that have proved nothing are logged. */
const stringLimitBytes = 256;
const nameStringLimit = 16;

/**
 * KerberosString (RFC 4120 §5.2.1): a realm, or one component of a name. Old databases hold names
 * that are not UTF-8; their bytes are kept.
 */
export const kerberosString: Codec<string> = {
  label: 'KerberosString',
  toNode: (value) => stringBytes.toNode(nameBytes(value)),
  fromElement(element, path) {
    const bytes = stringBytes.fromElement(element, path);
    if (bytes.length > stringLimitBytes) {
      throw new KpropError('decode.bad-value', { what: path, reason: `has ${bytes.length} bytes` });
    }
    return nameText(bytes);
  },
};

/**
 * The version number in a message, a ticket or an authenticator: always 5.
 * @throws message.bad-version for another, as MIT's decoders do (krb5 asn1_k_encode.c, KVNO)
 */
export const versionNumber: Codec<number> = {
  ...int32,
  label: 'version number',
  fromElement(element, path) {
    const version = int32.fromElement(element, path);
    if (version !== 5) throw new KpropError('message.bad-version', { what: path, version });
    return version;
  },
};

/** PrincipalName, RFC 4120 §5.2.2. */
export const principalName = sequence('PrincipalName', {
  nameType: field(0, int32),
  nameString: field(1, sequenceOf('name-string', kerberosString, nameStringLimit)),
});
export type PrincipalName = Decoded<typeof principalName>;

/** The PrincipalName of a principal; its realm travels in another field. */
export function nameOf(principal: Principal): PrincipalName {
  return { nameType: principal.nameType, nameString: principal.components };
}

/** The principal of a name and its realm. */
export function principalOf(realm: string, name: PrincipalName): Principal {
  return Principal.of(realm, name.nameString, name.nameType);
}

/** EncryptedData, RFC 4120 §5.2.9. */
export const encryptedData = sequence('EncryptedData', {
  etype: field(0, int32),
  kvno: optional(1, uint32),
  cipher: field(2, octetString),
});
export type EncryptedData = Decoded<typeof encryptedData>;

/** EncryptionKey, RFC 4120 §5.2.9. */
export const encryptionKey = sequence('EncryptionKey', {
  keytype: field(0, int32),
  keyvalue: field(1, octetString),
});
export type EncryptionKey = Decoded<typeof encryptionKey>;

/** Checksum, RFC 4120 §5.2.9. */
export const checksum = sequence('Checksum', {
  cksumtype: field(0, int32),
  checksum: field(1, octetString),
});
export type Checksum = Decoded<typeof checksum>;

/** HostAddress, RFC 4120 §5.2.5: the ends of a channel are of this type. */
export type { HostAddress };
export const hostAddress: Codec<HostAddress> = sequence('HostAddress', {
  addrType: field(0, int32),
  address: field(1, octetString),
});
export const hostAddresses = sequenceOf('HostAddresses', hostAddress);

/** AuthorizationData, RFC 4120 §5.2.6: read and ignored. */
export const authorizationData = sequenceOf(
  'AuthorizationData',
  sequence('AuthorizationData element', { adType: field(0, int32), adData: field(1, octetString) }),
);

/** PA-DATA, RFC 4120 §5.2.7. */
export const paData = sequence('PA-DATA', {
  padataType: field(1, int32),
  padataValue: field(2, octetString),
});
export type PaData = Decoded<typeof paData>;

/** METHOD-DATA, RFC 4120 §5.9.1. */
export const methodData: Codec<readonly PaData[]> = sequenceOf('METHOD-DATA', paData);
