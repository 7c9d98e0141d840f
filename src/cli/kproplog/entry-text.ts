import type { LogHeader } from '../../kdb/ulog/layout.ts';
import type { LogEntry } from '../../kdb/ulog/log-file.ts';
import type {
  Attribute,
  Update,
  UpdateKey,
  UpdatePrincipal,
} from '../../protocol/iprop/updates.ts';
import { ctime, durationText, flagNames } from './values.ts';

// Text as MIT's kproplog prints it, byte for byte (krb5 src/kprop/kproplog.c). Each character stands for
// one byte: names need not be UTF-8.

/** The lines about the log itself. */
export function headerText(header: LogHeader): string {
  const { first, last } = header;
  const states: Readonly<Record<number, string>> = { 1: 'Stable', 2: 'Unstable', 3: 'Corrupt' };
  const serials =
    last.serial === 0
      ? '\tLast serial # : None\n'
      : `\tFirst serial # : ${first.serial === 0 ? 'None' : first.serial}\n\tLast serial # : ${last.serial}\n`;
  const times =
    last.seconds === 0
      ? '\tLast time stamp : None\n'
      : `\tFirst time stamp : ${timeOrNone(first.seconds)}\tLast time stamp : ${ctime(last.seconds)}\n`;
  return `Update log dump :
\tLog version # : ${header.version}
\tLog state : ${states[header.state] ?? `Unknown state: ${header.state}`}
\tEntry block size : ${header.blockBytes}
\tNumber of entries : ${header.entries}
${serials}${times}`;
}

/** What is printed of every entry before it is decoded. */
export function entryHead({ serial }: LogEntry): string {
  return `---\nUpdate Entry\n\tUpdate serial # : ${serial}\n`;
}

export type Verbosity = 'none' | 'names' | 'values';

/** The rest of an entry that holds an update. */
export function updateText(entry: LogEntry, update: Update, verbosity: Verbosity): string {
  const head = `\tUpdate operation : ${update.deleted ? 'Delete' : 'Add'}
\tUpdate principal : ${cString(update.name)}
\tUpdate size : ${entry.bytes}
\tUpdate committed : ${entry.committed ? 'True' : 'False'}
\tUpdate time stamp : ${timeOrNone(entry.seconds)}\tAttributes changed : ${update.attributes.length}
`;
  if (verbosity === 'none') return head;
  return head + update.attributes.map((each) => attributeText(each, verbosity)).join('');
}

function attributeText(attribute: Attribute, verbosity: Verbosity): string {
  if (typeof attribute.type === 'number') return '';
  const name = `\t\t${attributeNames[attribute.type]}\n`;
  if (verbosity === 'names') return name;
  return name + valueLines(attribute);
}

type KnownAttribute = Exclude<Attribute, { readonly type: number }>;

const attributeNames: Readonly<Record<KnownAttribute['type'], string>> = {
  flags: 'Attribute flags',
  maxLife: 'Maximum ticket life',
  maxRenewableLife: 'Maximum renewable life',
  expiration: 'Principal expiration',
  passwordExpiration: 'Password expiration',
  lastSuccess: 'Last successful auth',
  lastFailed: 'Last failed auth',
  failedCount: 'Failed passwd attempt',
  principal: 'Principal',
  keys: 'Key data',
  typedData: 'TL data',
  length: 'Length',
  modifier: 'Modifying principal',
  modified: 'Modification time',
  modifiedWhere: 'Modified where',
  passwordChanged: 'Password last changed',
  policy: 'Password policy',
  policySwitch: 'Password policy switch',
  historyKvno: 'Password history KVNO',
  history: 'Password history',
};

function valueLines(attribute: KnownAttribute): string {
  switch (attribute.type) {
    case 'flags':
      return flagNames(attribute.value).map(line).join('');
    case 'maxLife':
    case 'maxRenewableLife':
      return line(durationText(attribute.value));
    case 'expiration':
    case 'passwordExpiration':
    case 'lastSuccess':
    case 'lastFailed':
    case 'modified':
    case 'passwordChanged':
      return `\t\t\t${timeOrNone(attribute.value)}`;
    case 'failedCount':
    case 'historyKvno':
      return line(attribute.value | 0);
    case 'length':
      return line(attribute.value);
    case 'policySwitch':
      return line(attribute.value ? 1 : 0);
    case 'principal':
    case 'modifier':
      return principalLines(attribute.value);
    case 'keys':
      return attribute.value.map(keyLines).join('');
    case 'typedData':
      return [
        line(`items: ${attribute.value.length}`),
        ...attribute.value.flatMap(({ type, data }) => [
          line(`type: 0x${hexOf(type)}`),
          line(`value(${data.length}): 0x${hexBytes(data)}`),
        ]),
      ].join('');
    case 'modifiedWhere':
      return textLine('where', attribute.value);
    case 'policy':
      return textLine('policy', attribute.value);
    default:
      return line('PW history elided');
  }
}

function principalLines({ realm, components }: UpdatePrincipal): string {
  return [
    textLine('realm', realm),
    ...components.flatMap(({ magic, data }) => [
      line(`magic: 0x${hexOf(magic)}`),
      textLine('princ', data),
    ]),
  ].join('');
}

function keyLines({ version, kvno, enctypes, contents }: UpdateKey): string {
  return [
    line(`ver: ${version}`),
    line(`kvno: ${kvno}`),
    ...enctypes.map((enctype) => line(`enc type: 0x${hexOf(enctype)}`)),
    ...contents.map((bytes) => line(`key(${bytes.length}): 0x${hexBytes(bytes)}`)),
  ].join('');
}

function line(text: string | number): string {
  return `\t\t\t${text}\n`;
}

function textLine(what: string, bytes: Uint8Array): string {
  return line(`${what}(${bytes.length}): ${cString(bytes)}`);
}

/** As printf prints it: up to a NUL. */
function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
}

function timeOrNone(seconds: number): string {
  return seconds === 0 ? 'None\n' : ctime(seconds);
}

function hexOf(number: number): string {
  return (number >>> 0).toString(16);
}

function hexBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
