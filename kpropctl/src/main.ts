#!/usr/bin/env node
import { Command, CommanderError } from 'commander';

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
import { BadSettings, complaintText } from './config/complaints.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { joinCommand } from './kit/join-command.ts';
import { kitCommand } from './kit/kit-command.ts';
import { Refused } from './kit/refused.ts';
import { exits, noteOf } from './run/report.ts';
import { serveCommand } from './serve/serve.ts';
import { oneLine } from './show/words.ts';
import { version } from './version.ts';

process.exitCode = exits.usage;
main(process.argv).then((status) => {
  process.exitCode = status;
  // A timer or a socket that nobody needs any more must not keep it.
  process.exit();
});

async function main(argv: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const around: Surroundings = {
    out: process.stdout,
    error: process.stderr,
    environment: process.env,
    signal: stopOnSignals(),
    writeBytes: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
  };
  let status: number = exits.usage;
  const program = commands(around, (ended) => {
    status = ended;
  });
  try {
    await program.parseAsync([...argv]);
    return status;
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exits.usage;
  if (error instanceof BadSettings) {
    for (const complaint of error.complaints) {
      process.stderr.write(`kpropctl: ${oneLine(complaintText(complaint))}\n`);
    }
    return exits.configuration;
  }
  const { code, message, remedy } = noteOf(error);
  process.stderr.write(`kpropctl: ${oneLine(message)}\nfix: ${oneLine(remedy)}\n`);
  if (error instanceof Refused) return error.exit;
  return code.startsWith('config.') ? exits.configuration : exits.nothingSent;
}

/** Ends what is under way cleanly at the first signal, and at once at the second. */
function stopOnSignals(): AbortSignal {
  const control = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (control.signal.aborted) process.exit(exits.nothingSent);
      control.abort(new Error(`stopped by ${name}`));
    });
  }
  return control.signal;
}

function commands(around: Surroundings, onEnd: (status: number) => void): Command {
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
    .option('--json')
    .option('--nagios', 'one line, and exit status 0 to 3')
    .option('--openmetrics', 'for a text-file collector')
    .action(async (flags) => onEnd(await statusCommand(flags, around)));
  command('doctor', 'look for what is wrong, here and at the replicas, or at these')
    .argument('[replica...]')
    .option('--json')
    .option('--here', 'look at this host as a replica')
    .option('--kpropd <options>', 'what kpropd is started with; with --here')
    .action(async (hosts: string[], flags) => onEnd(await doctorCommand(hosts, flags, around)));
  command('history', 'what was sent, to all or to one')
    .argument('[replica]')
    .option('--failed')
    .option('--since <time>', 'such as 1d')
    .option('--json')
    .action((host: string | undefined, flags) => onEnd(historyCommand(host, flags, around)));
  command('hold', 'do not send to a replica, and do not complain about it')
    .argument('<replica>')
    .option('--for <time>', 'such as 2h; until it is released')
    .option('--reason <text>')
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
  return program;
}
