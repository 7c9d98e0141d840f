import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { createTwins, type Twins } from '../differential/realm.ts';
import { packageRoot } from '../support/lab/lab.ts';
import type { Breakage } from './breakage.ts';
import { play, type Told } from './stage.ts';

const path = join(packageRoot, 'docs/breakages.md');

/**
 * A test for each breakage: our fix, followed word for word, mends it. And one that holds the section of
 * docs/breakages.md against what was said; with UPDATE_DOCS=1 it writes the section.
 */
export function tellBreakages(section: string, breakages: readonly Breakage[]): void {
  let twins: Twins;
  const told: Told[] = [];
  beforeAll(async () => {
    twins = await createTwins();
  });
  afterAll(() => twins?.close());

  describe(section, () => {
    test.each(breakages)('$name', async (breakage) => {
      const row = await play(breakage, twins);
      told.push(row);
      expect(row.ours.at(-1)).toMatch(/^fix: .{10,}/);
      // Short enough to be read: two lines of a wide terminal.
      for (const line of row.ours) expect(line.length, line).toBeLessThanOrEqual(260);
      expect(row.mended, `${row.ours.join('\n')}\n${row.followed}\n${row.output}`).toBe(true);
    });

    test('docs/breakages.md has this section as it was found', () => {
      expect(told).toHaveLength(breakages.length);
      const text = told.map(rowText).join('\n');
      if (process.env.UPDATE_DOCS) writeSection(section, text);
      expect(sections().get(section)).toBe(text);
    });
  });
}

/** A row of the table; what is broken has backquotes of its own. */
function rowText({ name, mit, ours, followed }: Told): string {
  const cells = [name, code(mit), code(ours), followed.replaceAll('|', '\\|')];
  return `| ${cells.join(' | ')} | yes |`;
}

function code(lines: readonly string[]): string {
  if (lines.length === 0) return 'nothing';
  return lines.map((line) => `\`\` ${line.trim().replaceAll('|', '\\|')} \`\``).join('<br>');
}

const head =
  "| broken | MIT's program says | ours adds | followed | mended |\n|---|---|---|---|---|\n";

/** Heading → rows. */
function sections(): Map<string, string> {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((part) => {
        const [title = ''] = part.split('\n');
        return [title, part.slice(part.indexOf(head) + head.length).trim()] as const;
      }),
  );
}

function writeSection(section: string, rows: string): void {
  const all = sections().set(section, rows);
  const inOrder = order.flatMap((title) => [...all].filter(([each]) => each === title));
  const body = inOrder.map(([title, text]) => `## ${title}\n\n${head}${text}\n`).join('\n');
  writeFileSync(path, `${introduction}\n${body}`);
}

const order = ['Names, realms, keytabs', 'The KDC and the dump', 'kpropd.acl', 'The replica'];

const introduction = `# What breaks, what is said, and what mends it

Written by the tests in \`test/breakages\`, which break each of these in a small realm, run MIT's programs and
ours, do word for word what our \`fix:\` says, and propagate once more.
\`UPDATE_DOCS=1 npm run test:long -- test/breakages --maxWorkers=1\` writes this page anew. MIT's message always stands above our lines.
`;
