import { expect } from 'vitest';

import type { Make } from '../support/lab/make.ts';
import type { ContainerRealm, KpropOptions } from './realm.ts';

const etc = '/etc/krb5kdc';

/** Ways to break a replica on purpose, and back; what they make kprop say differs by the kpropd. */
const breakings = {
  'wrong ACL': {
    breaks: `mv ${etc}/kpropd.acl ${etc}/kept && echo host/somebody.else@NET.TEST >${etc}/kpropd.acl`,
    mends: `mv ${etc}/kept ${etc}/kpropd.acl`,
  },
  // Another key under the same name and number: what a restored backup or a typing error makes.
  'wrong key': {
    breaks: `mv ${etc}/krb5.keytab ${etc}/kept && {
      for type in aes256-cts-hmac-sha384-192 aes256-cts-hmac-sha1-96; do
        printf 'addent -key -p %s -k 2 -e %s\\n%064d\\n' "host/$1@NET.TEST" $type 0
      done; echo "wkt ${etc}/krb5.keytab"; } | ktutil && test -s ${etc}/krb5.keytab`,
    mends: `mv ${etc}/kept ${etc}/krb5.keytab`,
  },
} as const;

/**
 * Shows that what a test looks at would fail if propagation were broken: with the replica broken
 * in either way, the same propagation is refused and its check fails.
 */
export async function expectSeesBreaking(
  realm: ContainerRealm,
  make: Make,
  label: string,
  which: readonly (keyof typeof breakings)[] = ['wrong ACL', 'wrong key'],
  o: KpropOptions = {},
): Promise<void> {
  const host = realm.host(label);
  for (const name of which) {
    const before = await host.principals();
    try {
      await host.sh(breakings[name].breaks, host.name);
      await expect(realm.expectPropagates(make, label, o), name).rejects.toThrow(
        `kprop (${make}) to`,
      );
      expect(await host.principals(), name).toEqual(before);
    } finally {
      await host.sh(breakings[name].mends);
    }
  }
}
