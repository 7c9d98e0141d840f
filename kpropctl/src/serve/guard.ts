import type { Settings } from '../config/settings.ts';

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

/** The guard that the configuration asks for. Without `page_keytab` nobody can say who he is. */
export async function openGuard(_settings: Settings): Promise<Guard> {
  return { authenticate: async () => withoutKeytab, close: async () => undefined };
}

const withoutKeytab: Admission = {
  kind: 'refused',
  status: 401,
  challenge: 'Negotiate',
  reason: 'page_keytab is not set, so nobody can be asked for a ticket: run kpropctl run instead',
};
