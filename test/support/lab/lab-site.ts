import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Role = 'primary' | 'replica';

export interface SiteSettings {
  readonly role: Role;
  readonly folder: string;
  readonly realm: string;
  readonly enctype: string;
  readonly kdcPort: number;
  readonly clockskewSeconds: number | undefined;
  readonly krb5ConfExtra: string;
}

/** One Kerberos server of the lab: a folder with its configuration, keys and database. */
export class Site {
  readonly role: Role;
  readonly folder: string;
  readonly kdcPort: number;
  readonly krb5Conf: string;
  readonly kdcConf: string;
  readonly keytab: string;
  readonly database: string;
  readonly stash: string;
  readonly acl: string;
  readonly kdcLog: string;
  /** Where kpropd of this site puts what it receives. */
  readonly fromMaster: string;

  constructor(o: SiteSettings) {
    this.role = o.role;
    this.folder = o.folder;
    this.kdcPort = o.kdcPort;
    this.krb5Conf = join(o.folder, 'krb5.conf');
    this.kdcConf = join(o.folder, 'kdc.conf');
    this.keytab = join(o.folder, 'krb5.keytab');
    this.database = join(o.folder, 'principal');
    this.stash = join(o.folder, 'stash');
    this.acl = join(o.folder, 'kpropd.acl');
    this.kdcLog = join(o.folder, 'krb5kdc.log');
    this.fromMaster = join(o.folder, 'from_master');
    mkdirSync(join(o.folder, 'tmp'), { recursive: true });
    writeFileSync(this.krb5Conf, krb5Conf(o));
    writeFileSync(this.kdcConf, this.#kdcConf(o));
  }

  /** The environment of a program that works for this site: nothing of the host's own Kerberos. */
  env(): NodeJS.ProcessEnv {
    const temporary = join(this.folder, 'tmp');
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('KRB5'));
    return {
      ...Object.fromEntries(inherited),
      LC_ALL: 'C',
      TMPDIR: temporary,
      KRB5_CONFIG: this.krb5Conf,
      KRB5_KDC_PROFILE: this.kdcConf,
      KRB5_KTNAME: `FILE:${this.keytab}`,
      KRB5CCNAME: `FILE:${join(temporary, 'ccache')}`,
      KRB5RCACHEDIR: temporary,
      // Where our programs note which of their lines were run (scripts/coverage.mjs).
      ...(process.env.PROGRAM_COVERAGE && { NODE_V8_COVERAGE: process.env.PROGRAM_COVERAGE }),
    };
  }

  #kdcConf(o: SiteSettings): string {
    return `[kdcdefaults]
  kdc_listen = 127.0.0.1:${o.kdcPort}
  kdc_tcp_listen = 127.0.0.1:${o.kdcPort}
[realms]
  ${o.realm} = {
    database_name = ${this.database}
    key_stash_file = ${this.stash}
    acl_file = ${join(o.folder, 'kadm5.acl')}
    supported_enctypes = ${o.enctype}:normal
    max_life = 1d
    max_renewable_life = 7d
  }
[logging]
  kdc = FILE:${this.kdcLog}
  default = FILE:${join(o.folder, 'krb5.log')}
`;
  }
}

// The extra text comes first: the first of two values is the one that libkrb5 uses.
function krb5Conf(o: SiteSettings): string {
  const { clockskewSeconds: skew } = o;
  return `${o.krb5ConfExtra}
[libdefaults]
  default_realm = ${o.realm}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  qualify_shortname = ""
  permitted_enctypes = ${o.enctype}
  allow_weak_crypto = true
  allow_rc4 = true
  allow_des3 = true
${o.role === 'replica' ? '  ignore_acceptor_hostname = true\n' : ''}${skew === undefined ? '' : `  clockskew = ${skew}\n`}[realms]
  ${o.realm} = {
    kdc = 127.0.0.1:${o.kdcPort}
  }
`;
}
