/**
 * Whether kadmind's ACL lets a principal ask for updates: the first line that names it and has no target
 * decides. p, x and * give that right, and P takes it away; * stands for a whole part of a name.
 * @see MIT krb5 src/kadmin/server/auth_acl.c
 */
export function mayAskForUpdates(
  acl: string,
  { principal, realm }: { readonly principal: string; readonly realm: string },
): boolean {
  for (const line of acl.replaceAll('\\\n', ' ').split('\n')) {
    const [name = '', privileges = '', target = '*'] = line.trim().split(/[\s,]+/);
    if (name === '' || line.startsWith('#') || target !== '*') continue;
    if (name !== '*' && !isMatch(name.includes('@') ? name : `${name}@${realm}`, principal))
      continue;
    return /[px*]/.test(privileges) && !privileges.includes('P');
  }
  return false;
}

function isMatch(pattern: string, principal: string): boolean {
  const [wanted, found] = [pattern, principal].map((name) => {
    const at = name.lastIndexOf('@');
    return [...name.slice(0, at).split('/'), name.slice(at + 1)];
  }) as [string[], string[]];
  if (wanted.length !== found.length) return false;
  return wanted.every((part, at) => part === '*' || part === found[at]);
}
