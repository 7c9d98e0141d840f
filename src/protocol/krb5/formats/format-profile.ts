import { nameBytes } from '../messages/principal.ts';
import type { ProfileNode, ProfileTree } from './profile.ts';

/**
 * One krb5.conf or kdc.conf that means what these files mean together, without includes and without
 * comments; the reverse of `parseProfile`. The first file takes precedence.
 * @see krb5.conf(5)
 */
export function formatProfile(trees: readonly ProfileTree[]): Uint8Array {
  const lines = trees.flatMap(({ children }) =>
    children.flatMap((node) =>
      node.kind === 'section'
        ? [`[${node.name}]${node.final ? '*' : ''}`, ...node.children.flatMap((n) => nodeLines(n))]
        : [],
    ),
  );
  return nameBytes(`${lines.join('\n')}\n`);
}

function nodeLines(node: ProfileNode, indent = '    '): readonly string[] {
  const { name, final } = node;
  if (node.kind === 'relation') {
    return [`${indent}${name}${final ? '*' : ''} = ${valueText(node.value)}`];
  }
  const inner = node.children.flatMap((child) => nodeLines(child, `${indent}    `));
  return [`${indent}${name} = {`, ...inner, `${indent}}${final ? '*' : ''}`];
}

/** In quotes where the plain text would be read as something else. */
function valueText(value: string): string {
  if (/^(?!["{])\S(?:.*\S)?$/.test(value)) return value;
  return `"${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}
