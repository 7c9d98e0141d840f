import type { Codec } from '../../../../src/protocol/der/schema.ts';
import * as ap from '../../../../src/protocol/krb5/messages/ap.ts';
import * as as from '../../../../src/protocol/krb5/messages/as.ts';
import { krbError } from '../../../../src/protocol/krb5/messages/error.ts';
import * as parts from '../../../../src/protocol/krb5/messages/parts.ts';
import { encKrbPrivPart, krbPriv } from '../../../../src/protocol/krb5/messages/priv.ts';
import { krbSafe, safeBody } from '../../../../src/protocol/krb5/messages/safe.ts';
import { encTicketPart, ticket } from '../../../../src/protocol/krb5/messages/ticket.ts';

/** Every codec of a message or of a part that is decoded by itself. */
export const codecs = {
  asReq: as.asReq,
  asRep: as.asRep,
  encAsRepPart: as.encAsRepPart,
  paEncTsEnc: as.paEncTsEnc,
  etypeInfo: as.etypeInfo,
  etypeInfo2: as.etypeInfo2,
  apReq: ap.apReq,
  authenticator: ap.authenticator,
  apRep: ap.apRep,
  encApRepPart: ap.encApRepPart,
  ticket,
  encTicketPart,
  krbSafe,
  safeBody,
  krbPriv,
  encKrbPrivPart,
  krbError,
  methodData: parts.methodData,
  encryptedData: parts.encryptedData,
  checksum: parts.checksum,
} as unknown as Readonly<Record<string, Codec<unknown>>>;
