import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

/**
 * Who may import whom (ARCHITECTURE.md, section 3). A room is a folder of src/protocol or of src,
 * or a single file there; `room/file` names one file of a room. Files inside one room may import
 * each other.
 */
const ground = ['errors', 'bytes', 'ambient', 'channel'];
const words = ['errors', 'com-err'];
const rooms: Readonly<Record<string, { rooms: readonly string[]; modules: readonly string[] }>> = {
  // errors: its table, and the tables of texts that the table is made of.
  advice: { rooms: [], modules: [] },
  'com-err': { rooms: [], modules: [] },
  catalogue: { rooms: ['advice', 'com-err'], modules: [] },
  errors: { rooms: ['catalogue', 'com-err'], modules: [] },
  bytes: { rooms: ['errors'], modules: [] },
  ambient: { rooms: ['errors'], modules: ['node:crypto'] },
  inbox: { rooms: [], modules: [] },
  'idle-timer': { rooms: [], modules: [] },
  channel: { rooms: ['errors', 'idle-timer', 'inbox'], modules: ['node:stream (types)'] },
  asn1: { rooms: ground, modules: ['asn1js'] },
  messages: { rooms: [...ground, 'asn1'], modules: [] },
  crypto: { rooms: ground, modules: ['node:crypto'] },
  formats: {
    rooms: [...ground, 'messages/principal', 'messages/parts', 'crypto/enctype-list'],
    modules: [],
  },
  session: {
    rooms: [...ground, 'messages', 'asn1', 'crypto', 'formats/keytab (types)'],
    modules: [],
  },
  kprop: {
    rooms: [...ground, 'session', 'messages/error', 'messages/size'],
    modules: [],
  },
  host: {
    // Files are read into formats; the shared replay cache is one that a session asks.
    rooms: [...words, 'bytes', 'formats', 'messages/principal', 'session/replay'],
    modules: [
      'koffi',
      'koffi (types)',
      'node:fs',
      'node:fs/promises',
      'node:module',
      'node:os',
    ].concat(['node:path', 'node:timers/promises', 'node:util', 'node:v8', 'node:vm']),
  },
  client: {
    rooms: ['*protocol', 'host'],
    modules: ['node:net', 'node:dgram', 'node:dns', 'node:dns/promises', 'node:fs/promises']
      // What the GSS source needs to run its worker and to read what it leaves.
      .concat([
        'node:child_process',
        'node:os',
        'node:path',
        'node:url',
        'node:module',
        'kerberos',
      ]),
  },
  server: {
    rooms: ['*protocol', 'host'],
    modules: ['node:net', 'node:fs', 'node:fs/promises', 'node:child_process', 'node:path'].concat([
      'node:timers/promises',
      // Where the hosts of the ACL are.
      'node:dns/promises',
    ]),
  },
  cli: {
    rooms: ['client', 'server', 'host', ...words, 'formats'],
    modules: ['node:process', 'node:util', 'node:fs', 'node:module', 'node:path']
      // kpropd's own sockets, from inetd or systemd, and its way into the background.
      .concat(['node:net', 'node:child_process']),
  },
  index: {
    // What the options of a propagation and of a replica are made of.
    rooms: ['client', 'server', 'host', ...words, 'formats', 'ambient', 'session/replay'],
    modules: [],
  },
};

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
    const allowed = rooms[room];
    if (allowed === undefined) throw new Error(`the room ${room} is not in the plan`);
    for (const each of own) {
      const { to } = each;
      if (!to.endsWith('.ts')) {
        const names = each.typesOnly ? [to, `${to} (types)`] : [to];
        expect(
          names.some((name) => allowed.modules.includes(name)),
          `import of ${to}`,
        ).toBe(true);
      } else if (roomOf(to) !== room) {
        expect(mayImport(allowed.rooms, each), `import of ${to}`).toBe(true);
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
    const isProgram = room === 'cli' || file === 'ticket/gss-worker.ts';
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
    if (file.startsWith('protocol/') && !/^protocol\/(channel|idle-timer)\.ts$/.test(file)) {
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

test('client and server do not know each other', () => {
  const crossing = imports.filter(({ from, to }) => {
    const pair = `${roomOf(from)} ${to.endsWith('.ts') ? roomOf(to) : ''}`;
    return pair === 'client server' || pair === 'server client';
  });
  expect(crossing).toEqual([]);
});

test('packages are known to those who wrap them alone', () => {
  for (const { from, to } of imports) {
    if (to === 'asn1js') expect(roomOf(from)).toBe('asn1');
    if (to === 'koffi') expect(from).toBe('host/libc.ts');
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

test('no room of the plan leads back to itself', () => {
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    imports.some((each) => {
      if (!each.to.endsWith('.ts') || roomOf(each.from) !== from) return false;
      const next = roomOf(each.to);
      if (next === from || seen.has(next)) return false;
      seen.add(next);
      return next === to || reaches(next, to, seen);
    });
  for (const room of Object.keys(rooms)) {
    for (const each of imports) {
      const next = each.to.endsWith('.ts') ? roomOf(each.to) : room;
      if (roomOf(each.from) !== room || next === room) continue;
      expect(reaches(next, room), `${each.from} → ${each.to} → … → ${room}`).toBe(false);
    }
  }
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

function roomOf(file: string): string {
  const [first = '', second = ''] = file.replace(/\.ts$/, '').split('/');
  return first === 'protocol' ? second : first;
}

function mayImport(allowed: readonly string[], { to, typesOnly }: Import): boolean {
  const room = roomOf(to);
  const names = [room, `${room}/${to.split('/').at(-1)?.replace(/\.ts$/, '')}`];
  if (typesOnly) names.push(...names.map((name) => `${name} (types)`));
  if (to.startsWith('protocol/')) names.push('*protocol');
  return names.some((name) => allowed.includes(name));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function textOf(file: string): string {
  return texts.get(file) ?? '';
}
