// The programs with their options, as what was built into dist/ has them.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const tables = [
  { name: 'kprop', table: 'kpropOptions', operand: { name: 'replica', complete: 'host' } },
  { name: 'kpropd', table: 'kpropdOptions' },
  { name: 'kproplog', table: 'kproplogOptions' },
];

/**
 * Name, options and operand of each program. The `text` of an option is what help says of it.
 * @param dist the folder into which src/ was compiled
 */
export async function programsIn(dist) {
  const load = (file) => import(pathToFileURL(join(dist, 'cli', file)).href);
  const { aboutOption } = await load('help.js');
  return Promise.all(
    tables.map(async ({ name, table, operand }) => {
      const options = (await load(`${name}/options.js`))[table];
      return { name, operand, options: options.map((one) => ({ ...one, text: aboutOption(one) })) };
    }),
  );
}
