/**
 * Settings by which one KDC is asked, and no other. It is called the primary as well, so that no other
 * is asked if it refuses.
 */
export function oneKdc(realm: string, kdc: string, timeoutSeconds: number): string {
  return `[realms]
  ${realm} = {
    kdc* = ${kdc}
    primary_kdc* = ${kdc}
  }
[libdefaults]
  request_timeout* = ${timeoutSeconds}
`;
}
