import { lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { namesIfThere, textIfThere } from '../../host/if-there.ts';

/** A unit of systemd as its files describe it. */
export interface Unit {
  readonly name: string;
  /** Whether systemd starts it when the host boots. */
  readonly enabled: boolean;
  /** All values of a setting of [Service], in order; an empty one has reset those before it. */
  values(name: string): readonly string[];
}

/** Whether systemd is the init of this host. @see sd_booted(3) */
export function runsSystemd(): boolean {
  return statSync('/run/systemd/system', { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The units that may start a kpropd, ours or the distribution's. */
export function kpropdUnits(): readonly Unit[] {
  return unitNames.flatMap((name) => {
    const text = unitText(name);
    return text === undefined ? [] : [new UnitFile(name, text)];
  });
}

export const unitNames = [
  'kpropd.service',
  'kpropd.socket',
  'krb5-kpropd.service',
  'kprop.service',
  'kpropd-inetd.socket',
  'kpropd-inetd@.service',
] as const;

class UnitFile implements Unit {
  readonly name: string;
  readonly #settings: readonly (readonly [string, string])[];

  constructor(name: string, text: string) {
    this.name = name;
    this.#settings = text
      .replace(/\\\n/g, ' ')
      .split('\n')
      .flatMap((line) => {
        const [, key, value] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
        return key === undefined || value === undefined ? [] : [[key, value] as const];
      });
  }

  get enabled(): boolean {
    return linkFolders().some((folder) => {
      const link = lstatSync(join(folder, this.name), { throwIfNoEntry: false });
      return link !== undefined;
    });
  }

  values(name: string): readonly string[] {
    const values = this.#settings.flatMap(([key, value]) => (key === name ? [value] : []));
    return values.slice(values.lastIndexOf('') + 1);
  }
}

/** The unit's file and its drop-ins, one after the other. @see systemd.unit(5) */
function unitText(name: string): string | undefined {
  const main = unitFolders.map((folder) => textIfThere(join(folder, name))).find((text) => text);
  if (main === undefined) return undefined;
  const dropIns = new Map<string, string>();
  for (const folder of unitFolders) {
    for (const file of namesIfThere(join(folder, `${name}.d`))) {
      if (file.endsWith('.conf') && !dropIns.has(file)) {
        dropIns.set(file, textIfThere(join(folder, `${name}.d`, file)));
      }
    }
  }
  const sorted = [...dropIns].sort(([a], [b]) => (a < b ? -1 : 1));
  return [main, ...sorted.map(([, text]) => text)].join('\n');
}

function linkFolders(): readonly string[] {
  return unitFolders.flatMap((folder) =>
    namesIfThere(folder)
      .filter((name) => /\.(wants|requires)$/.test(name))
      .map((name) => join(folder, name)),
  );
}

/** The first one with a file of a name counts. */
const unitFolders = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];
