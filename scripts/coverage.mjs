// Runs the tests, and prints how many lines of src/ they reach: in vitest's own processes, and in the
// programs of dist/bin that they start. Without a selection of tests, too few lines are a failure.
//   node scripts/coverage.mjs [vitest's arguments]

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { mergeScriptCovs } from '@bcoe/v8-coverage';
import { convert } from 'ast-v8-to-istanbul';
import istanbul from 'istanbul-lib-coverage';
import { parseAstAsync } from 'vitest/node';

const leastPercent = 90;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const maps = join(root, 'node_modules/.cache/kprop/maps');
const args = process.argv.slice(2);

const folder = mkdtempSync(join(tmpdir(), 'kprop-coverage-'));
let status = 1;
try {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const env = { ...process.env, PROGRAM_COVERAGE: join(folder, 'programs') };
  const coverage = ['--coverage.enabled', `--coverage.reportsDirectory=${join(folder, 'tests')}`];
  ({ status } = spawnSync(process.execPath, [vitest, 'run', ...coverage, ...args], {
    cwd: root,
    env,
    stdio: 'inherit',
  }));
  const percent = await report();
  const whole = args.every((arg) => arg.startsWith('-'));
  if (whole && percent < leastPercent) {
    console.error(`Fewer than ${leastPercent} % of the lines are covered.`);
    status ||= 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(status ?? 1);

/** Prints the line coverage of each folder; returns the percentage of all of them. */
async function report() {
  const map = istanbul.createCoverageMap(json(join(folder, 'tests', 'coverage-final.json')) ?? {});
  for (const program of ['kprop', 'kpropd', 'kproplog'])
    map.merge(await coverageOf(`${program}.js`));
  const folders = new Map();
  const all = istanbul.createCoverageSummary();
  // kpropctl has a src/ of its own, which runs as a program.
  const files = map.files().filter((file) => file.startsWith(join(root, 'src/')));
  for (const file of files.sort()) {
    const summary = map.fileCoverageFor(file).toSummary();
    const name = dirname(file).slice(root.length + 1);
    if (!folders.has(name)) folders.set(name, istanbul.createCoverageSummary());
    folders.get(name).merge(summary);
    all.merge(summary);
  }
  console.log('\nLine coverage');
  for (const [name, { lines }] of [...folders, ['src, all of it', all]]) {
    console.log(
      `  ${lines.pct.toFixed(2).padStart(6)} %  ${lines.covered}/${lines.total}  ${name}`,
    );
  }
  return all.lines.pct;
}

/** What all runs of a program reached together, by the source files that it was bundled from. */
async function coverageOf(program) {
  const url = pathToFileURL(join(root, 'dist/bin', program)).href;
  let merged;
  const programs = join(folder, 'programs');
  if (!existsSync(programs)) return {};
  for (const name of readdirSync(programs)) {
    // A program that was killed while it wrote leaves a file that cannot be read.
    const run = json(join(programs, name));
    const scripts = run?.result.filter((script) => script.url === url) ?? [];
    if (scripts.length > 0) merged = mergeScriptCovs([...(merged ? [merged] : []), ...scripts]);
  }
  if (merged === undefined) return {};
  const code = readFileSync(fileURLToPath(url), 'utf8').replace(/^#!/, '//');
  const sourceMap = json(join(maps, `${program}.map`));
  // The paths are relative to the folder into which esbuild wrote the map.
  sourceMap.sources = sourceMap.sources.map((source) => resolve(root, 'dist/bin', source));
  const ast = await parseAstAsync(code);
  const covered = await convert({
    ast,
    code,
    wrapperLength: 0,
    coverage: { ...merged, url },
    sourceMap,
  });
  const own = Object.entries(covered).filter(([file]) => file.startsWith(join(root, 'src/')));
  return Object.fromEntries(own);
}

function json(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
