import { type Complaint, complaintText } from '../config/complaints.ts';
import type { Settings } from '../config/settings.ts';
import { keytabFault, spnegoGuard } from './spnego.ts';

/** Who may do what on the page's port. */
export interface Guard {
  /** Who asks, by the Authorization header; or the answer to send instead. */
  authenticate(request: { readonly authorization: string | undefined }): Promise<Admission>;
  close(): Promise<void>;
}

export type Admission =
  | {
      readonly kind: 'admitted';
      readonly principal: string;
      /** The value of WWW-Authenticate to send along. */
      readonly reply: string | undefined;
    }
  | {
      readonly kind: 'refused';
      readonly status: 401 | 403 | 503;
      readonly challenge: string | undefined;
      readonly reason: string;
    };

export interface GuardSurroundings {
  readonly environment: NodeJS.ProcessEnv;
  /** For the log of the daemon: whom and what it refused, and why it cannot look at tickets. */
  readonly onTrouble: (text: string) => void;
}

/** The guard that the configuration asks for. Without `page_keytab` nobody can say who he is. */
export async function openGuard(settings: Settings, around: GuardSurroundings): Promise<Guard> {
  const { pageKeytab: keytab } = settings;
  if (keytab !== undefined) {
    for (const complaint of await guardComplaints(settings, around)) {
      around.onTrouble(complaintText(complaint));
    }
    return spnegoGuard({ settings, keytab, ...around });
  }
  return { authenticate: async () => withoutKeytab, close: async () => undefined };
}

/** What keeps the configured guard from looking at tickets. */
export async function guardComplaints(
  settings: Settings,
  { environment }: Pick<GuardSurroundings, 'environment'>,
): Promise<readonly Complaint[]> {
  const { pageKeytab: keytab, file = 'the configuration' } = settings;
  if (keytab === undefined) return [];
  const fault = await keytabFault({ settings, keytab, environment });
  return fault === undefined ? [] : [{ file, line: 0, ...fault }];
}

const withoutKeytab: Admission = {
  kind: 'refused',
  status: 401,
  challenge: 'Negotiate',
  reason: 'page_keytab is not set, so nobody can be asked for a ticket: run kpropctl run instead',
};
