import type { LogHeader } from '../../kdb/ulog/layout.ts';
import type { LogEntry } from '../../kdb/ulog/log-file.ts';
import { textOf } from '../../protocol/bytes.ts';
import type { Attribute, Update, UpdatePrincipal } from '../../protocol/iprop/updates.ts';
import { flagNames } from './values.ts';

// One object a line. Times are ISO 8601, UTC. No key is in it, and nothing of typed data, which may hold
// old keys: `-v -v` prints both, as MIT's kproplog does.

export function headerJson(path: string, header: LogHeader): object {
  const states: Readonly<Record<number, string>> = { 1: 'stable', 2: 'unstable', 3: 'corrupt' };
  const pointOf = ({ serial, seconds, micros }: LogHeader['first']) => ({
    serial,
    time: iso(seconds, micros),
  });
  return {
    kind: 'log',
    path,
    version: header.version,
    state: states[header.state] ?? header.state,
    blockBytes: header.blockBytes,
    entries: header.entries,
    first: pointOf(header.first),
    last: pointOf(header.last),
  };
}

/** An entry; without an update it is a dummy. */
export function entryJson(entry: LogEntry, update: Update | undefined): object {
  const { serial, seconds, micros, committed, bytes } = entry;
  const common = { serial, time: iso(seconds, micros) };
  if (update === undefined) return { kind: 'dummy', ...common };
  return {
    kind: 'update',
    ...common,
    operation: update.deleted ? 'delete' : 'add',
    principal: textOf(update.name),
    bytes,
    committed,
    attributes: Object.fromEntries(update.attributes.map(attributeJson)),
  };
}

function attributeJson(attribute: Attribute): [string, unknown] {
  switch (attribute.type) {
    case 'flags':
      return ['flags', flagNames(attribute.value)];
    case 'expiration':
    case 'passwordExpiration':
    case 'lastSuccess':
    case 'lastFailed':
    case 'modified':
    case 'passwordChanged':
      return [attribute.type, attribute.value === 0 ? null : iso(attribute.value, 0)];
    case 'principal':
    case 'modifier':
      return [attribute.type, principalJson(attribute.value)];
    case 'keys':
      return [
        'keys',
        attribute.value.map(({ kvno, enctypes: [enctype] }) => ({
          kvno,
          enctype: enctype ?? null,
        })),
      ];
    case 'typedData':
      return ['typedData', attribute.value.map(({ type, data }) => ({ type, bytes: data.length }))];
    case 'modifiedWhere':
    case 'policy':
      return [attribute.type, textOf(attribute.value)];
    case 'history':
      return ['history', attribute.value.length];
    case 'maxLife':
    case 'maxRenewableLife':
    case 'failedCount':
    case 'length':
    case 'policySwitch':
    case 'historyKvno':
      return [attribute.type, attribute.value];
    default:
      return [`type ${attribute.type}`, null];
  }
}

function principalJson({ realm, components }: UpdatePrincipal): object {
  return { realm: textOf(realm), components: components.map(({ data }) => textOf(data)) };
}

function iso(seconds: number, micros: number): string | null {
  if (seconds === 0) return null;
  const fraction = String(micros).padStart(6, '0');
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, `.${fraction}Z`);
}
