// What is at another place, or not there, in a package of RPM. MIT's places are taken by
// packaging/rpm/places.sh instead of a diversion, so they are no files of the package.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { text } from './contents.mjs';
import { root } from './root.mjs';

const ofMit = /^\/usr\/(?:sbin\/|share\/man\/man8\/)(?:kprop|kpropd|kproplog)(?:\.8\.gz)?$/;
const onlyDebian = /^\/usr\/share\/lintian\/|krb5-kpropd\.service\.d\/|\/changelog\.gz$/;

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
  return [{ ...entry, path }];
}

function own() {
  const read = (name) => readFileSync(join(root, 'packaging/rpm', name), 'utf8');
  return [
    { ...text('/usr/lib/kprop/places.sh', read('places.sh')), mode: 0o755 },
    text('/usr/lib/systemd/system/kprop.service.d/kprop.conf', read('kprop.service.conf')),
  ];
}
