import type { Option } from './option.ts';

/** A command line, taken apart: options in order, then operands. */
export interface CommandLine {
  readonly options: readonly { readonly name: string; readonly value: string | undefined }[];
  readonly operands: readonly string[];
  /** getopt's messages about wrong options, without the program's name. */
  readonly complaints: readonly string[];
}

/**
 * Reads arguments as glibc's getopt_long does, which scripts have relied on for decades: clusters
 * ("-dP 754"), joined values ("-P754"), options after operands, "--" as the end of the options, and
 * unambiguous prefixes of long names.
 */
export function getopt(args: readonly string[], known: readonly Option[]): CommandLine {
  const find = (name: string) => known.find((option) => option.name === name);
  const longNames = known.map(({ name }) => name).filter((name) => name.length > 1);
  const options: { name: string; value: string | undefined }[] = [];
  const operands: string[] = [];
  const complaints: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      operands.push(...rest.splice(0));
    } else if (arg.startsWith('--')) {
      const [typed = '', ...parts] = arg.slice(2).split('=');
      const given = parts.length > 0 ? parts.join('=') : undefined;
      const names = longNames.filter((name) => name.startsWith(typed));
      const name = names.includes(typed) ? typed : names.length === 1 ? names[0] : undefined;
      if (name === undefined) {
        complaints.push(
          names.length > 1
            ? `option '${arg}' is ambiguous; possibilities: ${names.map((n) => `'--${n}'`).join(' ')}`
            : `unrecognized option '${arg}'`,
        );
      } else if (find(name)?.value === undefined) {
        if (given === undefined) options.push({ name, value: undefined });
        else complaints.push(`option '--${name}' doesn't allow an argument`);
      } else {
        const value = given ?? rest.shift();
        if (value === undefined) complaints.push(`option '--${name}' requires an argument`);
        else options.push({ name, value });
      }
    } else if (arg.startsWith('-') && arg !== '-') {
      readCluster(arg.slice(1), rest);
    } else {
      operands.push(arg);
    }
  }
  return { options, operands, complaints };

  function readCluster(letters: string, following: string[]): void {
    for (let at = 0; at < letters.length; at += 1) {
      const name = letters.charAt(at);
      const option = find(name);
      if (option === undefined) {
        complaints.push(`invalid option -- '${name}'`);
      } else if (option.value === undefined) {
        options.push({ name, value: undefined });
      } else {
        const value = letters.slice(at + 1) || following.shift();
        if (value === undefined) complaints.push(`option requires an argument -- '${name}'`);
        else options.push({ name, value });
        return;
      }
    }
  }
}
