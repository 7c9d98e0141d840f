import { loadModes, verifyModes } from '../../server/options.ts';
import { type Option, ownOptions } from '../option.ts';
import { limitOptions } from './limits.ts';
import { logKinds } from './log-sink.ts';
import { unitOptions } from './unit.ts';

export const defaultLogRate = 20;

/** The options of kpropd: MIT's, then ours. */
export const kpropdOptions: readonly Option[] = [
  {
    name: 'r',
    value: 'realm',
    byDefault: 'default_realm of krb5.conf',
    about: 'The realm of this replica.',
  },
  {
    name: 's',
    value: 'keytab',
    complete: 'file',
    byDefault: 'KRB5_KTNAME, else default_keytab_name of krb5.conf, else /etc/krb5.keytab',
    about: 'The keytab with the key of host/<this host>.',
  },
  { name: 'd', about: 'Stay in the foreground, and print debug lines on standard error.' },
  { name: 'D', about: 'Stay in the foreground.' },
  {
    name: 'S',
    about:
      'Accepted for the sake of old start scripts, and ignored: without inetd, kpropd runs ' +
      'standalone anyway.',
  },
  {
    name: 'f',
    value: 'file',
    complete: 'file',
    byDefault: '/var/lib/krb5kdc/from_master',
    about: 'Where the received dump is kept. It is file.temp while it arrives.',
  },
  {
    name: 'F',
    value: 'database',
    complete: 'file',
    byDefault: 'database_name of kdc.conf',
    about: 'The database to load into: kdb5_util is given it as -d.',
  },
  {
    name: 'p',
    value: 'kdb5_util',
    complete: 'file',
    byDefault: '/usr/sbin/kdb5_util',
    about: 'The program that loads a dump which is not loaded natively.',
  },
  {
    name: 'x',
    value: 'db_args',
    repeats: true,
    about: 'An argument for the database library when it applies incremental updates.',
  },
  {
    name: 'P',
    value: 'port',
    byDefault: 'the service krb5_prop of /etc/services, else 754',
    about: 'The port to listen on: a number, or the name of a service.',
  },
  {
    name: 'a',
    value: 'acl_file',
    complete: 'file',
    byDefault: '/etc/krb5kdc/kpropd.acl',
    about:
      'Who may propagate: a principal a line. It is read again for every connection. See kpropd.acl(5).',
  },
  {
    name: 'A',
    value: 'admin_server',
    complete: 'host',
    byDefault: 'admin_server of krb5.conf',
    about: 'The primary that is polled for updates, where iprop_enable is set.',
  },
  {
    name: 't',
    about:
      'Serve one connection and exit; where iprop_enable is set, poll until this replica is in ' +
      'step with its primary and exit.',
  },
  {
    name: 'pid-file',
    value: 'file',
    complete: 'file',
    about: 'Write the process ID there.',
  },
  {
    name: 'load',
    value: 'mode',
    choices: loadModes,
    byDefault: 'auto',
    about:
      'How a dump becomes a database. native: kpropd writes it itself, and refuses a dump that ' +
      'only kdb5_util can load. kdb5_util: that loads it, while it arrives if that is safe. auto: ' +
      'natively where that is possible, else by kdb5_util. streamed and complete: by kdb5_util, while the ' +
      'dump arrives or after that.',
  },
  {
    name: 'verify',
    value: 'when',
    choices: verifyModes,
    byDefault: 'first',
    about:
      'When kdb5_util dumps a database that was written natively, to compare it with what was ' +
      'received. first: at the first load, after a change of version or of the header of the dump, ' +
      'after 100 loads, and after 30 days.',
  },
  {
    name: 'any-master-key',
    about:
      'Load a dump even if the stash file of this replica does not open its master key, so that ' +
      'krb5kdc could not start here any more. Without this option such a dump is refused.',
  },
  {
    name: 'require-enctype',
    value: 'list',
    byDefault: 'permitted_enctypes of krb5.conf',
    about: 'Refuse tickets and session keys of other encryption types.',
  },
  {
    name: 'check',
    about:
      'Look for what is wrong on this replica, with the other options given here, and change nothing: own ' +
      'name, keytab, ACL, stash file, database, spool file, free space, loader, port and unit. Print ' +
      'each finding with the command or the line that mends it. Exit with 0 if all is well, 1 if ' +
      'something is doubtful, 2 if something is wrong.',
  },
  { name: 'json', about: 'With --check: print the findings as JSON.' },
  {
    name: 'user',
    value: 'name',
    complete: 'user',
    about: 'Give up root for this user once the port is bound.',
  },
  {
    name: 'log',
    value: 'kind',
    choices: logKinds,
    byDefault: 'syslog',
    about:
      'Where the log goes. stderr: plain lines on standard error. json: an object a line on standard ' +
      'output. Both are for containers, and need -D or -d.',
  },
  {
    name: 'log-rate',
    value: 'lines',
    byDefault: `${defaultLogRate}`,
    about:
      'How many lines a second about each kind of event that strangers can cause. 0 means no limit.',
  },
  ...limitOptions,
  ...unitOptions,
  ...ownOptions,
];
