// What each package installs: entries { path, mode, bytes } or { path, from, mode } or { path, link }.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { root } from './root.mjs';

const programs = ['kprop', 'kpropd', 'kproplog'];
const units = '/usr/lib/systemd/system';

/** @param built the folder with the executable */
export function kpropContents(built) {
  return [
    { path: '/usr/lib/kprop/kprop', from: join(built, 'kprop'), mode: 0o755 },
    { path: '/usr/lib/kprop/koffi.node', from: join(built, 'koffi.node'), mode: 0o644 },
    ...programs.map((name) => ({ path: `/usr/sbin/${name}`, link: '../lib/kprop/kprop' })),
    ...manualPages('dist/man'),
    ...completions('dist/completions'),
    ...files('packaging/systemd', units, { change: unit }),
    text(`${units}/krb5-kpropd.service.d/kprop.conf`, read('packaging/debian/krb5-kpropd.conf')),
    ...files('packaging/inetd', '/usr/share/doc/kprop/examples/inetd'),
    ...files('docs', '/usr/share/doc/kprop'),
    ...['README.md', 'SECURITY.md'].map((name) => text(`/usr/share/doc/kprop/${name}`, read(name))),
    zipped('/usr/share/doc/kprop/NEWS.gz', read('CHANGELOG.md')),
  ];
}

/** @param built the folder with the bundles of kpropctl */
export function kpropctlContents(built) {
  const home = '/usr/lib/kprop/kpropctl';
  const doc = '/usr/share/doc/kpropctl';
  return [
    ...['bin/main.js', 'page/page-process.js'].map((name) => ({
      path: `${home}/dist/${name}`,
      from: join(built, name),
      mode: 0o644,
    })),
    ...files('kpropctl/assets', `${home}/assets`),
    { path: '/usr/bin/kpropctl', link: '../lib/kprop/kprop' },
    ...manualPages('kpropctl/dist/man'),
    ...completions('kpropctl/dist/completions'),
    ...files('kpropctl/packaging/systemd', units, { change: unit }),
    ...['grafana', 'prometheus'].flatMap((name) =>
      files(`kpropctl/packaging/${name}`, `${doc}/examples/${name}`),
    ),
    ...files('kpropctl/schemas', `${doc}/schemas`),
    text(`${doc}/README.md`, read('kpropctl/README.md')),
  ];
}

/** An entry with these contents. */
export function text(path, contents) {
  return { path, mode: 0o644, bytes: Buffer.from(contents) };
}

export function zipped(path, contents) {
  return { path, mode: 0o644, bytes: gzipSync(contents, { level: 9 }) };
}

/** The programs are at MIT's places, so that no search path decides; Debian has a file of its own for options. */
function unit(contents) {
  return contents
    .replaceAll('/usr/bin/env kpropd ', '/usr/sbin/kpropd ')
    .replaceAll('/usr/bin/env kpropctl ', '/usr/bin/kpropctl ')
    .replaceAll(
      'EnvironmentFile=-/etc/default/kpropd\n',
      'EnvironmentFile=-/etc/default/krb5-kpropd\nEnvironmentFile=-/etc/default/kpropd\n',
    );
}

function manualPages(folder) {
  return namesIn(folder).map((name) =>
    zipped(`/usr/share/man/man${name.at(-1)}/${name}.gz`, read(join(folder, name))),
  );
}

function completions(folder) {
  return namesIn(folder).map((name) => {
    const place = name.endsWith('.bash')
      ? `bash-completion/completions/${basename(name, '.bash')}`
      : name.endsWith('.fish')
        ? `fish/vendor_completions.d/${name}`
        : `zsh/vendor-completions/${name}`;
    return text(`/usr/share/${place}`, read(join(folder, name)));
  });
}

function files(folder, target, { change = (contents) => contents } = {}) {
  return namesIn(folder).map((name) => {
    const contents = readFileSync(join(root, folder, name));
    const changed = target === units ? change(contents.toString()) : contents;
    return text(`${target}/${name}`, changed);
  });
}

/** The files of a folder, none if it is not there. */
function namesIn(folder) {
  try {
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

function read(name) {
  return readFileSync(join(root, name), 'utf8');
}
