/** Where MIT's programs look unless told otherwise: Debian's paths (krb5 is built with them there). */
export const defaultPaths = {
  dump: '/var/lib/krb5kdc/replica_datatrans',
  received: '/var/lib/krb5kdc/from_master',
  acl: '/etc/krb5kdc/kpropd.acl',
  kdb5Util: '/usr/sbin/kdb5_util',
  kdcConf: '/etc/krb5kdc/kdc.conf',
  krb5Conf: '/etc/krb5.conf',
} as const;
