import { krb5ErrorTexts } from '../com-err.ts';
import { remedyForReplicaError } from '../remedies.ts';
import { peer, row } from './row.ts';

/** What a replica answers when it refuses. */
export const peerRows = {
  'peer.hung-up': row<{ peer: string }>({
    fault: { ...peer, exit: 77 },
    says: (d) => `${d.peer} authenticated this host and then closed the connection without a word`,
    remedy:
      "MIT's kpropd does that when kpropd.acl there lacks this host's principal, or when it cannot open its spool file: look at its system log",
  }),
  'peer.refused': row<{ peer: string; number: number; text: string }>({
    fault: { ...peer, exit: 77 },
    comErr: (d) => d.number,
    says: (d) =>
      `${d.peer} refused: ${[d.number === 60 ? '' : krb5ErrorTexts[d.number], d.text].filter((t, i, all) => t && all.indexOf(t) === i).join(': ') || `error ${d.number}`}`,
    remedy: (d) => remedyForReplicaError(d.number, d.text),
  }),
} as const;
