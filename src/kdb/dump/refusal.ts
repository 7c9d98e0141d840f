/**
 * A dump is not loaded natively. `hand-over`: kdb5_util can judge it, and may load it, changed perhaps.
 * `refuse`: kdb5_util would crash, loop for ever or make a database that cannot be used.
 */
export class DumpRefusal extends Error {
  override readonly name = 'DumpRefusal';
  readonly verdict: 'hand-over' | 'refuse';
  /** Of the dump, from 1. */
  readonly line: number;
  /** In a few words, without anything of the dump. */
  readonly reason: string;

  constructor(verdict: 'hand-over' | 'refuse', line: number, reason: string) {
    super(`line ${line}: ${reason}`);
    this.verdict = verdict;
    this.line = line;
    this.reason = reason;
  }
}
