import type { Change, Deviation } from './deviations.ts';
import { fromParent } from './scenario.ts';

const client = 'host/primary.lab.example@LAB.EXAMPLE';
const temporary = '/srv/replica/from_master.temp';
const bothWays = (name: string) => [`${name}, -d`, `${name}, -D`];

/** The sender's last line, whatever a connection that is closed looks like to it. */
const told =
  (text: string): Change =>
  ({ peers }) => ({
    peers: peers.replace(
      /kprop: (HUNG UP while the database was sent|\w[\w ]* while reading response from server)\n|Generic remote error: incomplete write[^\n]*\n[^\n]*\n/,
      `Generic remote error: ${text}\n`,
    ),
  });
/** With the line of the ACL that nearly names the sender, where there is one. */
const denied: Change = (mit, ours) => {
  const [, nearly = ''] = /to propagate to this host(: its line \d[^\n]*)\n/.exec(ours.peers) ?? [];
  return told(`${client} is not authorized to propagate to this host${nearly}`)(mit, ours);
};
const replaced =
  (before: string | RegExp, after: string): Change =>
  ({ stderr, syslog, files }) => ({
    stderr: stderr.replace(before, after),
    syslog: syslog.replace(before, after),
    files,
  });

export const kpropdDeviations: readonly Deviation[] = [
  {
    id: 'A sender that is refused is told why',
    where: {
      ...inEach(bothWays('ACL: missing'), denied),
      ...inEach(
        ['empty', 'another principal', 'a blank in front', 'a comment sign in front']
          .concat('without realm', 'a prefix of the principal', 'longer than the principal')
          .concat('upper case', 'a wildcard', 'a NUL in front', 'a byte order mark')
          .map((name) => `ACL: ${name}`),
        denied,
      ),
      'ACL: a comment behind': denied,
      'ACL: the encryption type and CR': denied,
      'ACL: the encryption type and a blank': denied,
      'ACL: another encryption type': denied,
      'ACL: an unknown encryption type': denied,
      'ACL: two encryption types': denied,
      ...inEach(
        bothWays('kpropd: the spool folder is missing'),
        told('No such file or directory while opening database file'),
      ),
      'kpropd: the spool file is a folder': told('Is a directory while renaming'),
      'kpropd: the temporary file is a folder': told('Is a directory while opening database file'),
      ...inEach(
        bothWays('kpropd: the temporary file is locked'),
        told('the spool file is locked by another propagation while trying to lock'),
      ),
      'kpropd: the loader is missing, -D': told(
        'No such file or directory while trying to exec nonexistent',
      ),
      'kpropd: the loader is no program': told('Permission denied while trying to exec loader'),
      'kpropd: the loader is a folder': told('Permission denied while trying to exec run'),
      ...inEach(
        bothWays('kpropd: the loader fails'),
        told('loader returned a bad exit status (7)'),
      ),
      ...inEach(
        bothWays('kpropd: the loader is killed'),
        told('loader load terminated by SIGKILL'),
      ),
      ...inEach(
        ['kpropd -t: a propagation that fails', 'kpropd -t -D: a propagation that fails'],
        told('false returned a bad exit status (1)'),
      ),
      ...inEach(
        bothWays('kpropd: the time is over during the load'),
        told('the propagation did not end within 1 s'),
      ),
    },
  },
  {
    id: 'A failed handshake is shown with -d, too',
    where: { 'kpropd: the keytab is empty': handShake },
    anywhere: { kpropd: handShake },
  },
  {
    id: 'kpropd is ready when it listens',
    where: inEach(
      [
        ...bothWays('kpropd: an unknown service as port'),
        ...bothWays('kpropd: the pid file cannot be written'),
        ...bothWays('kpropd: the port is in use'),
      ],
      () => ({ stdout: '' }),
    ),
  },
  {
    id: 'What keeps kpropd from starting is shown on stderr, too',
    where: inEach(
      [
        'kpropd: krb5.conf without a default realm, -D',
        ...bothWays('kpropd: the pid file cannot be written'),
        'kpropd: the port is in use, -D',
      ],
      ({ syslog }) => ({
        stderr: `kpropd: ${syslog.replace(/^<27>kpropd\[PID\]: (kpropd: )?/, '')}\n`,
      }),
    ),
  },
  {
    id: 'SIGHUP and SIGUSR1 do no harm',
    where: {
      'kpropd idle, SIGHUP': survives(
        'SIGHUP: the ACL and the keytab are read for every connection',
      ),
      'kpropd idle, SIGUSR1': survives('SIGUSR1: there is no primary to poll'),
    },
  },
  {
    id: 'Long lines of the ACL are not split',
    where: {
      'ACL: behind 1023 other bytes': ({ stderr, files }) => ({
        stderr: stderr.replace(
          /Full propagation transfer started\.\n[\s\S]*Load PID is PID\n/,
          `Rejected connection from unauthorized principal ${client}\n`,
        ),
        peers: `kprop: 1\nGeneric remote error: ${client} is not authorized to propagate to this host\n`,
        syslog: `<30>kpropd[PID]: Connection from ::ffff:192.0.2.1\n<28>kpropd[PID]: Rejected connection from unauthorized principal ${client}`,
        files: without(files, /last_prop|from_master /),
      }),
    },
  },
  {
    id: 'A spool file that cannot be opened is named as such',
    where: {
      ...inEach(
        bothWays('kpropd: the spool folder is missing'),
        replaced(
          'Bad file descriptor while trying to lock',
          'No such file or directory while opening database file,',
        ),
      ),
      'kpropd: the temporary file is a folder': replaced(
        'Bad file descriptor while trying to lock',
        'Is a directory while opening database file,',
      ),
    },
  },
  {
    id: 'What was received in part is removed',
    where: {
      'kpropd: the spool file is a folder': ({ files }) => ({
        files: without(files, /from_master\.temp/),
      }),
    },
  },
  {
    id: 'What was received is for its owner alone',
    where: {
      'kpropd: left-overs with other modes': ({ files }) => ({
        files: files.replace('/srv/replica/from_master 644', '/srv/replica/from_master 600'),
      }),
    },
  },
  {
    id: 'Nothing is loaded after a write that failed',
    where: {
      'kpropd: the disk is full': (mit, ours) => {
        const text =
          'No space left on device while writing database block starting at offset 16384';
        return {
          stderr: mit.stderr.replace(
            /Full propagation transfer finished\.\n[\s\S]*\(1\)\n/,
            `kpropd: ${text}\n`,
          ),
          files: without(mit.files, /principal~/),
          ...told(text)(mit, ours),
        };
      },
    },
  },
  {
    id: 'A dump is checked before it is loaded',
    where: {
      'kpropd: a dump that kdb5_util does not know': (mit, ours) => {
        const change = notLoaded('does not begin with the header of a kdb5_util dump')(mit, ours);
        // It does not wait for the rest of it, either.
        const stderr = change.stderr?.replace('Full propagation transfer finished.\n', '') ?? '';
        return { ...change, stderr };
      },
      'kpropd: an empty dump': notLoaded('is empty'),
    },
  },
  {
    id: 'The log says how dumps are loaded',
    where: { 'kpropd: a propagation, -d': described },
    anywhere: { kpropd: described },
  },
  {
    id: 'What kdb5_util loads after all is complete',
    where: {
      'kpropd: a large dump with a bad record': (mit, ours) => ({
        syslog: withLine(mit.syslog, ours.syslog, /kdb5_util loads .* because of line/),
        ...told('kdb5_util returned a bad exit status (1)')(mit, ours),
      }),
    },
  },
  {
    id: 'A load ends with the time limit',
    where: inEach(bothWays('kpropd: the time is over during the load'), ({ files }) => ({
      files: without(files, /\/promoted /),
    })),
  },
  {
    id: 'Several connections are served at once',
    where: {
      'kpropd: a propagation behind a peer that says nothing': ({ syslog }) => ({
        syslog: syslog.replace(/(\n[^\n]*Error in krb5_recvauth[^\n]*)(\n.*)$/s, '$2$1'),
      }),
    },
  },
  {
    id: 'A peer has 10 s to authenticate',
    where: {
      'kpropd: a peer that says nothing for 11 s': ({ syslog }) => ({
        peers: 'closed\n',
        syslog: syslog.replace(/(Error in krb5_recvauth: ).*/, '$1Connection timed out'),
      }),
    },
  },
  {
    id: 'The loader gets the variables that it needs',
    where: {
      'kpropd: what the loader is given': ({ stdout }) => ({
        stdout: stdout.replace(/^(OLDPWD|SHLVL)=.*\n/gm, ''),
      }),
    },
  },
  {
    id: 'Only its owner may write the pid file',
    where: {
      'kpropd: a loose umask': ({ files }) => ({ files: files.replace('x.pid 666', 'x.pid 644') }),
    },
  },
  {
    id: 'Paths are made absolute',
    where: {
      'kpropd: what the loader is given with -r, -F, and a relative -f': ({ stdout }) => ({
        stdout: stdout.replace('<from_master>', '</srv/replica/from_master>'),
      }),
    },
  },
  {
    id: 'The database is written without kdb5_util',
    where: { 'kpropd: a propagation, -d': writtenNatively },
    anywhere: { kpropd: writtenNatively },
  },
  {
    id: 'What was loaded is in the log',
    where: { 'kpropd: a propagation, -d': loadedLine },
    anywhere: { kpropd: loadedLine },
  },
];

