// The file "copyright" in Debian's machine-readable form (DEP-5), for our part and each part of others.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './root.mjs';

/**
 * @param parts as inside.mjs describes them; those without `where` are in the bundles
 * @param bundles where these are
 */
export function copyrightFile(parts, { bundles }) {
  const ours = { name: 'kprop', licence: 'MIT', text: readFileSync(join(root, 'LICENSE'), 'utf8') };
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: kprop',
    `Comment: What npm packages of others are part of ${bundles} is named in the last paragraphs.`,
    '',
    paragraph('*', ours),
    ...parts.filter(({ where }) => where !== undefined).map((part) => paragraph(part.where, part)),
    ...parts
      .filter(({ where }) => where === undefined)
      .map((part) => paragraph(`${bundles}:${part.name}`, part)),
  ].join('\n');
}

function paragraph(files, { name, version, licence, text }) {
  const named = `${licence}-of-${name.replace(/^@/, '').replaceAll('/', '-')}`;
  return [
    `Files: ${files}`,
    `Copyright: ${holders(text) ?? 'see the licence below'}`,
    ...(version === undefined ? [] : [`Comment: ${name} ${version}`]),
    `License: ${named}`,
    ...(licence === 'Apache-2.0' ? apache : text.trim().split(/\r?\n/).map(quoted)),
    '',
  ].join('\n');
}

// Its text is on every Debian.
const apache = [
  ' Licensed under the Apache License, Version 2.0; on Debian systems its text is in',
  ' /usr/share/common-licenses/Apache-2.0.',
];

function holders(text) {
  const lines = text.match(/^\W*(?:copyright|\(c\))\b.*\d{4}.*$/gim) ?? [];
  const first = lines.slice(0, 3).map((line) => line.replace(/^\W*(copyright)?[\s:]*/i, '').trim());
  return first.length === 0 ? undefined : first.join('\n           ');
}

function quoted(line) {
  const plain = line.trimEnd();
  return plain === '' ? ' .' : ` ${plain}`;
}
