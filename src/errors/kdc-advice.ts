import { type Advice, bothClocks, kadmin, kdcLog, keytabFile, ktadd } from './advice.ts';

/** A request that a KDC refused. */
export interface KdcRefusal {
  /** The error-code of the KRB-ERROR. */
  readonly number: number;
  /** Its e-text, which krb5kdc uses to say which check failed. */
  readonly text: string;
  readonly client: string;
  readonly server: string;
  /** The keytab that holds the client's key, if it is known. */
  readonly keytab?: string | undefined;
}

/**
 * What to do about a KDC's refusal: by what krb5kdc says of the check that failed, else by the number.
 * @see krb5 src/kdc/kdc_util.c, validate_as_request; src/kdc/do_as_req.c
 */
export function kdcAdvice(refusal: KdcRefusal): Advice {
  const advice = byText[refusal.text] ?? byNumber[refusal.number];
  return advice?.(refusal) ?? { remedy: kdcLog };
}

type ByRefusal = (refusal: KdcRefusal) => Advice;

const modify = (what: string, principal: string) =>
  `run ${kadmin(`modprinc ${what} ${principal}`)}`;

/** "SERVICE LOCKED OUT" comes with the number of a principal that does not exist. */
const byText: Readonly<Record<string, ByRefusal | undefined>> = {
  'CLIENT LOCKED OUT': ({ client }) => ({
    why: `${client} has -allow_tix`,
    remedy: modify('+allow_tix', client),
  }),
  LOCKED_OUT: ({ client }) => ({
    why: `too many failed attempts have locked ${client}`,
    remedy: modify('-unlock', client),
  }),
  'REQUIRED PWCHANGE': ({ client }) => ({
    why: `${client} has +needchange`,
    remedy: modify('-needchange', client),
  }),
  'SERVICE LOCKED OUT': ({ server }) => ({
    why: `the replica's principal ${server} exists, but has -allow_tix`,
    remedy: modify('+allow_tix', server),
  }),
};

const byNumber: Readonly<Record<number, ByRefusal | undefined>> = {
  1: ({ client }) => ({
    why: `${client} has expired`,
    remedy: modify('-expire never', client),
  }),
  2: ({ server }) => ({
    why: `the replica's principal ${server} has expired`,
    remedy: modify('-expire never', server),
  }),
  6: ({ client, keytab }) => ({
    why: `the KDC has no ${client}, which is this host's name for itself`,
    remedy: `run ${kadmin(`addprinc -randkey ${client}`)}, then ${keytab === undefined ? kadmin(`ktadd ${client}`) : ktadd(keytab, client)}`,
  }),
  7: ({ server }) => ({
    why: `the KDC has no ${server}, which the replica's name stands for`,
    remedy: `if the name is right, run ${kadmin(`addprinc -randkey ${server}`)}, then on the replica ${kadmin(`ktadd ${server}`)}`,
  }),
  12: ({ client, server }) => ({
    why: `a policy of the KDC lets ${client} have no ticket for ${server}`,
    remedy: `compare their attributes: ${kadmin(`getprinc ${client}`)}, ${kadmin(`getprinc ${server}`)}`,
  }),
  14: ({ client, server }) => ({
    why: `${client} or ${server} has no key of a type that permitted_enctypes here allows`,
    remedy: `compare their keys with permitted_enctypes: ${kadmin(`getprinc ${client}`)}, ${kadmin(`getprinc ${server}`)}`,
  }),
  18: ({ client }) => ({
    why: `${client} is locked`,
    remedy: `${modify('+allow_tix', client)}, or with -unlock`,
  }),
  19: ({ server }) => ({
    why: `the replica's principal ${server} is locked`,
    remedy: modify('+allow_tix', server),
  }),
  23: ({ client }) => ({
    why: `the password of ${client} has expired`,
    remedy: modify('-pwexpire never', client),
  }),
  24: staleKey,
  25: ({ client }) => ({
    why: `the KDC takes no encrypted timestamp from ${client}, but PKINIT, SPAKE or FAST`,
    remedy: 'run kprop with `--gss`',
  }),
  27: ({ server }) => ({
    why: `the replica's principal ${server} has -allow_svr`,
    remedy: modify('+allow_svr', server),
  }),
  31: staleKey,
  37: () => ({
    why: "this host's clock and the KDC's differ by more than the KDC allows",
    remedy: bothClocks,
  }),
  68: ({ server }) => ({
    why: `the KDC that krb5.conf names does not serve the realm of ${server}`,
    remedy: 'correct -r, default_realm, or the kdc lines of [realms] in krb5.conf',
  }),
};

/** The key was changed in the database, by a ktadd elsewhere or a new password, and not in the keytab. */
export function staleKey({ client, keytab }: Pick<KdcRefusal, 'client' | 'keytab'>): Advice {
  return {
    why: `the key of ${client} in ${keytab === undefined ? 'the keytab' : keytabFile(keytab)} is not the one that the KDC has`,
    // Of two keys the one with the higher version is used; that of a principal made anew is lower.
    remedy:
      keytab === undefined
        ? `run ${kadmin(`ktremove ${client} all`)}, then ${kadmin(`ktadd ${client}`)}`
        : `run ${kadmin(`ktremove -k ${keytabFile(keytab)} ${client} all`)}, then ${ktadd(keytab, client)}`,
  };
}
