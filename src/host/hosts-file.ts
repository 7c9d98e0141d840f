import { textIfThere } from './if-there.ts';

/** A line of /etc/hosts: an address, its canonical name, and other names. */
export interface HostsLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly address: string;
  readonly names: readonly string[];
}

/** The lines of /etc/hosts; none if it cannot be read. @see hosts(5) */
export function hostsLines(file = '/etc/hosts'): readonly HostsLine[] {
  return textIfThere(file)
    .split('\n')
    .flatMap((row, at) => {
      const [address, ...names] = row.replace(/#.*/, '').trim().split(/\s+/);
      return address === undefined || names.length === 0
        ? []
        : [{ file, line: at + 1, address, names }];
    });
}

/** The line by which the resolver knows this name. */
export function lineOfName(name: string, lines: readonly HostsLine[]): HostsLine | undefined {
  const wanted = name.toLowerCase();
  return lines.find(({ names }) => names.some((one) => one.toLowerCase() === wanted));
}

/** The line as it would make `name` the canonical one. */
export function lineWithFirst(name: string, { address, names }: HostsLine): string {
  const others = names.filter((one) => one.toLowerCase() !== name.toLowerCase());
  return [address, name, ...others].join(' ');
}
