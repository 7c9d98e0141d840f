/** What is wrong with a configuration, and where. */
export interface Complaint {
  readonly file: string;
  /** From 1; 0 for the file as a whole. */
  readonly line: number;
  readonly problem: string;
  /** What was meant, or what to write instead. */
  readonly advice: string;
  /** The whole line as it should be, where that is known. */
  readonly instead?: string | undefined;
}

/** Thrown with everything that is wrong. */
export class BadSettings extends Error {
  override readonly name = 'BadSettings';
  readonly complaints: readonly Complaint[];

  constructor(complaints: readonly Complaint[]) {
    super(complaints.map(complaintText).join('\n'));
    this.complaints = complaints;
  }
}

export function complaintText({ file, line, problem, advice }: Complaint): string {
  return `${file}${line > 0 ? `:${line}` : ''}: ${problem}${advice && `: ${advice}`}`;
}
