import { replicaLog } from '../advice.ts';
import { krb5ErrorTexts } from '../com-err.ts';
import { type ReplicaRefusal, replicaAdvice } from '../replica-advice.ts';
import { peer, row } from './row.ts';

/** What a replica answers when it refuses. */
export const peerRows = {
  'peer.hung-up': row<{ peer: string }>({
    fault: { ...peer, exit: 77 },
    says: (d) => `${d.peer} authenticated this host and then closed the connection without a word`,
    why: (d) =>
      `${d.peer} closed the connection without a word, as MIT's kpropd does if kpropd.acl there lacks this host, or if it cannot write its file`,
    remedy: replicaLog,
  }),
  'peer.refused': row<ReplicaRefusal & { peer: string }>({
    fault: { ...peer, exit: 77 },
    comErr: (d) => d.number,
    says: (d) =>
      `${d.peer} refused: ${[d.number === 60 ? '' : krb5ErrorTexts[d.number], d.text].filter((t, i, all) => t && all.indexOf(t) === i).join(': ') || `error ${d.number}`}`,
    why: (d) => replicaAdvice(d).why,
    remedy: (d) => replicaAdvice(d).remedy,
  }),
} as const;
