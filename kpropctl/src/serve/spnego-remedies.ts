export interface Remedy {
  /** What the reader of the page is told. */
  readonly reader: string;
  /** What follows libkrb5's words in the log; empty if there is nothing to do here. */
  readonly administrator: string;
}

/**
 * What to do about a ticket that was refused. `kerberos` passes on no code, but libkrb5's sentences,
 * which are the same everywhere with LC_ALL=C; any that is not known gets the general remedy.
 * @see MIT krb5, lib/krb5/krb/rd_req_dec.c and lib/krb5/error_tables/krb5_err.et
 */
export function remedyFor(text: string, keytab: string): Remedy {
  const sentence = text.replace(/^.*Minor code may provide more information: /, '');
  const [, reader, administrator] = remedies.find(([pattern]) => pattern.test(sentence)) ?? [
    undefined,
    'the ticket was refused: run kdestroy and kinit, and load this page again',
    undefined,
  ];
  return {
    reader,
    administrator:
      administrator === undefined ? '' : `: ${administrator.replace('KEYTAB', keytab)}`,
  };
}

const renewKeytab =
  'if the browser used the right name of this host, renew it: kadmin: ktadd -k KEYTAB HTTP/HOST';
const serverKey =
  "this server's key is not the one that the KDC uses for it: the log of kpropctl serve says what to do";

const remedies: readonly (readonly [RegExp, string, string?])[] = [
  [/^Request is a replay$/, 'this request was already used once: load the page again'],
  [/^Clock skew too great$/, "the clocks of your host and this one differ: set your host's clock"],
  [/^Ticket expired$/, 'your ticket has expired: run kinit'],
  [/^Ticket not yet valid$/, "the ticket is not valid yet: set your host's clock, and run kinit"],
  [
    /^Request ticket server \S+ kvno \d+ not found in keytab; ticket is likely out of date$/,
    "your ticket is older than this server's key: run kdestroy and kinit",
  ],
  [
    /^Request ticket server \S+ kvno \d+ not found in keytab; keytab is likely out of date$/,
    serverKey,
    renewKeytab,
  ],
  [/^Request ticket server \S+ not found in keytab \(ticket kvno \d+\)$/, serverKey, renewKeytab],
  [
    /^Request ticket server \S+ kvno \d+ enctype \S+ found in keytab but cannot decrypt ticket$/,
    serverKey,
    renewKeytab,
  ],
  [
    /^Request ticket server \S+ kvno \d+ found in keytab but not with enctype \S+$/,
    serverKey,
    renewKeytab,
  ],
];
