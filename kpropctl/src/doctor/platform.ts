import { readFileSync } from 'node:fs';

/** What a distribution calls the services of Kerberos, and where it keeps their files. */
export interface Platform {
  readonly kdcUnit: string;
  readonly kadmindUnit: string;
  /** MIT's kpropd of the distribution. */
  readonly kpropdUnit: string;
  /** Where kpropd looks for its ACL. */
  readonly kpropdAcl: string;
}

const debian: Platform = {
  kdcUnit: 'krb5-kdc',
  kadmindUnit: 'krb5-admin-server',
  kpropdUnit: 'krb5-kpropd',
  kpropdAcl: '/etc/krb5kdc/kpropd.acl',
};

const redHat: Platform = {
  kdcUnit: 'krb5kdc',
  kadmindUnit: 'kadmin',
  kpropdUnit: 'kprop',
  kpropdAcl: '/var/kerberos/krb5kdc/kpropd.acl',
};

/** That of this host. The replicas are taken to be alike. @see os-release(5) */
export function platformOf(osRelease = '/etc/os-release'): Platform {
  let text = '';
  try {
    text = readFileSync(osRelease, 'utf8');
  } catch {
    // Then it is Debian's, as all defaults are.
  }
  return /^ID(?:_LIKE)?=.*\b(?:rhel|fedora|centos)\b/m.test(text) ? redHat : debian;
}
