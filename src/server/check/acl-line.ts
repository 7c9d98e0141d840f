import { enctypeByName, enctypeName } from '../../protocol/krb5/crypto/profiles.ts';
import { Principal } from '../../protocol/krb5/messages/principal.ts';
import { Acl } from '../acl.ts';

export interface AclLineContext {
  readonly realm: string;
  /** The encryption types that the primary's ticket can have; undefined if that is not known. */
  readonly ticketEnctypes: readonly number[] | undefined;
  /** host/<primary>@REALM, if the primary is known. */
  readonly primary: string | undefined;
}

export type AclLine =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'permits'; readonly principal: string }
  /** It reads as if it let somebody in, and lets nobody in. */
  | {
      readonly kind: 'look-alike';
      readonly why: string;
      /** What it should be; undefined if nobody can know. */
      readonly meant: string | undefined;
      /** A comment may be there on purpose. */
      readonly comment: boolean;
    };

/** What a line of kpropd.acl does, and why it does less than it seems to. */
export function judgeAclLine(latin1: string, o: AclLineContext): AclLine {
  const line = Buffer.from(latin1, 'latin1').toString('utf8');
  const { words, comment, blanks } = wordsOf(line);
  const [name = '', ...rest] = words;
  if (name === '' || (comment && !/[/@]/.test(name))) return { kind: 'nothing' };
  const lookAlike = (why: string, meant: string | undefined): AclLine => {
    return { kind: 'look-alike', why, meant, comment };
  };
  const principal = principalOf(name, o.realm);
  if (principal === undefined) return lookAlike('it names no principal', o.primary);
  const text = `${principal}`;
  if (permitsIn(latin1, principal, o.ticketEnctypes)) {
    if (!name.includes('*')) return { kind: 'permits', principal: text };
  }
  // The word that follows, if it is an encryption type: then it is kept.
  const [word = ''] = rest;
  const enctype = enctypeByName(word);
  const fits = enctype !== undefined && (o.ticketEnctypes?.includes(enctype) ?? true);
  const meant = fits ? `${text} ${word}` : text;
  if (name.includes('*')) return lookAlike('there are no wildcards', o.primary);
  if (comment) return lookAlike('it is a comment', meant);
  if (blanks) return lookAlike('it does not begin in the first column', meant);
  if (!name.includes('@')) return lookAlike('it has no realm', meant);
  if (rest.length > 0 && enctype === undefined) {
    return lookAlike(`${quoted(rest.join(' '))} is not an encryption type`, meant);
  }
  if (enctype !== undefined && !fits) {
    const own = (o.ticketEnctypes ?? []).map(enctypeName).join(' or ');
    return lookAlike(
      `tickets for this host are ${own}, and it wants ${enctypeName(enctype)}`,
      meant,
    );
  }
  const why = rest.length > 1 ? 'only one word may follow' : 'something follows the last word';
  return lookAlike(why, meant);
}

/** The words of a line, without what may stand around them. */
function wordsOf(line: string) {
  // A byte order mark is a character of the principal to kpropd.
  const bare = line.replace(/^[\s\ufeff\u00a0]+/, '');
  const comment = bare.startsWith('#');
  const words = bare
    .replace(/^#+/, '')
    .split(/[\s\u00a0]+/)
    .filter((word) => word !== '');
  return { words, comment, blanks: bare !== line };
}

function permitsIn(
  latin1: string,
  principal: Principal,
  enctypes: readonly number[] | undefined,
): boolean {
  const acl = Acl.parse(Buffer.from(latin1, 'latin1'), '');
  return (enctypes ?? anyEnctypes).some((enctype) => acl.permits(principal, enctype));
}

function principalOf(name: string, realm: string): Principal | undefined {
  try {
    const principal = Principal.parse(name, realm);
    const whole = principal.realm !== '' && !principal.components.includes('');
    return whole ? principal : undefined;
  } catch {
    return undefined;
  }
}

const quoted = (text: string) => JSON.stringify(text.slice(0, 60));
const anyEnctypes: readonly number[] = Array.from({ length: 64 }, (_, number) => number);
