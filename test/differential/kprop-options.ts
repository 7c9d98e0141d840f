import { rmSync, writeFileSync } from 'node:fs';

import { kprop, lonelyKprop } from './kprop-command.ts';
import { dumpPath } from './realm.ts';
import { kpropdArgs, type Scenario } from './scenario.ts';

const replica = 'replica.lab.example';
const file = ['-f', dumpPath];

/** The command line of kprop. */
export const kpropOptions: readonly Scenario[] = [
  kprop('a propagation'),
  kprop('a propagation with -d', { args: [...file, '-d', replica] }),
  kprop('-d twice', { args: ['-dd', ...file, replica] }),
  kprop('-r with the realm', { args: [...file, '-r', 'LAB.EXAMPLE', replica] }),
  lonelyKprop('-r with another realm', { args: [...file, '-r', 'OTHER.EXAMPLE', replica] }),
  lonelyKprop('-r with an empty realm', { args: [...file, '-r', '', replica] }),
  kprop('-P with a number', {
    args: [...file, '-P', '1754', replica],
    peer: { args: ['-d', '-P', '1754'] },
    port: 1754,
  }),
  kprop('-P with a service', {
    args: [...file, '-P', 'other_prop', replica],
    peer: { args: ['-d', '-P', 'other_prop'] },
    port: 7754,
  }),
  lonelyKprop('-P with an unknown service', { args: [...file, '-P', 'nosuch', replica] }),
  lonelyKprop('-P with an empty service', { args: [...file, '-P', '', replica] }),
  lonelyKprop('-P with number and letters', { args: [...file, '-P', '754x', replica] }),
  lonelyKprop('-P with a negative number', { args: [...file, '-P', '-1', replica] }),
  lonelyKprop('-P 0', { args: [...file, '-P', '0', replica] }),
  kprop('-P with blanks in front', { args: [...file, '-P', ' 754', replica] }),
  kprop('-s with a path', {
    args: [...file, '-s', '/srv/primary/krb5.keytab', replica],
    env: { KRB5_KTNAME: '/nonexistent' },
  }),
  kprop('-s with FILE:', { args: [...file, '-s', 'FILE:/srv/primary/krb5.keytab', replica] }),
  kprop('-s with WRFILE:', { args: [...file, '-s', 'WRFILE:/srv/primary/krb5.keytab', replica] }),
  lonelyKprop('-s with MEMORY:', { args: [...file, '-s', 'MEMORY:x', replica] }),
  lonelyKprop('-s with an unknown type', { args: [...file, '-s', 'NOSUCH:x', replica] }),
  lonelyKprop('-s with an empty name', { args: [...file, '-s', '', replica] }),
  kprop('joined and clustered options', { args: ['-dP754', `-f${dumpPath}`, replica] }),
  kprop('options behind the host', { args: [replica, ...file, '-d'] }),
  kprop('-- before the host', { args: [...file, '--', replica] }),
  lonelyKprop('-- before an option', { args: ['--', replica, '-d'] }),
  kprop('the last of two -f', { args: ['-f', '/nonexistent', ...file, replica] }),
  lonelyKprop('an unknown option', { args: ['-x', replica] }),
  lonelyKprop('two unknown options', { args: ['-xy', replica] }),
  lonelyKprop('an unknown option before a known one without its argument', { args: ['-x', '-f'] }),
  lonelyKprop('an option without its argument', { args: [replica, '-f'] }),
  lonelyKprop('a long option', { args: ['--nosuch', replica] }),
  lonelyKprop('no operand', { args: [] }),
  lonelyKprop('options and no operand', { args: file }),
  lonelyKprop('two operands', { args: [...file, replica, 'primary.lab.example'] }),
  lonelyKprop('a lone dash as operand', { args: [...file, '-'] }),
  kprop('the default paths', {
    args: [replica],
    env: { KRB5_CONFIG: undefined, KRB5_KTNAME: undefined },
    prelude: `cp -p ${dumpPath} ${dumpPath}.dump_ok /var/lib/krb5kdc; cp /srv/primary/krb5.keytab /etc`,
  }),
  {
    name: 'other default paths',
    act: async (stage) => {
      const paths = { dump: dumpPath, krb5Conf: '/srv/primary/krb5.conf' };
      writeFileSync(stage.world.path('/etc/kprop.json'), JSON.stringify(paths));
      await stage.listen({ program: 'mit kpropd', role: 'replica', args: kpropdArgs() });
      // MIT's are compiled in.
      if (stage.make === 'mit') await stage.run('kprop', { args: [...file, replica] });
      else await stage.run('kprop', { args: [replica], env: { KRB5_CONFIG: undefined } });
    },
  },
  kprop('a relative dump', { args: ['-f', 'replica_datatrans', replica], folder: '/srv/primary' }),
  kprop('no entry in the services database', {
    prepare: (world) => rmSync(world.path('/etc/services')),
    peer: { args: ['-d', '-P', '754'] },
  }),
  kprop('stdout closed', { prelude: 'exec >&-' }),
  kprop('stdout full', { prelude: 'exec >/dev/full' }),
  kprop('stdout full, with -d', { args: [...file, '-d', replica], prelude: 'exec >/dev/full' }),
  lonelyKprop('stderr closed', { prelude: 'exec 2>&-' }),
  lonelyKprop('stderr full', { prelude: 'exec 2>/dev/full' }),
  kprop('stdin closed', { prelude: 'exec <&-' }),
  lonelyKprop('a UTF-8 locale', { env: { LC_ALL: 'C.UTF-8' } }),
  lonelyKprop('an unknown option in a UTF-8 locale', {
    args: ['-é', replica],
    env: { LC_ALL: 'C.UTF-8' },
  }),
  lonelyKprop('an unknown option that is no ASCII, in the C locale', { args: ['-é', replica] }),
];
