import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { vi } from 'vitest';

import { kpropd, kpropdAlone, kpropdBothWays, loader, write } from './kpropd-command.ts';
import { krb5Conf } from './realm.ts';
import { kpropdArgs, type Scenario } from './scenario.ts';

const endOf = (signal: NodeJS.Signals): Scenario => ({
  name: `kpropd idle, ${signal}`,
  act: async (stage) => {
    const server = await stage.serve();
    await sleep(150); // "ready" comes before the handlers do
    server.signal(signal);
    await sleep(150);
    await stage.finish(server);
  },
});

const once = (name: string, args: readonly string[]): Scenario => ({
  name,
  act: async (stage) => {
    const server = await stage.serve({ args });
    await stage.send();
    stage.outcome = await server.ended;
  },
});

const conf = '/srv/replica/krb5.conf';

/** The command line of kpropd, how it starts and how it ends. */
export const kpropdLife: readonly Scenario[] = [
  ...kpropdBothWays('kpropd: a propagation'),
  {
    name: 'kpropd: two propagations',
    act: async (stage) => {
      const server = await stage.serve();
      await stage.send();
      await stage.send();
      await stage.finish(server);
    },
  },
  {
    name: 'kpropd as a daemon, with a pid file',
    act: async (stage) => {
      const { world } = stage;
      const args = kpropdArgs(['--pid-file=/srv/run/kpropd.pid']);
      await stage.run('kpropd', { role: 'replica', args });
      await vi.waitFor(() => {
        if (!world.listens(754)) throw new Error('it does not listen');
      });
      const pid = Number(readFileSync(world.path('/srv/run/kpropd.pid'), 'latin1'));
      stage.note(`the number is of a process: ${existsSync(`/proc/${pid}`)}`);
      await stage.send();
      await sleep(100);
      process.kill(pid, 'SIGTERM');
      await vi.waitFor(() => {
        if (world.listens(754)) throw new Error('it still listens');
      });
    },
  },
  once('kpropd -t: a propagation', ['-d', '-t']),
  once('kpropd -t: a propagation that fails', ['-d', '-t', '-p', '/bin/false']),
  once('kpropd -t -D: a propagation that fails', ['-D', '-t', '-p', '/bin/false']),
  kpropd('kpropd -S', { args: ['-d', '-S'] }),
  kpropd('kpropd --pid-file as two words', { args: ['-d', '--pid-file', '/srv/run/x.pid'] }),
  kpropd('kpropd --pid cut short', { args: ['-d', '--pid=/srv/run/x.pid'] }),
  kpropd('kpropd -P with a service', {
    args: ['-d', '-P', 'other_prop'],
    port: 7754,
    sender: { args: ['-P', '7754'] },
  }),
  kpropd('kpropd -r', { args: ['-d', '-r', 'LAB.EXAMPLE'] }),
  kpropd('kpropd -r and no default realm', {
    args: ['-d', '-r', 'LAB.EXAMPLE'],
    prepare: write(conf, krb5Conf({ default_realm: '' })),
  }),
  kpropd('kpropd -r with another realm', { args: ['-d', '-r', 'OTHER.EXAMPLE'] }),
  kpropd('kpropd -x', { args: ['-d', '-x', 'a=b'] }),
  kpropd('kpropd -A', { args: ['-d', '-A', 'nosuch'] }),
  kpropd('kpropd with relative paths', {
    folder: '/srv/replica',
    args: ['-d', '-f', 'from_master', '-a', 'kpropd.acl'],
  }),
  {
    name: 'kpropd: the default paths',
    act: async (stage) => {
      const server = stage.world.start({
        program: `${stage.make} kpropd`,
        args: ['-d'],
        role: 'replica',
        env: { KRB5_CONFIG: undefined, KRB5_KDC_PROFILE: undefined, KRB5_KTNAME: undefined },
        prelude:
          'cp /srv/replica/kdc.conf /srv/replica/kpropd.acl /etc/krb5kdc; cp /srv/replica/krb5.keytab /etc',
      });
      await server.until(() => stage.world.listens(754), 'kpropd');
      await stage.send();
      await stage.finish(server);
    },
  },

  {
    name: 'kpropd: other default paths',
    act: async (stage) => {
      const { world, make } = stage;
      const paths = {
        received: '/srv/run/received',
        acl: '/srv/replica/kpropd.acl',
        kdb5Util: '/srv/run/loader',
        kdcConf: '/srv/replica/kdc.conf',
      };
      loader('exec /usr/sbin/kdb5_util "$@"')(world);
      writeFileSync(world.path('/etc/kprop.json'), JSON.stringify(paths));
      const { received, acl, kdb5Util } = paths;
      const server = world.start({
        program: `${make} kpropd`,
        role: 'replica',
        // MIT's are compiled in.
        args: make === 'mit' ? ['-d', '-f', received, '-a', acl, '-p', kdb5Util] : ['-d'],
        env: make === 'mit' ? {} : { KRB5_KDC_PROFILE: undefined },
        // kdb5_util looks where Debian has it.
        prelude: 'cp /srv/replica/kdc.conf /etc/krb5kdc',
      });
      await server.until(() => world.listens(754), 'kpropd');
      await stage.send();
      await stage.finish(server);
    },
  },

  kpropdAlone('kpropd: an unknown option', { args: ['-q'] }),
  kpropdAlone('kpropd: an operand', { args: ['-d', 'operand'] }),
  kpropdAlone('kpropd: an option without its argument', { args: ['-f'] }),
  kpropdAlone('kpropd: --pid-file without its argument', { args: ['--pid-file'] }),

  ...['-d', '-D'].flatMap((way) => [
    kpropdAlone(`kpropd: krb5.conf with a syntax error, ${way}`, {
      args: [way],
      prepare: write(conf, '[libdefaults]\nnonsense\n'),
    }),
    kpropdAlone(`kpropd: kdc.conf with a syntax error, ${way}`, {
      args: [way],
      prepare: write('/srv/replica/kdc.conf', '[realms]\nnonsense\n'),
    }),
    kpropdAlone(`kpropd: krb5.conf without a default realm, ${way}`, {
      args: [way],
      prepare: write(conf, krb5Conf({ default_realm: '' })),
    }),
    kpropdAlone(`kpropd: an unknown service as port, ${way}`, { args: [way, '-P', 'nosuch'] }),
    kpropdAlone(`kpropd: the pid file cannot be written, ${way}`, {
      args: [way, '--pid-file=/nonexistent/x.pid'],
    }),
    {
      name: `kpropd: the port is in use, ${way}`,
      act: async (stage) => {
        await stage.listen({ program: 'false replica', args: ['754', '[]'] });
        await stage.run('kpropd', { role: 'replica', args: kpropdArgs([way]) });
      },
    } satisfies Scenario,
  ]),
  kpropd('kpropd: kdc.conf is missing', {
    prepare: (world) => rmSync(world.path('/srv/replica/kdc.conf')),
    prelude: 'cp /srv/replica/stash /etc/krb5kdc/.k5.LAB.EXAMPLE',
  }),
  kpropd('kpropd: the pid file exists', {
    prepare: write('/srv/run/x.pid', 'something longer than a number\n', 0o600),
    args: ['-d', '--pid-file=/srv/run/x.pid'],
  }),
  kpropd('kpropd: a loose umask', {
    prelude: 'umask 0',
    args: ['-d', '--pid-file=/srv/run/x.pid'],
  }),
  kpropd('kpropd: a strict umask', { prelude: 'umask 0777' }),
  kpropd('kpropd: stdout closed', { prelude: 'exec >&-' }),
  kpropd('kpropd: stdout and stderr full', { prelude: 'exec >/dev/full 2>/dev/full' }),
  endOf('SIGTERM'),
  endOf('SIGINT'),
  endOf('SIGHUP'),
  endOf('SIGUSR1'),
];
