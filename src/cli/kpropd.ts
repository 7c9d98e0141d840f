#!/usr/bin/env node
import './ignore-sigusr1.ts';
import './ignore-sighup.ts';

import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';

import { errnoOf, errnoText } from '../errors/com-err.ts';
import { inInitialization, inPhase } from '../errors/kprop-error.ts';
import type { DefaultPaths } from '../host/default-paths.ts';
import { openDescriptorOutlet } from '../host/descriptor-outlet.ts';
import { ExposureWatch, keytabPath } from '../host/exposed-files.ts';
import { moveOffStdio } from '../host/libc.ts';
import { keepFreedMemory } from '../host/memory.ts';
import { writeOwnFile } from '../host/own-file.ts';
import { chooseReplayCache } from '../host/replay-choice.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { checkReplica } from '../server/check/check-replica.ts';
import { PeerNames } from '../server/listen/peer-names.ts';
import { loaderEnvironment } from '../server/load/loader-environment.ts';
import { type KpropServer, type ServeOptions, serveKprop, serveSocket } from '../server/serve.ts';
import { type Arguments, program, readArguments } from './kpropd/arguments.ts';
import { becomeUser, type Need } from './kpropd/become-user.ts';
import { type CheckForm, printCheck } from './kpropd/check.ts';
import { readConfiguration } from './kpropd/configuration.ts';
import { isDaemonChild, startDaemon, tellParent } from './kpropd/daemon.ts';
import { LineLimit } from './kpropd/line-limit.ts';
import { KpropdLog } from './kpropd/log.ts';
import { openLogSink } from './kpropd/log-sink.ts';
import { NamedPeers } from './kpropd/named-peers.ts';
import { releaseAtRest } from './kpropd/rest.ts';
import { dieOf, handleSignals } from './kpropd/signals.ts';
import { StatusText } from './kpropd/status-text.ts';
import { activatedDescriptor, notify, takeActivation } from './kpropd/systemd.ts';
import { printUnit } from './kpropd/unit.ts';
import { nameProcess } from './process-name.ts';

// Output that nobody reads any more must not stop a propagation.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

// Until main() ends: if the event loop runs dry before that, it must not look like success.
process.exitCode = 1;
main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});

/** The exit status; undefined while the server runs. */
async function main(args: readonly string[]): Promise<number | undefined> {
  nameProcess('kpropd', args);
  const given = readArguments(args);
  if (typeof given === 'number') return given;
  if (given.check !== undefined) return await check(given, given.check);
  const log = openLog(given);
  try {
    // Before anything is printed: it would go to the peer.
    const connection = stdinIsSocket() ? moveOffStdio() : undefined;
    const { config, paths } = await inInitialization(() => readConfiguration(process.env));
    const realm = await inPhase(
      'configuration',
      'Unable to get default realm',
      () => given.realm ?? config.defaultRealm,
    );
    if (given.unit !== undefined) return printUnit(given, { config, paths, realm });
    keepFreedMemory();
    const options = serveOptions(given, paths, { config, realm }, log);
    const activation = takeActivation(process.env);
    if (activation === 'connection') return await serveInherited(activatedDescriptor, options);
    if (activation === undefined && connection !== undefined) {
      return await serveInherited(connection, options);
    }
    const foreground = given.debug || given.foreground || activation !== undefined;
    if (!foreground && given.log !== 'syslog') return refuseDaemon(given.log);
    if (!foreground && !isDaemonChild()) return await startDaemon();
    const listener = activation === undefined ? {} : { descriptor: activatedDescriptor };
    const polls = config.ipropEnable(realm);
    return await serveStandalone(given, { ...options, ...listener }, { log, polls });
  } catch (error) {
    log.failure(error);
    tellStarter(log.linesOf(error, { all: isDaemonChild() }), given);
    return 1;
  }
}

/** Ends the process itself: a resolver that does not answer must not keep it. */
async function check(given: Arguments, form: CheckForm): Promise<number> {
  const status = await printCheck(form, async () => {
    const { config, paths } = readConfiguration(process.env);
    const realm = given.realm ?? config.defaultRealm;
    const options = serveOptions(given, paths, { config, realm }, openLog(given));
    return checkReplica({ ...options, realm: given.realm });
  });
  process.exit(status);
}

function openLog({ debug, once, logRate, log: kind }: Arguments): KpropdLog {
  const lossLine = (count: number) => `${program}: ${count} lines of this output were lost\n`;
  return new KpropdLog({
    program,
    debug,
    once,
    kind,
    sink: openLogSink(kind, program),
    stdout: openDescriptorOutlet(1, lossLine),
    stderr: openDescriptorOutlet(2, lossLine),
    limit: new LineLimit(logRate),
  });
}

/** A daemon has no output. */
function refuseDaemon(kind: string): number {
  process.stderr.write(`${program}: --log=${kind} needs -D (or -d): a daemon has no output\n`);
  return 1;
}

/** Tells the starter why kpropd does not start. The log has it already, and so has stderr with -d. */
function tellStarter(lines: readonly string[], { debug, log }: Arguments): void {
  if (isDaemonChild()) tellParent({ failed: lines });
  else if (!debug && log !== 'stderr') process.stderr.write(`${lines.join('\n')}\n`);
}

