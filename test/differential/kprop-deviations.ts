import type { Change, Deviation } from './deviations.ts';
import type { Observation } from './scenario.ts';

export const kpropDeviations: readonly Deviation[] = [
  anywhereInKprop(
    'Long-outdated encryption types are not offered',
    ['a propagation'],
    ({ kdc }) => ({
      kdc: kdc
        .replaceAll('AS_REQ (8 etypes', 'AS_REQ (6 etypes')
        .replaceAll('DEPRECATED:des3-cbc-sha1(16), DEPRECATED:arcfour-hmac(23), ', ''),
    }),
  ),
  anywhereInKprop(
    'No blank line behind the initial credentials',
    ['the keytab is missing'],
    ({ stderr }) => ({
      stderr: stderr.replace(/(while getting initial credentials\n)\n/, '$1'),
    }),
  ),
  {
    id: 'The keytab is read before the KDC is asked',
    where: inEach(
      [
        ...['-s with an empty name', 'KRB5_KTNAME that is empty', 'the keytab is missing'],
        ...['the keytab may not be read', 'the keytab is garbage', 'the keytab is empty'],
        ...['the keytab is a folder', 'the keytab and the dump are missing'],
        'the keytab is missing, with preauthentication',
      ],
      // With preauthentication MIT's says this, and ours what it says without.
      ({ stderr }, ours) => ({
        kdc: '',
        stderr: stderr.replace(
          'Generic preauthentication failure',
          /^kprop: (.*) while getting/m.exec(ours.stderr)?.[1] ?? '',
        ),
      }),
    ),
  },
  {
    id: 'The KDC is asked which name of the replica it knows',
    where: inEach(
      [
        'a lone dash as operand',
        'an empty host',
        'dns_canonicalize_hostname = true, and rdns says something else',
      ],
      // Nothing but requests for tickets, behind those of MIT's.
      ({ kdc }, ours) => (ours.kdc.startsWith(kdc) ? { kdc: ours.kdc } : {}),
    ),
  },
  {
    id: 'No default realm is an error with a text',
    where: inEach(
      [
        ...['krb5.conf missing', 'krb5.conf without a default realm'],
        ...['KRB5_CONFIG that begins with an empty entry', 'KRB5_CONFIG that names a folder'],
      ],
      () => ({
        stderr:
          'kprop: Configuration file does not specify default realm while getting default realm\n',
      }),
    ),
  },
  {
    id: 'Port 754 without an entry in the services database',
    where: { 'no entry in the services database': succeeded },
  },
  {
    id: 'A non-ASCII option is shown whole',
    where: inEach(
      [
        'an unknown option in a UTF-8 locale',
        'an unknown option that is no ASCII, in the C locale',
      ],
      ({ stderr }) => ({ stderr: stderr.replace("-- '\ufffd'", "-- 'é'") }),
    ),
  },
  {
    id: 'A folder is refused as a dump',
    where: {
      'the dump is a folder': ({ files }) => ({
        end: '1',
        stderr: 'kprop: Is a directory while trying to open /srv/run/x\n',
        peers: 'peer: SIGTERM\nready\nwaiting for a kprop connection\n',
        syslog: '',
        files: without(files, /(from_master\.temp|rcache2) /),
      }),
    },
  },
  {
    id: 'A dump that grows or shrinks is not loaded',
    where: {
      'the dump grows while it is sent': ({ files, peers }) => ({
        peers: peers.replace(
          /Full propagation transfer finished\.\n[\s\S]*(?=Database load process)/,
          'Generic remote error: Premature EOF found for database file!\n',
        ),
        // All but the last write of whole blocks.
        files: files.replace(
          /from_master 600 0:0 100000035 bytes \w+/,
          'from_master.temp 600 0:0 99975168 bytes 21c8677f624f',
        ),
      }),
    },
  },
  {
    id: 'Texts from the other side are printed on one line',
    where: {
      'refused: with two lines': ({ stderr }) => ({
        stderr: stderr.replace('one\ntwo', 'one two'),
      }),
    },
  },
];

function anywhereInKprop(id: string, where: readonly string[], change: Change): Deviation {
  return { id, where: inEach(where, change), anywhere: { kprop: change } };
}

function inEach(names: readonly string[], change: Change): Record<string, Change> {
  return Object.fromEntries(names.map((name) => [name, change]));
}

/** What a plain propagation from the primary to MIT's kpropd looks like. */
function succeeded({ files }: Observation): Partial<Observation> {
  const dump = /replica_datatrans( 600 0:0 \d+ bytes \w+)/.exec(files)?.[1];
  const lines = [
    ...without(files, /^\S+(from_master|rcache2) /).split('\n'),
    '/srv/primary/replica_datatrans.replica.lab.example.last_prop 600 0:0 1 bytes "\\u0000"',
    `/srv/replica/from_master${dump}`,
    '/var/tmp/krb5_0.rcache2 600 0:0',
  ];
  return {
    end: '0',
    stdout: 'Database propagation to replica.lab.example: SUCCEEDED\n',
    stderr: '',
    syslog: '<30>kpropd[PID]: Connection from ::ffff:192.0.2.1',
    files: lines.sort().join('\n'),
    peers: `peer: SIGTERM
ready
waiting for a kprop connection
Connection from ::ffff:192.0.2.1
krb5_recvauth(FD, kprop5_01, host/replica.lab.example@LAB.EXAMPLE, ...)
authenticated client: host/primary.lab.example@LAB.EXAMPLE (etype == aes256-cts-hmac-sha1-96)
Full propagation transfer started.
Full propagation transfer finished.
calling kdb5_util to load database
Load PID is PID
Database load process for full propagation completed.
waiting for a kprop connection
`,
  };
}

function without(lines: string, pattern: RegExp): string {
  return lines
    .split('\n')
    .filter((line) => !pattern.test(line))
    .join('\n');
}
