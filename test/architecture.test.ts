import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

interface Room {
  readonly name: string;
  /** Rooms, or single files of rooms: `protocol/krb5/formats/keytab`. */
  readonly mayImport: readonly string[];
  /** Modules of Node and packages; `node:stream (types)` is for types alone. */
  readonly modules: readonly string[];
}

/** Who may import whom: the table of ARCHITECTURE.md, and nowhere else. */
const rooms: readonly Room[] = roomsOf(
  readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8'),
);

interface Import {
  readonly from: string;
  /** A file of src, or the name of a module. */
  readonly to: string;
  readonly typesOnly: boolean;
}

const src = fileURLToPath(new URL('../src/', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .sort();
const texts = new Map(files.map((name) => [name, readFileSync(join(src, name), 'utf8')]));
const imports: readonly Import[] = files.flatMap((from) => importsOf(from, textOf(from)));

test('the sources are found, and their imports', () => {
  expect(rooms.length).toBeGreaterThan(10);
  expect(files.length).toBeGreaterThan(60);
  expect(imports.length).toBeGreaterThan(200);
  for (const { from, to } of imports) {
    if (to.endsWith('.ts')) expect(files, `${from} imports ${to}`).toContain(to);
    else expect(to, `${from} imports ${to}`).toMatch(/^(node:[a-z0-9_/]+|asn1js|koffi|kerberos)$/);
  }
});

describe.each(files)('%s', (file) => {
  const text = textOf(file);
  const room = roomOf(file);
  const own = imports.filter(({ from }) => from === file);

  test('is in a room of the plan, and imports only what that may', () => {
    if (room === undefined) throw new Error('ARCHITECTURE.md has no room for it');
    for (const { to, typesOnly } of own) {
      if (!to.endsWith('.ts')) {
        const names = typesOnly ? [to, `${to} (types)`] : [to];
        expect(
          names.some((name) => room.modules.includes(name)),
          `import of ${to}`,
        ).toBe(true);
      } else if (roomOf(to) !== room) {
        expect(
          room.mayImport.some((allowed) => isIn(to, allowed)),
          `import of ${to}`,
        ).toBe(true);
      }
    }
  });

  test('is short, and has named exports only', () => {
    expect(text.split('\n').length - 1).toBeLessThanOrEqual(300);
    expect(text).not.toMatch(/^export default\b/m);
  });

  test('is named for what it holds', () => {
    expect(file).not.toMatch(/(^|\/)(utils?|helpers?|common|misc|lib|shared)(\.ts$|\/)/);
    expect(file === 'index.ts' || !file.endsWith('index.ts')).toBe(true);
  });

  test('leaves to others what is not its business', () => {
    const code = withoutComments(text);
    // The file that runs as a process of its own speaks with its parent as a program does.
    const isProgram =
      room?.name === 'cli' || /^(ticket\/gss-worker|server\/applier-process)\.ts$/.test(file);
    if (!isProgram) {
      expect(code).not.toMatch(/\bprocess\s*\.\s*(env|exit|exitCode|argv|stdin|stdout|stderr)\b/);
      expect(code).not.toMatch(/\bprocess\s*\[/);
      expect(code).not.toMatch(/(?<![.\w])console\s*\./);
    }
    if (file.startsWith('protocol/') && file !== 'protocol/ambient.ts') {
      expect(code).not.toMatch(
        /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\brandom(Bytes|Fill)/,
      );
      expect(code).not.toMatch(/\bgetRandomValues\b|\brandomUUID\b/);
    }
    if (
      file.startsWith('protocol/') &&
      !/^protocol\/channel\/(stream-channel|idle-timer)\.ts$/.test(file)
    ) {
      expect(code).not.toMatch(/\bset(Timeout|Interval|Immediate)\b/);
    }
  });

  test('keeps no changing state at its top level', () => {
    // The C library is loaded once for a process, and when somebody first needs it.
    const allowed = file === 'host/libc.ts' ? 1 : 0;
    expect(withoutComments(text).match(/^(export )?(let|var) /gm)?.length ?? 0).toBe(allowed);
  });
});

test('nobody inside imports index.ts', () => {
  expect(imports.filter(({ to }) => to === 'index.ts')).toEqual([]);
});

test('every room stands below all that it may import', () => {
  const order = rooms.map(({ name }) => name);
  for (const { name, mayImport } of rooms) {
    const above = order.slice(0, order.indexOf(name));
    for (const allowed of mayImport) {
      const known = above.filter((each) => isIn(each, allowed) || isIn(allowed, each));
      expect(known, `${name} may import ${allowed}`).not.toEqual([]);
    }
  }
  expect(order).toEqual([...new Set(order)]);
});

test('every permission is used', () => {
  for (const room of rooms) {
    const own = imports.filter(({ from }) => roomOf(from) === room);
    expect(own.length > 0 || room.mayImport.length + room.modules.length === 0, room.name).toBe(
      true,
    );
    for (const allowed of room.mayImport) {
      const uses = own.filter(({ to }) => to.endsWith('.ts') && isIn(to, allowed));
      expect(uses, `${room.name} may import ${allowed}`).not.toEqual([]);
    }
    for (const name of room.modules) {
      const uses = own.filter(({ to }) => to === name.replace(' (types)', ''));
      expect(uses, `${room.name} may import ${name}`).not.toEqual([]);
    }
  }
});

test('packages are known to those who wrap them alone', () => {
  for (const { from, to } of imports) {
    if (to === 'asn1js') expect(from).toBe('protocol/der/writer.ts');
    if (to === 'koffi') expect(from).toMatch(/^host\/(koffi|libc)\.ts$/);
    if (to === 'kerberos') expect(from).toBe('ticket/gss-worker.ts');
  }
});

test('no file imports itself by way of others, types included', () => {
  const seen = new Map<string, 'open' | 'done'>();
  const visit = (file: string, path: readonly string[]): void => {
    if (seen.get(file) === 'done') return;
    if (seen.get(file) === 'open') throw new Error(`a cycle: ${[...path, file].join(' → ')}`);
    seen.set(file, 'open');
    for (const { from, to } of imports) {
      if (from === file && to.endsWith('.ts')) visit(to, [...path, file]);
    }
    seen.set(file, 'done');
  };
  for (const file of files) visit(file, []);
});

function importsOf(from: string, text: string): Import[] {
  const statements = text.matchAll(/^(import|export)\s+(type\s+)?[^;'"]*?\bfrom\s+'([^']+)';/gm);
  const bare = text.matchAll(/^import\s+'([^']+)';/gm);
  const late = text.matchAll(/(?:\bimport|\brequire)\(\s*'([^']+)'\s*\)/g);
  return [
    ...[...statements].map(([, , types, to]) => ({ to, typesOnly: types !== undefined })),
    ...[...bare, ...late].map(([, to]) => ({ to, typesOnly: false })),
  ].map(({ to = '', typesOnly }) => ({
    from,
    to: to.startsWith('.') ? relative(src, join(src, dirname(from), to)) : to,
    typesOnly,
  }));
}

function roomsOf(document: string): Room[] {
  const [, table = ''] = document.split(/^\| room \|.*\n\|[-|]+\n/m);
  const rows = table.split('\n\n')[0]?.trim().split('\n') ?? [];
  return rows.map((row) => {
    const [, name = '', allowed = '', modules = ''] = row.split('|');
    const [own = ''] = namesIn(name);
    return { name: own, mayImport: namesIn(allowed), modules: namesIn(modules) };
  });
}

function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`( \(types\))?/g)].map(
    ([, name = '', types = '']) => name + types,
  );
}

function roomOf(file: string): Room | undefined {
  return rooms.find(({ name }) => isIn(file, name));
}

/** Whether a path is this folder or file, or is in this folder. */
function isIn(path: string, place: string): boolean {
  const bare = path.replace(/\.ts$/, '');
  return bare === place || bare.startsWith(`${place}/`);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function textOf(file: string): string {
  return texts.get(file) ?? '';
}
