// The words about each package: its control fields and its documents.

import { text, zipped } from './contents.mjs';
import { copyrightFile } from './copyright.mjs';
import { billOfMaterials } from './sbom.mjs';

const maintainer = 'kprop developers <kprop@lists.kprop.dev>';

const common = { Maintainer: maintainer, Section: 'net', Priority: 'optional' };

/** The control fields of a package. */
export function fieldsOf(name, version) {
  return { ...common, ...(name === 'kprop' ? kpropFields : kpropctlFields(version)) };
}

const kpropFields = {
  // What Node's executable is linked with. Without it dpkg must not even unpack at MIT's places.
  'Pre-Depends': 'libc6 (>= 2.28), libgcc-s1 (>= 3.0), libstdc++6 (>= 9), libatomic1 (>= 4.8)',
  Suggests: 'krb5-kdc, krb5-kpropd, kpropctl',
  Description: [
    "replacement for MIT's kprop, kpropd and kproplog",
    ' Propagates the database of a Kerberos realm from its primary KDC to its',
    " replicas, in full and incrementally, and works with MIT's programs on the",
    ' other side.',
    ' .',
    " While it is installed, the programs have the places of MIT's in",
    ' krb5-admin-server, krb5-kpropd and krb5-kdc, which are kept aside.',
  ].join('\n'),
};

function kpropctlFields(version) {
  return {
    Depends: `kprop (= ${version})`,
    Description: [
      'propagates a Kerberos database to all replicas, and proves it',
      ' Sends the database of a Kerberos realm to all replicas at once, by a',
      ' schedule or whenever it has changed, and shows which replica has what:',
      ' on the command line, as metrics for Prometheus and on a web page.',
    ].join('\n'),
  };
}

/** Copyright, changelog, bill of materials, and what lintian is told. */
export function documentsOf(parts, { name, version, arch, date, bundles }) {
  const doc = `/usr/share/doc/${name}`;
  return [
    text(`${doc}/copyright`, copyrightFile(parts, { bundles })),
    zipped(`${doc}/changelog.gz`, changelog(name, version, date)),
    ...(overrides[name] === undefined
      ? []
      : [text(`/usr/share/lintian/overrides/${name}`, overrides[name].join('\n'))]),
    text(`${doc}/sbom.cdx.json`, billOfMaterials(parts, { name, version, arch, date })),
  ];
}

const overrides = {
  kprop: [
    '# Node is made of its own copies of these libraries, and linked so by its makers.',
    'kprop: embedded-library *',
    'kprop: hardening-no-pie *',
    '# The licence of Node repeats those of all its parts, in full.',
    'kprop: copyright-file-contains-full-apache-2-license',
    'kprop: old-fsf-address-in-copyright-file',
    '',
  ],
};

function changelog(name, version, date) {
  const time = date.toUTCString().replace('GMT', '+0000');
  return `${name} (${version}) stable; urgency=medium\n\n  * See NEWS.\n\n -- ${maintainer}  ${time}\n`;
}
