import { type Advice, kadmin, keytabFile, ktadd } from '../errors/advice.ts';
import { type HostsLine, lineWithFirst } from '../host/hosts-file.ts';
import { nameOrigin } from '../host/name-origin.ts';
import { localHostName } from '../host/names.ts';
import { enctypeName } from '../protocol/krb5/crypto/profiles.ts';
import type { Keytab } from '../protocol/krb5/formats/keytab.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';

export interface OwnName {
  /** What this host takes for its own principal. */
  readonly principal: Principal;
  readonly keytab: Keytab;
  readonly config: Krb5Config;
  /** Whether the realm was given (-r); else it is the default realm. */
  readonly realmGiven: boolean;
  /** The name of this host; the kernel's unless given. */
  readonly host?: string | undefined;
  readonly lines?: readonly HostsLine[] | undefined;
}

/**
 * What to do about a keytab without a key of this host's own principal. If it has one of another name or
 * realm, that is usually the right one, and what made the wrong name has to be corrected.
 */
export function ownNameAdvice(o: OwnName): Advice {
  const { principal, keytab } = o;
  const file = keytabFile(keytab.name);
  const held = hostPrincipals(keytab, principal.components[0] ?? '');
  const [, name = ''] = principal.components;
  if (held.some((one) => one.equals(principal))) return unusableKeys(o, file);
  const elsewhere = held.find((one) => one.components[1] === name);
  if (elsewhere !== undefined) return otherRealm(o, elsewhere);
  const here = held.filter(({ realm }) => realm === principal.realm);
  const similar = here.find((one) => firstLabel(one) === firstLabel(principal));
  const other = similar ?? here[0];
  if (other === undefined) {
    const what = keytab.entries.length === 0 ? 'no key at all' : keysText(keytab);
    return {
      why: `${file} holds ${what}, and this host is ${principal}`,
      remedy: `run ${ktadd(file, `${principal}`)}`,
    };
  }
  return otherName(o, { other, isSimilar: similar !== undefined });
}

function unusableKeys({ principal, keytab }: OwnName, file: string): Advice {
  const types = keytab.enctypesOf(principal).map(enctypeName).join(', ');
  return {
    why: `${file} has ${principal} only with ${types}, which permitted_enctypes or the defaults exclude`,
    remedy: `run ${kadmin(`ktadd -k ${file} -e aes256-cts-hmac-sha1-96:normal ${principal}`)}`,
  };
}

function otherRealm(o: OwnName, held: Principal): Advice {
  const { principal, keytab, config, realmGiven } = o;
  return {
    why: `${keytabFile(keytab.name)} holds ${held}, but the realm is ${principal.realm} (${realmGiven ? '-r' : 'default_realm'})`,
    remedy: realmGiven
      ? `run it with \`-r ${held.realm}\``
      : `set \`default_realm = ${held.realm}\` in [libdefaults] of ${config.files.at(-1) ?? '/etc/krb5.conf'}`,
  };
}

function otherName(o: OwnName, found: { other: Principal; isSimilar: boolean }): Advice {
  const { principal, keytab, config, host = localHostName(), lines } = o;
  const [, name = ''] = principal.components;
  const [, right = ''] = found.other.components;
  const file = keytabFile(keytab.name);
  const { from, line } = nameOrigin(host, name, config, lines);
  const why = `${file} holds ${found.other}, but this host is ${name} (${host === name ? 'its hostname' : `made of its hostname ${host}`}, ${from})`;
  if (!found.isSimilar) {
    return {
      why,
      remedy: `if the old name is right, run \`hostnamectl set-hostname ${right}\`; if the new one is, ${ktadd(file, `${principal}`)}`,
    };
  }
  return {
    why,
    remedy:
      line === undefined
        ? `run \`hostnamectl set-hostname ${right}\``
        : `write \`${lineWithFirst(right, line)}\` as line ${line.line} of ${line.file}`,
  };
}

/** The principals of a service that a keytab has keys of, each once. */
function hostPrincipals({ entries }: Keytab, service: string): readonly Principal[] {
  const found = new Map<string, Principal>();
  for (const { principal } of entries) {
    const { components } = principal;
    if (components.length === 2 && components[0] === service) found.set(`${principal}`, principal);
  }
  return [...found.values()];
}

function keysText({ entries }: Keytab): string {
  const names = [...new Set(entries.map(({ principal }) => `${principal}`))];
  return `${names.slice(0, 2).join(', ')}${names.length > 2 ? ' and others' : ''}`;
}

function firstLabel({ components: [, name = ''] }: Principal): string {
  return name.split('.')[0] ?? '';
}
