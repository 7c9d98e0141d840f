import { framed } from '../../../src/protocol/channel/frame.ts';
import { nameTypes, Principal } from '../../../src/protocol/krb5/messages/principal.ts';
import { forgeApReq, forgeCredential, realm } from '../wire/forge.ts';

const frame = (bytes: Uint8Array) => Buffer.concat(framed(bytes));

/** What a client says before its AP-REQ. */
export const sendauthVersions = Buffer.concat([
  frame(Buffer.from('KRB5_SENDAUTH_V1.0\0')),
  frame(Buffer.from('kprop5_01\0')),
]);

/** A whole handshake whose AP-REQ costs much to read and proves nothing: a name of 3,900 parts. */
export function worstApReq(): Buffer {
  const service = Principal.of(realm, Array<string>(3900).fill(''), nameTypes.srvHst);
  return Buffer.concat([sendauthVersions, frame(forgeApReq(forgeCredential({ service })))]);
}
