// A package of Debian.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './root.mjs';
import { writeTree } from './tree.mjs';

/** @param o.fields of the control file, beside those that follow from the rest; returns the package's path */
export function makeDeb(folder, entries, { name, version, arch, fields, date }) {
  const tree = join(folder, 'work', `deb-${name}-${arch}`);
  rmSync(tree, { recursive: true, force: true });
  const control = {
    Package: name,
    Version: version,
    Architecture: arch,
    'Installed-Size': String(Math.ceil(sizeOf(entries) / 1024)),
    ...fields,
  };
  const described = Object.entries(control).map(([field, value]) => `${field}: ${value}\n`);
  const sums = entries
    .filter(({ link }) => link === undefined)
    .map((entry) => `${md5(entry)}  ${entry.path.slice(1)}\n`)
    .sort((a, b) => (a.slice(34) < b.slice(34) ? -1 : 1));
  const scripts = ['preinst', 'postinst', 'prerm', 'postrm']
    .map((script) => ({ script, from: join(root, `packaging/debian/${name}.${script}`) }))
    .filter(({ from }) => existsSync(from))
    .map(({ script, from }) => ({ path: `/DEBIAN/${script}`, from, mode: 0o755 }));
  const own = [
    { path: '/DEBIAN/control', mode: 0o644, bytes: described.join('') },
    { path: '/DEBIAN/md5sums', mode: 0o644, bytes: sums.join('') },
  ];
  writeTree(tree, [...entries, ...own, ...scripts], { date });
  const file = join(folder, `${name}_${version}_${arch}.deb`);
  mkdirSync(folder, { recursive: true });
  // With one thread: the number of threads shows in the bytes. A higher level saves one byte in ten,
  // for six times the time.
  const compression = ['-Zxz', '-z1', '--threads-max=1'];
  const { status, stderr } = spawnSync(
    'dpkg-deb',
    ['--root-owner-group', ...compression, '--build', tree, file],
    {
      encoding: 'utf8',
      env: { ...process.env, SOURCE_DATE_EPOCH: String(date.getTime() / 1000) },
    },
  );
  if (status !== 0) throw new Error(`dpkg-deb: ${stderr}`);
  rmSync(tree, { recursive: true });
  return file;
}

function md5(entry) {
  return createHash('md5').update(bytesOf(entry)).digest('hex');
}

function sizeOf(entries) {
  return entries.reduce((sum, entry) => sum + (entry.link ? 1024 : bytesOf(entry).length), 0);
}

function bytesOf({ bytes, from }) {
  return bytes ?? readFileSync(from);
}
