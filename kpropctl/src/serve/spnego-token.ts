/**
 * A token of the Authorization header that is worth showing to libkrb5, or why it is not.
 * @see RFC 4559 section 4.2
 */
export function tokenIn(header: string): { readonly token: string } | { readonly fault: string } {
  const [, encoded = ''] = /^negotiate +(\S+) *$/i.exec(header) ?? [];
  if (encoded === '') return { fault: 'the header Authorization has no Negotiate token' };
  if (encoded.length > longestToken) return { fault: `a token of ${encoded.length} characters` };
  const bytes = Buffer.from(encoded, 'base64');
  // The decoder in the package kerberos reads past the end of a text that is not whole.
  if (bytes.toString('base64') !== encoded) return { fault: 'a token that is not base64' };
  if (bytes.toString('latin1', 0, 8) === 'NTLMSSP\0') return { fault: 'a token of NTLM' };
  if (!isSpnego(bytes)) return { fault: 'a token that is not of SPNEGO' };
  return { token: encoded };
}

/** Tickets have 1 kB; with the groups of a large Windows domain in them, up to 48 kB. */
const longestToken = 65_536;

/** The object identifier 1.3.6.1.5.5.2 in DER, which names SPNEGO. */
const spnegoName = Buffer.from('06062b0601050502', 'hex');

/** Whether it is an initial token of SPNEGO: a tag, a length, the name (RFC 2743 section 3.1). */
function isSpnego(bytes: Buffer): boolean {
  if (bytes[0] !== 0x60) return false;
  const [, first = 0] = bytes;
  const lengthBytes = first < 0x80 ? 1 : 1 + (first & 0x7f);
  return bytes.subarray(1 + lengthBytes).indexOf(spnegoName) === 0;
}