function serveOptions(
  given: Arguments,
  paths: DefaultPaths,
  { config, realm }: { readonly config: Krb5Config; readonly realm: string },
  log: KpropdLog,
): ServeOptions {
  const keytab = keytabPath(given.keytab, config);
  const acl = given.acl ?? paths.acl;
  const file = given.file ?? paths.received;
  const watch = new ExposureWatch([
    { kind: 'keytab', path: keytab },
    { kind: 'ACL', path: acl },
  ]);
  const warn = () => {
    for (const notice of watch.warnings()) log.warn(notice);
  };
  // A check tells it itself.
  if (given.check === undefined) warn();
  const names = new PeerNames();
  const peers = new NamedPeers(
    (address) => names.nameOf(address),
    (event) => {
      // Both files are read anew for every connection.
      if (event.kind === 'authenticating') warn();
      log.event(event);
    },
  );
  let replay: ServeOptions['replay'];
  const database = given.database ?? config.databasePath(realm);
  const loader = { path: given.kdb5Util ?? paths.kdb5Util, access: 'execute' } as const;
  const needs: readonly Need[] = [
    ...(given.load === 'native' ? [] : [loader]),
    { path: keytab, access: 'read' },
    { path: acl, access: 'read' },
    { path: dirname(file), access: 'write' },
    ...(database === undefined ? [] : [{ path: dirname(database), access: 'write' } as const]),
  ];
  return {
    port: given.port,
    realm,
    config,
    keytab: given.keytab,
    acl,
    file,
    // Chosen at its first use: the default depends on the user, which --user changes until then.
    replay: {
      store: (...request) => {
        replay ??= chooseReplayCache(process.env, config);
        return replay.store(...request);
      },
    },
    onListening: () => {
      if (given.user !== undefined) becomeUser(given.user, needs);
    },
    loader: {
      path: loader.path,
      database: given.database,
      builtInDatabase: paths.database,
      environment: loaderEnvironment(process.env),
    },
    load: given.load,
    anyMasterKey: given.anyMasterKey,
    builtInStash: paths.stash,
    verify: given.verify,
    requireEnctype: given.requireEnctype,
    incremental: {
      adminServer: given.adminServer,
      // MIT's kpropd has -F for the full propagation alone; updates then go into another database.
      databaseArguments: [
        ...(given.database === undefined ? [] : [`dbname=${given.database}`]),
        ...given.databaseArguments,
      ],
      builtInDatabase: paths.database,
      environment: loaderEnvironment(process.env),
      once: given.once,
    },
    ...given.limits,
    onEvent: (event) => peers.event(event),
  };
}

/** Serves one connection that inetd, xinetd or systemd handed over. */
async function serveInherited(fd: number, options: ServeOptions): Promise<number> {
  let failed = false;
  options.onListening?.();
  const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  const control = new AbortController();
  let asked: 'SIGTERM' | 'SIGINT' | undefined;
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    // kpropd ends only after the spool file is removed and the loader and its children are killed.
    process.on(name, () => {
      asked ??= name;
      control.abort();
    });
  }
  const onEvent: ServeOptions['onEvent'] = (event) => {
    failed ||= event.kind === 'failed';
    options.onEvent?.(event);
  };
  await serveSocket(socket, { ...options, onEvent }, control.signal);
  if (asked !== undefined) dieOf(asked);
  return failed ? 1 : 0;
}

async function serveStandalone(
  given: Arguments,
  options: ServeOptions,
  { log, polls }: { readonly log: KpropdLog; readonly polls: boolean },
): Promise<number | undefined> {
  let server: KpropServer | undefined;
  const finish = (code: number) => {
    void server?.close().then(() => {
      process.exitCode = code;
      process.exit();
    });
  };
  const rest = releaseAtRest();
  const status = new StatusText();
  let complaint: string | undefined;
  server = await serveKprop({
    ...options,
    once: given.once && !polls,
    onListening: () => {
      // While we are still root: its folder may be root's.
      complaint = writePidFile(given.pidFile);
      options.onListening?.();
    },
    onEvent: (event) => {
      options.onEvent?.(event);
      if (status.event(event)) notify(process.env, undefined, status.text);
      if (event.kind === 'poll' && event.poll.kind === 'done') finish(0);
      if (event.kind !== 'closed') return;
      if (given.once && !polls) finish(0);
      else rest();
    },
  });
  if (complaint !== undefined) {
    await server.close();
    log.complain(complaint);
    tellStarter([`${program}: ${complaint}`], given);
    return 1;
  }
  handleSignals(server, log, polls);
  if (isDaemonChild()) {
    process.chdir('/');
    tellParent('ready');
  } else if (given.log === 'json') log.ready();
  else process.stdout.write('ready\n');
  notify(process.env, 'READY=1', status.text);
  log.waiting();
  return undefined;
}

/** Writes the pid file; returns the message if that fails. */
function writePidFile(path: string | undefined): string | undefined {
  try {
    if (path !== undefined) writeOwnFile(path, `${process.pid}\n`, 0o644);
    return undefined;
  } catch (error) {
    return `Could not write pid file ${path}: ${errnoText(errnoOf(error))}`;
  }
}

function stdinIsSocket(): boolean {
  return fstatSync(0).isSocket();
}
