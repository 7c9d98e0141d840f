import { basename, dirname, resolve } from 'node:path';

import type { DefaultPaths } from '../../host/default-paths.ts';
import type { Krb5Config } from '../../protocol/krb5/formats/krb5-config.ts';
import type { CommandLine } from '../getopt.ts';
import type { Option } from '../option.ts';
import { ownProgram } from '../own-program.ts';

/** A unit for systemd: kpropd as a daemon or with a process for each connection, and the socket of each. */
export type UnitKind = 'service' | 'socket' | 'inetd service' | 'inetd socket';

interface Printed {
  readonly unit: UnitKind | undefined;
  readonly command: readonly string[];
  readonly database: string | undefined;
  readonly file: string | undefined;
}

interface Host {
  readonly config: Krb5Config;
  readonly paths: DefaultPaths;
  readonly realm: string;
}

/** Prints a unit for this host, and returns the exit status. */
export function printUnit(given: Printed, { config, paths, realm }: Host): number {
  const { unit = 'service', command } = given;
  const database = given.database ?? config.databasePath(realm) ?? paths.database;
  const log = config.ipropEnable(realm) ? [config.updateLog(realm, paths.database).path] : [];
  const folders = foldersOf([database, given.file ?? paths.received, ...log]);
  process.stdout.write(unitText(unit, { command, folders }));
  return 0;
}

interface UnitOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** The folders that kpropd writes to. */
  readonly folders: readonly string[];
}

/** The text of a unit that runs this very kpropd, whatever PATH leads to, and may write where it must. */
function unitText(kind: UnitKind, { command, folders }: UnitOptions): string {
  switch (kind) {
    case 'service':
      return service(command, folders);
    case 'socket':
      return socket;
    case 'inetd service':
      return inetdService(command, folders);
    case 'inetd socket':
      return inetdSocket;
  }
}

/** The command that starts this program again with these options; relative paths are made absolute. */
export function ownCommand(line: CommandLine, known: readonly Option[]): readonly string[] {
  const options = line.options
    .filter(({ name }) => !unitOptions.some((option) => option.name === name))
    .flatMap(({ name, value }) => {
      const dashed = name.length === 1 ? `-${name}` : `--${name}`;
      if (value === undefined) return [dashed];
      const isFile = known.find((option) => option.name === name)?.complete === 'file';
      const full = isFile ? absolute(value) : value;
      return name.length === 1 ? [dashed, full] : [`${dashed}=${full}`];
    });
  return [...ownProgram(), ...options];
}

/** The options that ask for a unit. */
export const unitOptions: readonly Option[] = [
  {
    name: 'print-unit',
    about:
      'Print a unit for systemd that runs this very program with the other options given here, ' +
      'may write where the configuration says, and nothing else; then exit.',
  },
  {
    name: 'socket',
    about:
      'With --print-unit: print the unit of the socket, so that systemd listens and starts the ' +
      'service at the first connection.',
  },
  {
    name: 'inetd',
    about: 'With --print-unit: print the unit of a service that runs once for each connection.',
  },
];

/** Each folder once, and none that lies in another of them. */
function foldersOf(paths: readonly string[]): readonly string[] {
  const folders = [...new Set(paths.map((path) => dirname(path)))];
  return folders.filter((one) => !folders.some((other) => one.startsWith(`${other}/`)));
}

/** A file's absolute path. A keytab may have a type before it, and a database module may have names. */
function absolute(name: string): string {
  const [, type = '', path = name] = /^([A-Z]+:)(.*)$/s.exec(name) ?? [];
  return basename(path) === path ? name : `${type}${resolve(path)}`;
}

/** A word as systemd reads it: "%" and "$" stand for themselves, and blanks belong to it. */
function word(text: string): string {
  const plain = text.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./[\]$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, '\\$&')}"`;
}

function service(command: readonly string[], folders: readonly string[]): string {
  return `# kpropd as a daemon of its own. More options go into /etc/default/krb5-kpropd, as for Debian's unit.
[Unit]
Description=Kerberos database propagation, replica side
Documentation=man:kpropd(8)
After=network-online.target
Wants=network-online.target
# A host is either a primary, which runs kadmind, or a replica.
Conflicts=krb5-admin-server.service krb5-kpropd.service

[Service]
Type=notify
EnvironmentFile=-/etc/default/krb5-kpropd
EnvironmentFile=-/etc/default/kpropd
ExecStart=${command.map(word).join(' ')} -D $DAEMON_ARGS
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
# Time for a propagation under way to finish. Only kpropd gets SIGTERM, so that kdb5_util can finish.
TimeoutStopSec=330
KillMode=mixed

${rules(folders, 'CAP_NET_BIND_SERVICE')}
[Install]
WantedBy=multi-user.target
`;
}

function inetdService(command: readonly string[], folders: readonly string[]): string {
  return `[Unit]
Description=Kerberos database propagation, one connection

[Service]
EnvironmentFile=-/etc/default/krb5-kpropd
EnvironmentFile=-/etc/default/kpropd
ExecStart=-${command.map(word).join(' ')} $DAEMON_ARGS
StandardInput=socket
StandardOutput=journal
StandardError=journal

${rules(folders, '')}`;
}

/** The confinement of both services. */
function rules(folders: readonly string[], capabilities: string): string {
  const writable = folders.map((folder) => `ReadWritePaths=${word(folder)}`).join('\n');
  return `# What kpropd, Node and kdb5_util need, and no more.
# Nothing is written but the database, the received dump, the update log and the replay cache, which a
# private /var/tmp would lose when the service stops.
ProtectSystem=strict
${writable}
ReadWritePaths=-/run/kpropd
StateDirectory=kpropd
StateDirectoryMode=0700
Environment=KRB5RCACHEDIR=/var/lib/kpropd
PrivateTmp=yes
PrivateMounts=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
NoNewPrivileges=yes
KeyringMode=private
# Root without capabilities: the database, the stash and the keytab must belong to root, as usual.
CapabilityBoundingSet=${capabilities}
AmbientCapabilities=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
# A core file could contain keys.
LimitCORE=0
# kpropd takes about 110 MB, kdb5_util 14 MB for 1,000,000 principals; the rest is for pages that the
# kernel has not written yet. If the loader is killed for lack of memory, only its load fails.
MemoryMax=1G
OOMPolicy=continue
TasksMax=64
# MemoryDenyWriteExecute cannot be set: Node compiles as it runs.
`;
}

const socket = `# systemd listens, and starts kpropd.service at the first connection. kpropd takes over the listening
# socket (LISTEN_FDS) and serves this connection and all later ones.
[Unit]
Description=Kerberos database propagation, listening socket

[Socket]
ListenStream=754
Accept=no

[Install]
WantedBy=sockets.target
`;

const inetdSocket = `# systemd listens, and starts one kpropd-inetd@.service for each connection, as inetd does.
[Unit]
Description=Kerberos database propagation, one process a connection

[Socket]
ListenStream=754
Accept=yes
MaxConnections=32
# So that one address cannot take all of them.
MaxConnectionsPerSource=4
# Otherwise 200 connections within 2 seconds would close the port until an administrator restarts
# the socket.
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
`;
