// The software bill of materials: CycloneDX 1.6 in JSON. Written here, because tools for npm describe
// what node_modules has, and this what is in a package.

import { createHash } from 'node:crypto';

/**
 * @param described.name of the package of the system
 * @param parts as inside.mjs describes them
 * @param described.date of the sources, so that the same sources give the same document
 */
export function billOfMaterials(parts, { name, version, arch, date }) {
  const ref = `pkg:generic/${name}@${version}?arch=${arch}`;
  const components = parts.map((part) => componentOf(part));
  const seed = JSON.stringify([ref, components]);
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(seed)}`,
    version: 1,
    metadata: {
      timestamp: date.toISOString(),
      component: {
        type: 'application',
        'bom-ref': ref,
        name,
        version,
        purl: ref,
        licenses: [{ license: { id: 'MIT' } }],
      },
    },
    components,
    dependencies: [
      { ref, dependsOn: components.map((one) => one['bom-ref']) },
      ...components.map((one) => ({ ref: one['bom-ref'], dependsOn: [] })),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function componentOf({ name, version, licence }) {
  const [scope, rest] = name.startsWith('@') ? name.slice(1).split('/') : [undefined, name];
  const purl = `pkg:npm/${scope === undefined ? '' : `%40${scope}/`}${rest}@${version}`;
  return {
    type: name.startsWith('node-linux-') ? 'platform' : 'library',
    'bom-ref': purl,
    ...(scope === undefined ? {} : { group: `@${scope}` }),
    name: rest,
    version,
    purl,
    licenses: [/^[\w.-]+$/.test(licence) ? { license: { id: licence } } : { expression: licence }],
  };
}

/** A UUID of version 8 made of a text (RFC 9562 §5.8). */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = (8 + (Number.parseInt(hex[16], 16) & 3)).toString(16);
  const groups = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return groups.join('-');
}
