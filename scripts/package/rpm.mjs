// A package of RPM.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { architectures } from './release.mjs';
import { root } from './root.mjs';
import { writeTree } from './tree.mjs';

/** @param o.fields of Debian's control file, of which the description is used; returns the package's path */
export function makeRpm(folder, entries, { name, version, arch, fields, date }) {
  const work = join(folder, 'work', `rpm-${name}-${arch}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const tree = join(work, 'tree');
  writeTree(tree, entries, { date });
  const spec = join(work, `${name}.spec`);
  const target = arch === 'all' ? 'noarch' : architectures[arch].rpm;
  writeFileSync(spec, specOf(entries, { name, version, target, fields, tree }));
  const settings = { _topdir: work, _rpmdir: work, _buildhost: 'reproducible', ...fixed };
  const defines = Object.entries(settings).flatMap((pair) => ['--define', pair.join(' ')]);
  const args = ['-bb', '--quiet', '--target', `${target}-linux`, ...defines, spec];
  const { status, stdout, stderr } = spawnSync('rpmbuild', args, {
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: String(date.getTime() / 1000) },
  });
  if (status !== 0) throw new Error(`rpmbuild: ${stdout}${stderr}`);
  const file = join(folder, `${name}-${version}-1.${target}.rpm`);
  renameSync(join(work, target, `${name}-${version}-1.${target}.rpm`), file);
  rmSync(work, { recursive: true });
  return file;
}

/** So that the same sources give the same bytes, and nothing changes what was built. */
const fixed = {
  use_source_date_epoch_as_buildtime: 1,
  clamp_mtime_to_source_date_epoch: 1,
  _binary_payload: 'w12.zstdio',
  _build_id_links: 'none',
  debug_package: '%{nil}',
  __os_install_post: '%{nil}',
};

function specOf(entries, { name, version, target, fields, tree }) {
  const [summary, ...description] = fields.Description.split('\n');
  const scriptlets = join(root, `packaging/rpm/${name}.scriptlets`);
  const requires = name === 'kprop' ? linked : [`kprop = ${version}-1`];
  return `Name: ${name}
Version: ${version}
Release: 1
Summary: ${summary}
License: MIT
${target === 'noarch' ? 'BuildArch: noarch\n' : ''}
AutoReqProv: no
${requires.map((one) => `Requires: ${one}\n`).join('')}
%description
${description.map((line) => line.replace(/^ \.?/, '')).join('\n')}

%install
cp -a ${tree}/. %{buildroot}/

${existsSync(scriptlets) ? readFileSync(scriptlets, 'utf8') : ''}
%files
%defattr(-,root,root)
${ownFolders(entries)
  .map((folder) => `%dir ${folder}\n`)
  .join('')}${entries.map(listed).join('\n')}
`;
}

/** What an administrator has changed of his configuration, an upgrade leaves as it is. */
function listed({ path, config = false }) {
  return config ? `%config(noreplace) ${path}` : path;
}

/** The folders that go with the package. */
function ownFolders(entries) {
  const folders = entries.map(({ path }) => path.slice(0, path.lastIndexOf('/')));
  const ours = /^\/usr\/(lib|share\/doc)\/kprop|\/kprop\.service\.d$/;
  const all = folders.flatMap((folder) => {
    const names = folder.split('/');
    return names.map((_, index) => names.slice(0, index + 1).join('/'));
  });
  return [...new Set(all.filter((folder) => ours.test(folder)))].sort();
}

/** What Node's executable is linked with. */
const linked = [
  'libatomic.so.1()(64bit)',
  'libc.so.6(GLIBC_2.28)(64bit)',
  'libgcc_s.so.1()(64bit)',
  'libstdc++.so.6()(64bit)',
];
