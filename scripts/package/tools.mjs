// The programs of this machine that make packages.

import { needs } from '../containers/machine.mjs';
import { architectures } from './release.mjs';

/** Installs what is missing. @throws Error if that is not possible */
export function prepareTools({ arches, kinds }) {
  needs([
    ...arches.map((arch) => {
      const { triplet } = architectures[arch];
      return {
        package: `binutils-${triplet.replaceAll('_', '-')}`,
        commands: [`${triplet}-strip`],
      };
    }),
    ...(kinds.includes('deb') ? [{ package: 'dpkg-dev', commands: ['dpkg-deb'] }] : []),
    ...(kinds.includes('rpm') ? [{ package: 'rpm', commands: ['rpmbuild'] }] : []),
  ]);
}
