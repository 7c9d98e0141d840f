// Writes the manual pages and the completions of shells into folders of dist/.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { completionsOf } from './completions.mjs';
import { manualPage } from './pages.mjs';

/**
 * @param programs what programs.mjs gives
 * @param o.pages the folder with the pages
 * @param o.target the folder that gets man/ and completions/
 */
export function writeManual(programs, { pages, target }) {
  const man = emptied(join(target, 'man'));
  for (const file of readdirSync(pages)) {
    const text = readFileSync(join(pages, file), 'utf8');
    writeFileSync(join(man, file), manualPage(text, file, programs));
  }
  const completions = emptied(join(target, 'completions'));
  for (const program of programs) {
    for (const [file, text] of Object.entries(completionsOf(program))) {
      writeFileSync(join(completions, file), text);
    }
  }
}

function emptied(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
