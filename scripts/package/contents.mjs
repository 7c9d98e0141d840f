// What each package installs: entries { path, mode, bytes } or { path, from, mode } or { path, link }.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { root } from './root.mjs';

const programs = ['kprop', 'kpropd', 'kproplog'];
const units = '/usr/lib/systemd/system';

/** @param built the folder with the executable */
export function kpropContents(built) {
  return [
    { path: '/usr/lib/kprop/executable', from: join(built, 'executable'), mode: 0o755 },
    { path: '/usr/lib/kprop/koffi.node', from: join(built, 'koffi.node'), mode: 0o644 },
    { ...text('/usr/lib/kprop/await-idle.sh', read('packaging/await-idle.sh')), mode: 0o755 },
    ...programs.map((name) => ({ path: `/usr/sbin/${name}`, link: '../lib/kprop/executable' })),
    ...manualPages('dist/man'),
    ...completions('dist/completions'),
    ...printedUnits(),
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
    ...['main.js', 'bin/main.js', 'page/page-process.js'].map((name) => ({
      path: `${home}/dist/${name}`,
      from: join(built, name),
      mode: 0o644,
    })),
    ...files('kpropctl/assets', `${home}/assets`),
    { path: '/usr/bin/kpropctl', link: '../lib/kprop/executable' },
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

/** The units that kpropd itself prints for a host configured as Debian does. */
function printedUnits() {
  const folder = mkdtempSync(join(tmpdir(), 'kprop-units-'));
  const conf = join(folder, 'krb5.conf');
  writeFileSync(
    conf,
    `[libdefaults]
default_realm = EXAMPLE.TEST
[realms]
EXAMPLE.TEST = {
 database_name = /var/lib/krb5kdc/principal
}
`,
  );
  const print = (...flags) => {
    const program = join(root, 'dist/bin/kpropd.js');
    const received = '/var/lib/krb5kdc/from_master';
    const env = { ...process.env, KRB5_CONFIG: conf, KRB5_KDC_PROFILE: conf };
    const args = [program, '--print-unit', ...flags, '-f', received];
    return execFileSync(process.execPath, args, { encoding: 'utf8', env }).replace(
      /^(ExecStart=-?).*kpropd\.js -f \S+/m,
      '$1/usr/sbin/kpropd',
    );
  };
  try {
    return [
      text(`${units}/kpropd.service`, print()),
      text(`${units}/kpropd.socket`, print('--socket')),
      text(`${units}/kpropd-inetd@.service`, print('--inetd')),
      text(`${units}/kpropd-inetd.socket`, print('--inetd', '--socket')),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** No search path decides which kpropctl it is. */
function unit(contents) {
  return contents.replaceAll('/usr/bin/env kpropctl ', '/usr/bin/kpropctl ');
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
