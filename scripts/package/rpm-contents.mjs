// What is at another place, or not there, in a package of RPM. MIT's places are taken by
// packaging/rpm/places.sh instead of a diversion, so they are no files of the package.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { text } from './contents.mjs';
import { root } from './root.mjs';

const ofMit = /^\/usr\/(?:sbin\/|share\/man\/man8\/)(?:kprop|kpropd|kproplog)(?:\.8\.gz)?$/;
const onlyDebian = /^\/usr\/share\/lintian\/|krb5-kpropd\.service\.d\/|\/changelog\.gz$/;

const units = '/usr/lib/systemd/system/';
const namesOfFedora = [
  ['/var/lib/krb5kdc', '/var/kerberos/krb5kdc'],
  ["/etc/default/krb5-kpropd, as for Debian's unit.", '/etc/sysconfig/kpropd.'],
  ['EnvironmentFile=-/etc/default/krb5-kpropd\n', ''],
  ['/etc/default/kpropd', '/etc/sysconfig/kpropd'],
  ['krb5-admin-server.service krb5-kpropd.service', 'kadmin.service kprop.service'],
  ['krb5-kdc.service', 'krb5kdc.service'],
];

/** The entries of a package of Debian, for RPM. */
export function rpmContents(entries, { name }) {
  const moved = entries.filter(({ path }) => !onlyDebian.test(path)).flatMap(movedOf);
  return name === 'kprop' ? [...moved, ...own()] : moved;
}

function movedOf(entry) {
  if (ofMit.test(entry.path)) {
    if (entry.link !== undefined) return [];
    const page = entry.path.split('/').at(-1);
    return [{ ...entry, path: `/usr/lib/kprop/man/${page}` }];
  }
  const path = entry.path.replace('/zsh/vendor-completions/', '/zsh/site-functions/');
  if (path.startsWith(units)) return [text(path, unitOfFedora(path, entry.bytes.toString()))];
  return [{ ...entry, path }];
}

/** A unit with the paths and the names that Fedora and its relatives have. */
function unitOfFedora(path, unit) {
  const changed = namesOfFedora.reduce(
    (now, [debian, fedora]) => now.replaceAll(debian, fedora),
    unit,
  );
  const left = /.*(?:krb5-|\/etc\/default|\/var\/lib\/krb5kdc).*/.exec(changed);
  if (left) throw new Error(`${path} has a name of Debian in a package of RPM: ${left[0]}`);
  return changed;
}

function own() {
  const read = (name) => readFileSync(join(root, 'packaging/rpm', name), 'utf8');
  return [
    { ...text('/usr/lib/kprop/places.sh', read('places.sh')), mode: 0o755 },
    text(`${units}kprop.service.d/kprop.conf`, read('kprop.service.conf')),
    // The executable has Debian's paths.
    { ...text('/etc/kprop.json', read('kprop.json')), config: true },
  ];
}
