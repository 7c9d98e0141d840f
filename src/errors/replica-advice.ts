import { type Advice, bothClocks, kadmin, replicaLog } from './advice.ts';

/** What a replica refused, and the two principals if they are known. */
export interface ReplicaRefusal {
  /** The error-code of the KRB-ERROR. */
  readonly number: number;
  /** Its e-text: the words of kpropd. */
  readonly text: string;
  readonly client?: string | undefined;
  readonly server?: string | undefined;
}

/** What to do, on the primary, about a KRB-ERROR that kpropd sent. */
export function replicaAdvice(refusal: ReplicaRefusal): Advice {
  // The step that failed may follow: "while writing database block starting at offset 0".
  const said = refusal.text.replace(/ while (?!trying to exec ).*$/, '');
  for (const { phrase, advice } of byText) {
    const match = phrase.exec(said);
    if (match !== null) return advice(match, refusal);
  }
  return byNumber[refusal.number]?.(refusal) ?? { remedy: replicaLog };
}

type ByRefusal = (refusal: ReplicaRefusal) => Advice;

/** Of two keys in a keytab the one with the higher version is used; a principal made anew has a lower one. */
const ktaddThere = ({ server = 'host/REPLICA' }: ReplicaRefusal) =>
  `on the replica, run ${kadmin(`ktremove ${server} all`)}, then ${kadmin(`ktadd ${server}`)}`;

const byNumber: Readonly<Record<number, ByRefusal | undefined>> = {
  31: (refusal) => ({
    why: "the key in the replica's keytab is not the one that the KDC has, though its version is",
    remedy: ktaddThere(refusal),
  }),
  32: () => ({ why: "the replica's clock is ahead by a ticket's lifetime", remedy: bothClocks }),
  33: () => ({ why: "the replica's clock is behind the KDC's", remedy: bothClocks }),
  34: () => ({
    why: 'the replica has had the same request before',
    remedy: 'run kprop again; if it fails again, find out what repeats packets between the hosts',
  }),
  35: ({ server }) => ({
    why: `the replica does not call itself ${server ?? 'by that name'}`,
    remedy:
      'on the replica, set `ignore_acceptor_hostname = true` in [libdefaults] of /etc/krb5.conf, or correct its name: `journalctl -t kpropd`',
  }),
  37: () => ({
    why: "the replica's clock is more than its clockskew (300 s) from the KDC's",
    remedy: bothClocks,
  }),
  42: () => ({
    why: 'messages arrived out of order',
    remedy: 'run kprop again; if it fails again, see what stands between the two hosts',
  }),
  44: (refusal) => ({
    why: "the replica's keytab has the key in other versions only",
    remedy: ktaddThere(refusal),
  }),
  45: () => ({
    why: 'kpropd there cannot read its keytab, or finds no key in it for what it takes for its name',
    remedy: 'on the replica, run `journalctl -t kpropd`: it names the keytab and the key',
  }),
};

/**
 * By kpropd's text, ours or MIT's, for reasons that have no error number of their own. Whole phrases
 * only: a word inside a path or a principal means nothing.
 */
const byText: readonly {
  readonly phrase: RegExp;
  readonly advice: (match: RegExpExecArray, refusal: ReplicaRefusal) => Advice;
}[] = [
  {
    phrase: /^(\S+) is not authorized to propagate to this host(?:: its line (\d+) (.{1,80}))?$/,
    advice: ([, client = '', line, fault]) =>
      line === undefined
        ? {
            why: 'kpropd.acl on the replica does not have this host',
            remedy: `on the replica, add the line \`${client}\` to /etc/krb5kdc/kpropd.acl`,
          }
        : {
            why: `line ${line} of kpropd.acl on the replica ${fault}`,
            remedy: `on the replica, write \`${client}\` as line ${line} of /etc/krb5kdc/kpropd.acl`,
          },
  },
  {
    phrase: /^No space left on device$|^Disk quota exceeded$/,
    advice: () => ({
      why: "the replica's disk is full",
      remedy: 'on the replica, make room where `df` shows 100 %, then run kprop again',
    }),
  },
  {
    phrase: /^Read-only file system$/,
    advice: () => ({
      why: 'a mount on the replica, or the sandbox of its unit, forbids kpropd to write',
      remedy: 'on the replica, run `journalctl -t kpropd`: it names the folder for ReadWritePaths',
    }),
  },
  {
    phrase: /^Permission denied$/,
    advice: () => ({
      why: 'the user that kpropd runs as on the replica may not write its folder',
      remedy: 'on the replica, run `journalctl -t kpropd`: it names the folder and the user',
    }),
  },
  {
    phrase: /^the spool file is locked by another propagation$/,
    advice: () => ({
      why: 'another propagation to this replica is under way',
      remedy: 'wait for it to end, then run kprop again',
    }),
  },
  {
    phrase: /^(.+) while trying to exec (\S+)$/,
    advice: ([, errno, program]) =>
      errno === 'No such file or directory'
        ? {
            why: `the replica has no ${program}, without which its kpropd cannot load the database`,
            remedy:
              'on the replica, run `apt-get install krb5-kdc`, or start kpropd with -p and the path of kdb5_util',
          }
        : {
            why: `the replica cannot run ${program}: ${errno}`,
            remedy: 'on the replica, run `journalctl -t kpropd`: it names the file',
          },
  },
  {
    phrase: /^(\S+) returned a bad exit status \((\d+)\)$/,
    advice: ([, program]) => ({
      why: `${program} on the replica could not load the database; what it printed is in the log there`,
      remedy: 'on the replica, run `journalctl -t kpropd`',
    }),
  },
  {
    phrase: /^(\S+) load terminated by (\S+)$/,
    advice: ([, program, signal]) => ({
      why: `${signal} ended ${program} on the replica: memory ran out, or somebody sent it`,
      remedy: 'run kprop again; if it fails again, on the replica, run `dmesg`',
    }),
  },
  {
    phrase: /^the propagation did not end within (\d+) s$/,
    advice: ([, seconds]) => ({
      why: `the replica ends a propagation, its load included, after ${seconds} s`,
      remedy: `on the replica, start kpropd with \`--timeout=${4 * Number(seconds)}\`, or set iprop_resync_timeout in kdc.conf`,
    }),
  },
  {
    phrase: /^the dump was not loaded: it /,
    advice: () => ({ remedy: 'run `kdb5_util dump` again, and kprop only if it succeeds' }),
  },
  {
    phrase: /^the dump has (\d+) bytes; this replica takes (\d+)$/,
    advice: ([, bytes]) => ({
      remedy: `if the database has grown that large, on the replica, start kpropd with \`--max-dump=${2 * Number(bytes)}\``,
    }),
  },
  {
    phrase: /^Encryption type (?:\S+ )?not permitted$/,
    advice: () => ({
      why: "the replica's permitted_enctypes (or --require-enctype) excludes the type of the ticket or its session key",
      remedy:
        'set permitted_enctypes in [libdefaults] of krb5.conf alike on the KDC and on both hosts',
    }),
  },
  {
    phrase: /^Unsupported key table format version number$/,
    advice: (_, { server = 'host/REPLICA' }) => ({
      why: "the replica's keytab is empty or damaged",
      remedy: `on the replica, run \`rm /etc/krb5.keytab\`, then ${kadmin(`ktadd ${server}`)}`,
    }),
  },
];
