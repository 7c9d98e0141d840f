import { afterAll, beforeAll, expect, test } from 'vitest';

import { deviations, type Program } from './deviations.ts';
import { createTwins, type KdcConf, type Twins } from './realm.ts';
import { fromParent, type Observation, play, type Scenario } from './scenario.ts';

/**
 * A test for each scenario: MIT's program and ours, each in a world of its own, do the same, but for
 * the deviations that the table allows; and one more: each deviation that the table allows in these
 * scenarios does occur.
 */
export function compareMakes(
  program: Program,
  scenarios: readonly Scenario[],
  kdcConf: KdcConf = 'plain',
): void {
  let twins: Twins;
  beforeAll(async () => {
    twins = await createTwins(kdcConf);
  });
  afterAll(() => twins?.close());
  const occurred = new Set<string>();

  test.each(scenarios)('$name', async (scenario) => {
    await twins.restore();
    const { worlds } = twins;
    const [mit, ours] = await Promise.all([
      play(scenario, worlds.mit, 'mit'),
      play(scenario, worlds.ours, 'ours'),
    ]);
    const shown = allowed(program, scenario, { mit, ours }, occurred);
    expect(differences(shown, ours)).toEqual([]);
  });

  test('every deviation in the table still occurs', () => {
    const names = new Set(scenarios.map(({ name }) => name));
    const expected = deviations.flatMap(({ id, where }) =>
      Object.keys(where)
        .filter((name) => names.has(name))
        .map((name) => `${id}: ${name}`),
    );
    expect(expected.filter((deviation) => !occurred.has(deviation))).toEqual([]);
  });
}

/** What ours may show where MIT's shows this. */
function allowed(
  program: Program,
  scenario: Scenario,
  { mit, ours }: { readonly mit: Observation; readonly ours: Observation },
  occurred: Set<string>,
): Observation {
  let shown = mit;
  for (const { id, where, anywhere } of deviations) {
    const change = where[scenario.name] ?? anywhere?.[program];
    if (change === undefined) continue;
    const changed = { ...shown, ...change(shown, ours) };
    if (differences(shown, changed).length > 0) occurred.add(`${id}: ${scenario.name}`);
    shown = changed;
  }
  return shown;
}

/** Lines that only one of two observations has: `stderr - of the first`, `stderr + of the second`. */
function differences(first: Observation, second: Observation): readonly string[] {
  return (Object.keys(first) as (keyof Observation)[]).flatMap((field) => {
    if (first[field] === second[field]) return [];
    const [before, after] = [first[field].split('\n'), second[field].split('\n')];
    const found = [
      ...without(before, after).map((line) => `${field} - ${line}`),
      ...without(after, before).map((line) => `${field} + ${line}`),
    ];
    if (found.length > 0) return found;
    if (inOrder(before) === inOrder(after)) return [];
    return [`${field}: the order of lines\n${after.join('\n')}`];
  });
}

/** The lines whose order means something. */
function inOrder(lines: readonly string[]): string {
  return lines.filter((line) => line !== fromParent).join('\n');
}

function without(lines: readonly string[], others: readonly string[]): readonly string[] {
  const left = [...others];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at !== -1) left.splice(at, 1);
    return at === -1;
  });
}
