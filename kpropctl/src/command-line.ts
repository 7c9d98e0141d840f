import { Command } from 'commander';

import {
  checkCommand,
  historyCommand,
  holdCommand,
  initCommand,
  releaseCommand,
  runCommand,
  type Surroundings,
  statusCommand,
} from './commands.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { joinCommand } from './kit/join-command.ts';
import { kitCommand } from './kit/kit-command.ts';
import { serveCommand } from './serve/serve.ts';
import { completionCommand, manCommand } from './show/manual.ts';
import { version } from './show/version.ts';

/**
 * All commands with their options; the manual page and the completions of shells are made from it, too.
 * `onEnd` gets the exit status.
 */
export function commandLine(around: Surroundings, onEnd: (status: number) => void): Command {
  const program = new Command('kpropctl')
    .description('propagates a Kerberos database to all replicas, and proves that they have it')
    .version(version())
    .exitOverride()
    .configureHelp({ sortSubcommands: false });
  const command = (name: string, about: string) =>
    program
      .command(name)
      .description(about)
      .option('--config <file>', 'instead of /etc/krb5kdc/kpropctl.conf')
      .exitOverride();
  command('run', 'dump the database, and send it to all replicas, or to these')
    .argument('[replica...]')
    .option('--json', 'one object at the end')
    .option('--ndjson', 'one event a line')
    .option('--plain', 'no live table')
    .option('--quiet', 'only what is wrong')
    .option('--dry-run', 'say what would be done')
    .option('--if-changed', 'send nothing if nothing has changed')
    .option('--force', 'override every guard')
    .option('--wait [time]', 'for another run to end')
    .action(async (hosts: string[], flags) => onEnd(await runCommand(hosts, flags, around)));
  command('status', 'how the replicas stand')
    .option('--probe', 'ask their own KDCs now')
    .option('--watch', 'draw it again every two seconds')
    .option('--json', 'as JSON, as schemas/status-1.json describes it')
    .option('--nagios', 'one line, and exit status 0 to 3')
    .option('--openmetrics', 'for a text-file collector')
    .action(async (flags) => onEnd(await statusCommand(flags, around)));
  command('doctor', 'look for what is wrong, here and at the replicas, or at these')
    .argument('[replica...]')
    .option('--json', 'as JSON, as schemas/doctor-1.json describes it')
    .option('--here', 'look at this host as a replica')
    .option('--kpropd <options>', 'what kpropd is started with; with --here')
    .action(async (hosts: string[], flags) => onEnd(await doctorCommand(hosts, flags, around)));
  command('history', 'what was sent, to all or to one')
    .argument('[replica]')
    .option('--failed', 'only what failed')
    .option('--since <time>', 'so long ago at most, such as 1d')
    .option('--json', 'one JSON object a line')
    .action((host: string | undefined, flags) => onEnd(historyCommand(host, flags, around)));
  command('hold', 'do not send to a replica, and do not complain about it')
    .argument('<replica>')
    .option('--for <time>', 'so long, such as 2h; else until it is released')
    .option('--reason <text>', 'shown with the status')
    .action(async (host: string, flags) => onEnd(await holdCommand(host, flags, around)));
  command('release', 'send to it again')
    .argument('<replica>')
    .action(async (host: string, flags) => onEnd(await releaseCommand(host, flags, around)));
  command('serve', 'run on a schedule, and when the database has changed')
    .option('--json', 'log lines as JSON')
    .action(async (flags) => onEnd(await serveCommand(flags, around)));
  command('kit', 'collect what a new replica needs, encrypted: kpropctl kit REPLICA > REPLICA.kit')
    .argument('<replica>')
    .option('--with-stash', 'with the stash of the master key, which opens the whole database')
    .option('--new-key', 'change the key of a host principal that is there already')
    .option('--passphrase-file <file>', 'instead of a new passphrase: its first line')
    .option('--force', 'even if this does not look like the primary')
    .action(async (host: string, flags) => onEnd(await kitCommand(host, flags, around)));
  command('join', 'become a replica, with the kit that the primary made')
    .argument('<kit>')
    .option('--passphrase-file <file>', 'instead of asking: its first line')
    .option('--host <name>', 'the name of this host, if it cannot be found out')
    .option('--replace', 'replace files that differ; they are kept as FILE.before-join')
    .option('--keep', 'leave files that differ as they are')
    .option('--yes', 'do not ask')
    .option('--no-start', 'do not start kpropd and krb5kdc')
    .option(
      '--wait [time]',
      'for the first propagation, to start krb5kdc; asked for with --yes only',
    )
    .option('--no-wait', 'end when kpropd runs')
    .action(async (file: string, flags) => onEnd(await joinCommand(file, flags, around)));
  program
    .command('init')
    .description('print a configuration from what krb5.conf knows')
    .action(() => onEnd(initCommand(around)));
  command('check', 'look at the configuration').action(async (flags) =>
    onEnd(await checkCommand(flags, around)),
  );
  program
    .command('man')
    .description('show the manual page')
    .action(async () => onEnd(await manCommand(around)));
  program
    .command('completion')
    .description('print the completions for a shell: bash, zsh or fish')
    .argument('<shell>')
    .action((shell: string) => onEnd(completionCommand(shell, around)));
  return program;
}
