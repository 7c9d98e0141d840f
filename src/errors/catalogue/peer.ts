import { krb5ErrorTexts } from '../com-err.ts';
import { remedyForReplicaError } from '../remedies.ts';
import { peer, row } from './row.ts';

/** What a replica answers when it refuses. */
export const peerRows = {
  'peer.refused': row<{ peer: string; number: number; text: string }>({
    fault: { ...peer, exit: 77 },
    comErr: (d) => d.number,
    says: (d) =>
      `${d.peer} refused: ${[d.number === 60 ? '' : krb5ErrorTexts[d.number], d.text].filter((t, i, all) => t && all.indexOf(t) === i).join(': ') || `error ${d.number}`}`,
    remedy: (d) => remedyForReplicaError(d.number, d.text),
  }),
} as const;
