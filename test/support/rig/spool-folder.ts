import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, vi } from 'vitest';

import type { ReceivedDump } from '../../../src/protocol/kprop/dump.ts';

/** A folder for the spool of each test, with a umask that takes nothing away. */
export class SpoolFolder {
  folder = '';
  path = '';
  temporary = '';

  static forEachTest(): SpoolFolder {
    const spool = new SpoolFolder();
    let mask = 0;
    beforeEach(() => {
      spool.folder = mkdtempSync(join(tmpdir(), 'spool-'));
      spool.path = join(spool.folder, 'from_master');
      spool.temporary = `${spool.path}.temp`;
      mask = process.umask(0);
    });
    afterEach(() => {
      vi.restoreAllMocks();
      process.umask(mask);
      rmSync(spool.folder, { recursive: true });
    });
    return spool;
  }

  files(): readonly string[] {
    return readdirSync(this.folder).sort();
  }
}

/** A dump that arrives in these blocks; an error in place of one is thrown there. */
export const dumpOf = (...blocks: readonly (string | Error)[]): ReceivedDump => ({
  bytes: blocks.reduce((sum, block) => sum + (block instanceof Error ? 0 : block.length), 0),
  async *batches() {
    for (const block of blocks) {
      if (block instanceof Error) throw block;
      yield [Buffer.from(block, 'latin1')];
    }
  },
});
