import { dirname } from 'node:path';

import type { CheckedSite } from './checked-site.ts';
import { type CheckFinding, failure, ok } from './finding.ts';
import { ownUnit, unitFix } from './folder-access.ts';
import { kpropdUnits, runsSystemd, type Unit } from './unit-file.ts';

/** Whether the sandbox of the unit lets kpropd write where it has to. */
export async function unitChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const own = ownUnit();
  if (own !== undefined) {
    return [ok('unit', `this runs inside ${own}: what can be written there was tried`)];
  }
  if (!runsSystemd()) return [ok('unit', 'systemd does not run here, so no unit was looked at')];
  const services = kpropdUnits().filter(({ name }) => name.endsWith('.service'));
  const enabled = services.filter((unit) => unit.enabled);
  // A socket starts a service that is not enabled itself.
  const counted = enabled.length > 0 ? enabled : services;
  const folders = writtenFolders(site);
  return counted.map((unit) => {
    const barred = folders.filter((folder) => !isWritableIn(unit, folder));
    return barred.length === 0
      ? ok('unit', `${unit.name} lets kpropd write to ${folders.join(' and ')}`)
      : failure(
          'unit',
          `the sandbox of ${unit.name} does not let kpropd write to ${barred.join(' and ')}`,
          unitFix(unit.name, barred),
        );
  });
}

function writtenFolders({ options, database, config, realm }: CheckedSite): readonly string[] {
  const paths = [options.file];
  if (database !== undefined) paths.push(database);
  if (database !== undefined && config.ipropEnable(realm)) {
    paths.push(config.updateLog(realm, options.incremental?.builtInDatabase ?? database).path);
  }
  return [...new Set(paths.map((path) => dirname(path)))];
}

/** By the rule with the longest path, as systemd mounts them. @see systemd.exec(5), Sandboxing */
function isWritableIn(unit: Unit, folder: string): boolean {
  let longest = -1;
  let writable = true;
  for (const { path, allows } of rulesOf(unit)) {
    const covers = path === '/' || folder === path || folder.startsWith(`${path}/`);
    if (!covers || path.length < longest) continue;
    longest = path.length;
    writable = allows;
  }
  return writable;
}

interface Rule {
  readonly path: string;
  readonly allows: boolean;
}

function rulesOf(unit: Unit): readonly Rule[] {
  const last = (name: string) => unit.values(name).at(-1)?.toLowerCase() ?? 'no';
  const isOn = (name: string) => /^(1|yes|true|on)$/.test(last(name));
  const bars = (...paths: readonly string[]) => paths.map((path) => ({ path, allows: false }));
  const listed = (allows: boolean, ...names: readonly string[]) =>
    names.flatMap((name) =>
      unit
        .values(name)
        .flatMap((value) => value.split(/\s+/))
        .map((path) => ({ path: path.replace(/^[-+]+/, '').replace(/(.)\/+$/, '$1'), allows })),
    );
  const system = ['/usr', '/boot', '/efi'];
  const own = ['StateDirectory', 'CacheDirectory', 'LogsDirectory'] as const;
  return [
    ...(last('ProtectSystem') === 'strict' ? bars('/') : []),
    ...(last('ProtectSystem') === 'full' ? bars(...system, '/etc') : []),
    ...(isOn('ProtectSystem') ? bars(...system) : []),
    ...(isOn('ProtectHome') || /^(read-only|tmpfs)$/.test(last('ProtectHome'))
      ? bars('/home', '/root', '/run/user')
      : []),
    // What it writes to its own /tmp nobody else sees.
    ...(isOn('PrivateTmp') ? bars('/tmp', '/var/tmp') : []),
    ...listed(false, 'ReadOnlyPaths', 'ReadOnlyDirectories'),
    ...listed(false, 'InaccessiblePaths', 'InaccessibleDirectories'),
    ...listed(true, 'ReadWritePaths', 'ReadWriteDirectories'),
    ...own.flatMap((name) =>
      unit
        .values(name)
        .flatMap((value) => value.split(/\s+/))
        .map((path) => ({ path: `${ownFolders[name]}/${path}`, allows: true })),
    ),
  ];
}

const ownFolders = {
  StateDirectory: '/var/lib',
  CacheDirectory: '/var/cache',
  LogsDirectory: '/var/log',
} as const;
