import type { Codec } from '../../../src/protocol/asn1/schema.ts';
import * as ap from '../../../src/protocol/messages/ap.ts';
import * as as from '../../../src/protocol/messages/as.ts';
import { krbError } from '../../../src/protocol/messages/error.ts';
import * as parts from '../../../src/protocol/messages/parts.ts';
import { encKrbPrivPart, krbPriv } from '../../../src/protocol/messages/priv.ts';
import { krbSafe, safeBody } from '../../../src/protocol/messages/safe.ts';
import { encTicketPart, ticket } from '../../../src/protocol/messages/ticket.ts';

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
