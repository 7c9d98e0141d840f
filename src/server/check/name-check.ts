import type { CheckedSite } from './checked-site.ts';
import { type CheckFinding, failure, ok } from './finding.ts';
import { type OwnKeys, readOwnKeys } from './own-keys.ts';
import { type OwnName, ownName } from './own-name.ts';
import { kpropdUnits } from './unit-file.ts';

/** The name of this host in Kerberos, and where it came from. */
export async function nameChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const own = ownName(site);
  const wanted = wantedName(site);
  if (wanted !== undefined) {
    const what = `this host calls itself ${own.name} (${own.from}), and its keys are for ${wanted}`;
    return [failure('name', what, own.fixFor(wanted, restartCommand()))];
  }
  const any = site.config.ignoreAcceptorHostname
    ? '; with ignore_acceptor_hostname any other name goes, too'
    : '';
  return [ok('name', `this host is ${own.name} (${own.from})${any}`)];
}

/** kpropd keeps the name that this host had when it started. */
function restartCommand(): string {
  const services = kpropdUnits().filter(({ name }) => /^[^@]+\.service$/.test(name));
  const { name = 'krb5-kpropd' } = services.find(({ enabled }) => enabled) ?? services[0] ?? {};
  return `systemctl restart ${name.replace(/\.service$/, '')}`;
}

/**
 * The name that this host should have: if the keytab lacks the one that it has, but has its long form, or
 * the only real one where the resolver gives localhost. Undefined if the name is not at fault.
 */
export function wantedName(site: CheckedSite): string | undefined {
  let keys: OwnKeys;
  try {
    keys = readOwnKeys(site);
  } catch {
    return undefined; // the check of the keytab says why
  }
  if (keys.usable.length > 0) return undefined;
  const { name }: OwnName = ownName(site);
  const hosts = keys.hosts.filter((host) => !isLocalhost(host));
  if (isLocalhost(name) && hosts.length === 1) return hosts[0];
  const [short] = name.split('.');
  const alike = hosts.filter((host) => host !== name && host.split('.')[0] === short);
  return alike.length === 1 ? alike[0] : undefined;
}

function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.startsWith('localhost.');
}
