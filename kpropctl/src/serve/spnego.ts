import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import type { Settings } from '../config/settings.ts';
import { Acceptor, type Silence } from './acceptor.ts';
import type { Admission, Guard } from './guard.ts';
import { RefusalTally } from './refusal-tally.ts';
import { remedyFor } from './spnego-remedies.ts';
import { tokenIn } from './spnego-token.ts';
import type { Answer } from './spnego-worker.ts';

export interface SpnegoOptions {
  readonly settings: Settings;
  /** Keytab with keys of HTTP/…, by path. */
  readonly keytab: string;
  readonly environment: NodeJS.ProcessEnv;
  /** What a reader is not told, or not in these words, for the log of the daemon. */
  readonly onTrouble: (text: string) => void;
}

/** A guard that admits the principals of `page_principals`, by their Kerberos tickets (RFC 4559). */
export function spnegoGuard(o: SpnegoOptions): Guard {
  const acceptor = new Acceptor(workerEnvironment(o));
  const refusals = new RefusalTally(o.onTrouble);
  return {
    async authenticate({ authorization }) {
      if (authorization === undefined)
        return refused(401, 'this needs a Kerberos ticket: run kinit');
      const found = tokenIn(authorization);
      if ('fault' in found) {
        // Whoever sends a token chooses the length that is told.
        refusals.add(found.fault.replace(/\d+/, ''), `the page refused ${found.fault}`);
        return refused(401, `this needs a Kerberos ticket, and not ${found.fault}: run kinit`);
      }
      return admission(await acceptor.ask(found), o, refusals);
    },
    close: async () => {
      await acceptor.close();
      refusals.close();
    },
  };
}

/** What is wrong with the keytab of the page, or the package that reads it: its words and a remedy. */
export async function keytabFault(
  o: Pick<SpnegoOptions, 'settings' | 'keytab' | 'environment'>,
): Promise<{ readonly problem: string; readonly advice: string } | undefined> {
  const acceptor = new Acceptor(workerEnvironment(o));
  const answer = await acceptor.ask({ token: null });
  await acceptor.close();
  return answer.kind === 'ready' ? undefined : ownFault(answer, o.keytab);
}

function admission(
  answer: Answer | Silence,
  o: Pick<SpnegoOptions, 'settings' | 'keytab'>,
  refusals: RefusalTally,
): Admission {
  switch (answer.kind) {
    case 'accepted': {
      const { principal, reply } = answer;
      if (o.settings.pagePrincipals.includes(principal)) {
        return {
          ...{ kind: 'admitted', principal },
          reply: reply === null ? undefined : `Negotiate ${reply}`,
        };
      }
      refusals.add(principal, `the page refused ${principal}, which is not in page_principals`);
      return refused(
        403,
        `your principal, ${principal}, is not in page_principals of ${fileOf(o.settings)}`,
      );
    }
    case 'token': {
      const { reader, administrator } = remedyFor(answer.text, o.keytab);
      // Not by libkrb5's words: names that the sender has chosen are in them.
      refusals.add(reader, `the page refused a ticket: ${answer.text}${administrator}`);
      return refused(401, reader);
    }
    default: {
      const { problem, advice } = ownFault(answer, o.keytab);
      refusals.add(problem, `the page cannot look at tickets: ${problem}: ${advice}`);
      return refused(503, 'tickets cannot be looked at now; the log of kpropctl serve says why');
    }
  }
}

/** What is wrong on our side. */
function ownFault(answer: Answer | Silence, keytab: string) {
  switch (answer.kind) {
    case 'package':
      return {
        problem: `the package kerberos cannot be loaded (${answer.text})`,
        advice: 'npm install --global kerberos, or unset page_keytab',
      };
    case 'keytab':
      return {
        problem: `page_keytab = ${keytab} cannot be used (${answer.text})`,
        advice: `kadmin: ktadd -k ${keytab} HTTP/HOST, with the name of this host in its address`,
      };
    default:
      return { problem: 'text' in answer ? answer.text : answer.kind, advice: 'try again' };
  }
}

function refused(status: 401 | 403 | 503, reason: string): Admission {
  return { kind: 'refused', status, challenge: status === 401 ? 'Negotiate' : undefined, reason };
}

const fileOf = ({ file }: Settings) => file ?? 'the configuration';

function workerEnvironment(
  o: Pick<SpnegoOptions, 'settings' | 'keytab' | 'environment'>,
): NodeJS.ProcessEnv {
  mkdirSync(o.settings.state, { recursive: true, mode: 0o700 });
  return {
    ...o.environment,
    KRB5_KTNAME: `FILE:${o.keytab}`,
    // A file that outlives this daemon, and which nothing in the environment can turn off.
    KRB5RCACHENAME: `file2:${join(o.settings.state, 'page.rcache2')}`,
    // No mechanisms but those built in: with gss-ntlmssp, SPNEGO would take NTLM.
    GSS_MECH_CONFIG: '/dev/null',
    LC_ALL: 'C',
  };
}
