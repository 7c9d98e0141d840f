import { type Option, ownOptions } from '../option.ts';

/** The options of kprop: MIT's, then ours. */
export const kpropOptions: readonly Option[] = [
  {
    name: 'r',
    value: 'realm',
    byDefault: 'default_realm of krb5.conf',
    about: 'The realm of both principals, this host and the replica.',
  },
  {
    name: 'f',
    value: 'file',
    complete: 'file',
    byDefault: '/var/lib/krb5kdc/replica_datatrans',
    about: 'The dump to send. file.dump_ok must exist and must not be older.',
  },
  { name: 'd', about: 'Print a line on standard output after each block that was sent.' },
  {
    name: 'P',
    value: 'port',
    byDefault: 'the service krb5_prop of /etc/services, else 754',
    about: 'The port of kpropd on the replica: a number, or the name of a service.',
  },
  {
    name: 's',
    value: 'keytab',
    complete: 'file',
    byDefault: 'KRB5_KTNAME, else default_keytab_name of krb5.conf, else /etc/krb5.keytab',
    about: 'The keytab with the key of host/<this host>.',
  },
  {
    name: 'from-database',
    about:
      'Dump the db2 database of this host first, instead of kdb5_util dump: the same bytes in a ' +
      'quarter of the time, and the database is locked only while its files are copied. Another ' +
      'kind of database is dumped by kdb5_util.',
  },
  {
    name: 'ccache',
    value: 'name',
    complete: 'file',
    about: 'Take the ticket for the replica from this credential cache.',
  },
  {
    name: 'gss',
    about:
      "Let the system's own Kerberos library get the ticket. Needs the optional npm package kerberos.",
  },
  {
    name: 'expect',
    value: 'principal',
    about: 'Send the database to the replica of this principal and to no other, whatever DNS says.',
  },
  {
    name: 'connect-timeout',
    value: 'seconds',
    byDefault: "0: as long as the kernel does, about two minutes, as MIT's kprop",
    about:
      'How long to wait for each address of the replica. An address that does not answer within a ' +
      'quarter of a second does not keep the next one waiting.',
  },
  {
    name: 'timeout',
    value: 'seconds',
    byDefault: '0: no limit',
    about: 'How long the whole propagation may take, the load on the replica included.',
  },
  {
    name: 'confirm-timeout',
    value: 'seconds',
    byDefault: '7200',
    about: 'How long the replica may take to load and to confirm. 0 means no limit.',
  },
  ...ownOptions,
];
