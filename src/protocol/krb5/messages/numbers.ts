/** Application tags and msg-type values (RFC 4120 §5.10). */
export const tags = {
  ticket: 1,
  authenticator: 2,
  encTicketPart: 3,
  asReq: 10,
  asRep: 11,
  apReq: 14,
  apRep: 15,
  safe: 20,
  priv: 21,
  encAsRepPart: 25,
  encTgsRepPart: 26,
  encApRepPart: 27,
  encKrbPrivPart: 28,
  error: 30,
} as const;

/** Key usage numbers (RFC 4120 §7.5.1; 22 to 25: RFC 4121 §2; 56: RFC 6806 §11). */
export const usages = {
  asReqTimestamp: 1,
  ticket: 2,
  asRepEncPart: 3,
  authenticator: 11,
  apRepEncPart: 12,
  privEncPart: 13,
  safeChecksum: 15,
  acceptorSeal: 22,
  acceptorSign: 23,
  initiatorSeal: 24,
  initiatorSign: 25,
  asReqChecksum: 56,
} as const;

/** Preauthentication types (RFC 4120 §7.5.2, RFC 6113 §5, RFC 6806 §11, RFC 8070 §4). */
export const padataTypes = {
  encTimestamp: 2,
  etypeInfo: 11,
  etypeInfo2: 19,
  fxCookie: 133,
  reqEncPaRep: 149,
  asFreshness: 150,
} as const;

/** error-code values that the AS exchange acts on (RFC 4120 §7.5.9). */
export const krbErrors = {
  preauthFailed: 24,
  preauthRequired: 25,
  serviceUnavailable: 29,
  responseTooBig: 52,
} as const;

/** ap-options of an AP-REQ (RFC 4120 §5.5.1). */
export const apOptions = { mutualRequired: 0x20000000 } as const;

/** KDCOptions (RFC 4120 §5.4.1) and TicketFlags (§5.3; enc-pa-rep: RFC 6806 §11). */
export const kdcOptions = {
  forwardable: 0x40000000,
  proxiable: 0x10000000,
  renewable: 0x00800000,
  renewableOk: 0x00000010,
} as const;
export const ticketFlags = {
  invalid: 0x01000000,
  renewable: 0x00800000,
  transitPolicyChecked: 0x00080000,
  encPaRep: 0x00010000,
} as const;

/** Address types (RFC 4120 §7.5.3; directional: krb5 lib/krb5/os/full_ipadr.c and mk_safe.c). */
export const addressTypes = { ipv4: 2, directional: 3, ipv6: 24 } as const;
