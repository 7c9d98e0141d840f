import type { DumpReport, ReplicaReport } from './report.ts';

/** What happens in a run. */
export type RunEvent =
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'generation'; readonly generation: number }
  | { readonly kind: 'dumping'; readonly records: number }
  | { readonly kind: 'dumped'; readonly dump: DumpReport; readonly generation: number }
  | { readonly kind: 'trying'; readonly host: string; readonly attempt: number }
  /** A word for what a replica is doing: connecting, sending, loading, proving. */
  | {
      readonly kind: 'progress';
      readonly host: string;
      readonly doing: string;
      readonly bytes: number;
      readonly total: number;
    }
  | {
      readonly kind: 'retrying';
      readonly host: string;
      readonly seconds: number;
      readonly message: string;
    }
  | { readonly kind: 'outcome'; readonly replica: ReplicaReport };
