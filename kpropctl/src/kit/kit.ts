import { createHash } from 'node:crypto';

import { badKit } from './refused.ts';

/** What a kit may hold, and nothing else: the mode on the replica, and the most bytes. */
export const kitFiles = {
  'krb5.conf': { mode: 0o644, mostBytes: 256 * 1024 },
  'kdc.conf': { mode: 0o644, mostBytes: 256 * 1024 },
  'kpropd.acl': { mode: 0o644, mostBytes: 64 * 1024 },
  'krb5.keytab': { mode: 0o600, mostBytes: 64 * 1024 },
  stash: { mode: 0o600, mostBytes: 64 * 1024 },
} as const;

export type KitFileName = keyof typeof kitFiles;

/** What a new replica needs of its primary. */
export interface Kit {
  readonly realm: string;
  /** The replica's name in its principal. */
  readonly host: string;
  /** The principal of the primary that will propagate. */
  readonly primary: string;
  /** RFC 3339. */
  readonly made: string;
  readonly files: ReadonlyMap<KitFileName, Uint8Array>;
}

/**
 * The JSON of a kit (schemas/kit-1.json). JSON and no archive: there are no links, devices, paths or
 * doubled names in it that a reader would have to refuse, and jq and base64 open it, too.
 */
export function encodeKit({ files, ...about }: Kit): Uint8Array {
  const entries = [...files].map(([name, content]) => ({
    ...{ name, mode: modeText(name), owner: 'root', bytes: content.length },
    ...{ sha256: digest(content), content: Buffer.from(content).toString('base64') },
  }));
  const document = { schema: 'kpropctl.kit/1', ...about, files: entries };
  return new TextEncoder().encode(`${JSON.stringify(document, undefined, 1)}\n`);
}

/** @throws Refused for anything that encodeKit does not write */
export function decodeKit(bytes: Uint8Array): Kit {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw badKit('this is no kit: what was encrypted is not JSON');
  }
  if (!isRecord(document)) throw badKit('this is no kit: what was encrypted is not an object');
  if (document.schema !== 'kpropctl.kit/1') {
    throw badKit(
      `this kit is of another kind than kpropctl.kit/1: ${quoted(document.schema)}`,
      'use the same release of kpropctl on both hosts',
    );
  }
  const files = new Map<KitFileName, Uint8Array>();
  const listed: unknown = document.files;
  if (!Array.isArray(listed)) throw badKit('the kit has no list of files');
  for (const entry of listed) {
    const [name, content] = decodeFile(entry);
    if (files.has(name)) throw badKit(`the kit has ${name} twice`);
    files.set(name, content);
  }
  for (const name of ['krb5.conf', 'kpropd.acl', 'krb5.keytab'] as const) {
    if (!files.has(name)) throw badKit(`the kit lacks ${name}`);
  }
  return {
    realm: word(document, 'realm', /^[\x21-\x2e\x30-\x3f\x41-\x5b\x5d-\x7e]{1,255}$/),
    host: word(document, 'host', hostName),
    primary: word(document, 'primary', /^host\/[\x21-\x7e]{1,511}$/),
    made: word(document, 'made', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
    files,
  };
}

/** A name that can be written into a query of kadmin.local and into a line of an ACL. */
export const hostName = /^[A-Za-z0-9]([A-Za-z0-9._:-]{0,253}[A-Za-z0-9])?$/;

function decodeFile(entry: unknown): readonly [KitFileName, Uint8Array] {
  if (!isRecord(entry)) throw badKit('the list of files is malformed');
  const { name, content: text } = entry;
  if (typeof name !== 'string' || !Object.hasOwn(kitFiles, name)) {
    throw badKit(`the kit has a file that no kit has: ${quoted(name)}`);
  }
  const known = name as KitFileName;
  if (entry.mode !== modeText(known) || entry.owner !== 'root') {
    throw badKit(`the kit wants another mode or owner for ${known} than ${modeText(known)} root`);
  }
  const content = typeof text === 'string' ? Buffer.from(text, 'base64') : undefined;
  if (content === undefined || content.toString('base64') !== text) {
    throw badKit(`the content of ${known} is not base64`);
  }
  if (content.length === 0 || content.length > kitFiles[known].mostBytes) {
    throw badKit(`${known} has ${content.length} bytes; at most ${kitFiles[known].mostBytes}`);
  }
  if (entry.bytes !== content.length || entry.sha256 !== digest(content)) {
    throw badKit(`the content of ${known} is not what the list of files says`);
  }
  return [known, new Uint8Array(content)];
}

function word(document: Readonly<Record<string, unknown>>, name: string, form: RegExp): string {
  const value = document[name];
  if (typeof value === 'string' && form.test(value)) return value;
  throw badKit(`the ${name} of the kit is malformed: ${quoted(value)}`);
}

function modeText(name: KitFileName): string {
  return kitFiles[name].mode.toString(8).padStart(4, '0');
}

function digest(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** A value of a kit that nobody has checked, short enough for a message. */
function quoted(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
