import { KpropError } from '../../errors/kprop-error.ts';
import { masterEntryOfDump } from '../../kdb/master-key/find-entry.ts';
import type { MasterEntry } from '../../kdb/master-key/master-entry.ts';
import { opensMasterKey } from '../../kdb/master-key/opening.ts';
import { readStash, type StashedKey } from '../../kdb/master-key/stash.ts';
import { enctypeName } from '../../protocol/krb5/crypto/profiles.ts';

export interface MasterKeyCheckOptions {
  /** Where krb5kdc of this replica looks for its stash file, if that is known. */
  readonly stash: string | undefined;
  /** The canonical name of the master key's entry. */
  readonly masterKey: string;
  /** Whether a dump without the entry is refused, too. */
  readonly needsEntry: boolean;
  /** Loads a dump of whatever master key. */
  readonly any: boolean;
}

/**
 * Refuses a dump that this replica's krb5kdc could not open with its stash file: it would be loaded
 * without a word, and no KDC would start here any more. Without a stash file nothing is refused.
 */
export class MasterKeyCheck {
  readonly #o: MasterKeyCheckOptions;
  /** What was said last: the same is not said at every load. */
  #said = '';

  constructor(o: MasterKeyCheckOptions) {
    this.#o = o;
  }

  /** @throws loader.other-master-key, loader.no-master-key */
  async require(dump: string, onNotice: (text: string) => void): Promise<void> {
    const { stash: path, masterKey } = this.#o;
    if (path === undefined) return;
    const stash = readStash(path, masterKey);
    if (stash.is === 'absent') return;
    if (stash.is === 'unusable') {
      // krb5kdc cannot start with it, whatever is loaded: to refuse dumps would mend nothing.
      this.#say(unchecked(path, stash.reason), onNotice);
      return;
    }
    const found = await masterEntryOfDump(dump, masterKey);
    if (found.is === 'missing') {
      if (!this.#o.needsEntry) return;
      const error = new KpropError('loader.no-master-key', { path: dump, masterKey, stash: path });
      return this.#refuse(error, onNotice);
    }
    // Only kdb5_util can say what such a line means, and whether it means anything.
    const opens = found.is === 'found' && opensMasterKey(stash.stashed, found.entry);
    if (found.is === 'unreadable' || opens === undefined) {
      const reason = `it is not known whether it opens ${masterKey} of the dump, which is of an unknown form or encryption type`;
      this.#say(unchecked(path, reason), onNotice);
    } else if (!opens) {
      const held = heldKey(stash.stashed);
      const wanted = wantedKey(found.entry);
      const detail = { path: dump, stash: path, held, masterKey, wanted };
      this.#refuse(new KpropError('loader.other-master-key', detail), onNotice);
    } else this.#said = '';
  }

  #refuse(error: KpropError, onNotice: (text: string) => void): void {
    if (!this.#o.any) throw error;
    this.#say(`${error.message}; it is loaded all the same (--any-master-key)`, onNotice);
  }

  #say(text: string, onNotice: (text: string) => void): void {
    if (text !== this.#said) onNotice(text);
    this.#said = text;
  }
}

function unchecked(path: string, reason: string): string {
  return `the master key of the dump is not checked against the stash file ${path}: ${reason}`;
}

function heldKey({ kvno, enctype }: StashedKey): string {
  return kvno === undefined ? enctypeName(enctype) : `kvno ${kvno}, ${enctypeName(enctype)}`;
}

function wantedKey({ keys }: MasterEntry): string {
  return keys.map(({ kvno, enctype }) => `kvno ${kvno}, ${enctypeName(enctype)}`).join('; ');
}
