import { enctypeByName } from '../protocol/krb5/crypto/profiles.ts';

/** A line of kpropd.acl that was meant for a client, but does not let it in. */
export interface NearMiss {
  /** From 1. */
  readonly line: number;
  /** What is wrong with it, behind "line 3 …". The client itself may read it: it quotes no line. */
  readonly fault: string;
  /** The line as it stands in the file, shortened. */
  readonly text: string;
}

/** A client that the ACL does not permit, and the encryption type of its ticket. */
interface Denied {
  readonly name: string;
  readonly enctype: string;
}

/** The line that comes nearest to letting the client in; undefined if none names its host. */
export function nearMiss(lines: readonly string[], denied: Denied): NearMiss | undefined {
  const found = lines.flatMap((line, at) => {
    const rank = faults.findIndex(({ is }) => is(line, denied));
    return rank === -1 ? [] : [{ rank, line: at + 1, text: JSON.stringify(line.slice(0, 80)) }];
  });
  const [nearest] = found.sort((a, b) => a.rank - b.rank);
  const fault = nearest && faults[nearest.rank];
  if (nearest === undefined || fault === undefined) return undefined;
  return { line: nearest.line, fault: fault.says(denied), text: nearest.text };
}

interface Fault {
  readonly is: (line: string, denied: Denied) => boolean;
  readonly says: (denied: Denied) => string;
}

const blank = /[ \t\v\f\r]/;
const wordsOf = (line: string) => line.split(blank).filter((word) => word !== '');
const realmOf = (name: string) => name.slice(name.lastIndexOf('@') + 1);
const withoutRealm = (name: string) => name.slice(0, name.lastIndexOf('@'));

/** Nearest first. */
const faults: readonly Fault[] = [
  {
    is: (line, { name }) =>
      startsWith(line, name) && enctypeByName(wordsOf(line).slice(1).join(' ')) === undefined,
    says: () => 'has something else than the name of an encryption type behind the principal',
  },
  {
    is: (line, { name }) => startsWith(line, name),
    says: ({ enctype }) => `demands another encryption type of the ticket than ${enctype}`,
  },
  {
    is: (line, { name }) => blank.test(line.charAt(0)) && wordsOf(line)[0] === name,
    says: () => 'begins with a blank',
  },
  {
    is: (line, { name }) => wordsOf(line)[0] === withoutRealm(name),
    says: () => 'lacks the realm',
  },
  {
    is: (line, { name }) => wordsOf(line)[0]?.toLowerCase() === name.toLowerCase(),
    says: () => 'differs in upper and lower case',
  },
  {
    is: (line, { name }) => line.startsWith(name),
    says: () => 'has more characters right behind the principal',
  },
  {
    is: (line, { name }) => isWildcardFor(wordsOf(line)[0] ?? '', name),
    says: () => 'has a wildcard, which means nothing in this file',
  },
  {
    is: (line, { name }) => {
      const [word = ''] = wordsOf(line);
      return withoutRealm(word) === withoutRealm(name) && realmOf(word) !== realmOf(name);
    },
    says: () => 'has another realm',
  },
  {
    is: (line, { name }) => /^[#;]/.test(line.trim()) && line.includes(name),
    says: () => 'is a comment',
  },
];

function startsWith(line: string, name: string): boolean {
  return line.startsWith(name) && blank.test(line.charAt(name.length));
}

function isWildcardFor(word: string, name: string): boolean {
  if (!word.includes('*') || word.length > name.length + 10) return false;
  // Part by part, in order: no expression that a long line could make slow.
  const parts = word.split('*');
  let at = 0;
  return parts.every((part, index) => {
    const found = name.indexOf(part, at);
    at = found + part.length;
    return index === 0 ? found === 0 : found !== -1;
  });
}