/** When kpropd has started; before anything that MIT's says. */
function described(
  { stderr, syslog }: Parameters<Change>[0],
  ours: Parameters<Change>[1],
): ReturnType<Change> {
  return {
    stderr: withLine(stderr, ours.stderr, /^loads natively$/),
    syslog: withLine(syslog, ours.syslog, /: loads natively$/),
  };
}

function loadedLine({ syslog }: Parameters<Change>[0], ours: Parameters<Change>[1]) {
  return { syslog: withLine(syslog, ours.syslog, /kpropd\[PID\]: loaded .* from .* in .* s$/) };
}

/** The files have other bytes and so another size; the old ones are kept, and a lock stays. */
function writtenNatively(
  { stderr, files }: Parameters<Change>[0],
  ours: Parameters<Change>[1],
): ReturnType<Change> {
  const said = stderr.replace(
    /calling kdb5_util to load database\nLoad PID is PID\n/g,
    'loading the database natively\n',
  );
  const stays = ours.files.split('\n').filter((line) => /\/principal~\.ok \d/.test(line));
  if (stays.length === 0) return {};
  const kept = ours.files
    .split('\n')
    .filter((line) => /\/principal(\.kadm5)?\.previous 600 /.test(line));
  const ownSizes = new Map(
    ours.files.split('\n').map((line) => [line.replace(databaseBytes, '$1'), line] as const),
  );
  const resized = files
    .split('\n')
    .map(
      (line) =>
        (databaseBytes.test(line) ? ownSizes.get(line.replace(databaseBytes, '$1')) : line) ?? line,
    );
  return {
    ...(ours.stderr.includes('loading the database natively') && { stderr: said }),
    files: [...resized, ...kept, ...stays].sort().join('\n'),
  };
}

