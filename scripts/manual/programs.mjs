// The programs with their options, as what was built into dist/ has them.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const tables = [
  { name: 'kprop', table: 'kpropOptions', operand: { name: 'replica', complete: 'host' } },
  { name: 'kpropd', table: 'kpropdOptions' },
  { name: 'kproplog', table: 'kproplogOptions' },
];

/**
 * kpropctl with its commands, and the relations of its configuration.
 * @param dist the folder into which kpropctl/src/ was compiled
 */
export async function controlIn(dist) {
  const load = (file) => import(pathToFileURL(join(dist, file)).href);
  const { commandLine } = await load('command-line.js');
  const { globalRelations, replicaRelations } = await load('config/relations.js');
  const program = commandLine({}, () => undefined);
  const commands = program.commands.map((command) => ({
    name: command.name(),
    about: sentence(command.description()),
    options: command.options.map(optionOf),
    operand: operandOf(command.registeredArguments[0]),
  }));
  const options = [{ name: 'version', text: 'Print the version, and exit.' }];
  return {
    name: 'kpropctl',
    options,
    commands,
    relations: { kpropctl: globalRelations, replicas: replicaRelations },
  };
}

/** An option of commander's. A value that may be left out is not asked for by a shell. */
function optionOf({ long, flags, required, description }) {
  const value = required ? /<(.*)>/.exec(flags)?.[1] : undefined;
  return {
    name: long.replace(/^--/, ''),
    ...(value !== undefined && { value }),
    ...(value === 'file' && { complete: 'file' }),
    text: sentence(description),
  };
}

function operandOf(argument) {
  if (argument === undefined) return undefined;
  const name = argument.name();
  const complete = name === 'replica' ? 'host' : name === 'kit' ? 'file' : undefined;
  const choices = name === 'shell' ? ['bash', 'zsh', 'fish'] : undefined;
  const { variadic: repeats, required } = argument;
  return { name, required, ...(repeats && { repeats }), complete, choices };
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

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