const databaseBytes = /^(\S*\/principal(?:\.kadm5)? 600 \d+:\d+) \d+ bytes.*$/;

/** Puts the lines that ours alone has in the places that they have in ours. */
function withLine(mit: string, ours: string, pattern: RegExp): string {
  const lines = mit === '' ? [] : mit.split('\n');
  let before = 0;
  for (const line of ours.split('\n')) {
    if (pattern.test(line)) lines.splice(placeAfter(lines, before), 0, line);
    if (line !== fromParent) before += 1;
  }
  return lines.join('\n');
}

/** Where a line goes that has so many before it, without those whose place is chance. */
function placeAfter(lines: readonly string[], count: number): number {
  let place = 0;
  for (let seen = 0; seen < count && place < lines.length; place += 1) {
    if (lines[place] !== fromParent) seen += 1;
  }
  return place;
}

function handShake({ stderr, syslog }: Parameters<Change>[0]): ReturnType<Change> {
  const text = /Error in krb5_recvauth: .*/.exec(syslog)?.[0];
  if (text === undefined) return {};
  return { stderr: stderr.replace(/^krb5_recvauth.*$/m, (line) => `${line}\n${text}`) };
}

function survives(text: string): Change {
  return ({ stderr }) => ({
    end: 'SIGTERM',
    stderr: `${stderr}${text}\n`,
    syslog: `<29>kpropd[PID]: ${text}`,
  });
}

function notLoaded(fault: string): Change {
  return (mit, ours) => ({
    stderr: mit.stderr.replace(
      /calling kdb5_util[\s\S]*\(1\)\n/,
      `kpropd: the dump in ${temporary} was not loaded: it ${fault}\n`,
    ),
    files: without(mit.files, /from_master /),
    ...told(`the dump was not loaded: it ${fault}`)(mit, ours),
  });
}

function inEach(names: readonly string[], change: Change): Record<string, Change> {
  return Object.fromEntries(names.map((name) => [name, change]));
}

function without(lines: string, pattern: RegExp): string {
  return lines
    .split('\n')
    .filter((line) => !pattern.test(line))
    .join('\n');
}
