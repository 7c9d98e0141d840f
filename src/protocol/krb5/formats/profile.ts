import { isKpropError, KpropError } from '../../../errors/kprop-error.ts';

/** A relation `tag = value`, or a section of such nodes. After a `final` one others are ignored. */
export type ProfileNode = ProfileRelation | ProfileSection;

export interface ProfileRelation {
  readonly kind: 'relation';
  readonly name: string;
  readonly value: string;
  readonly final: boolean;
  /** The file that it stands in, which may be an included one. */
  readonly file: string;
  /** Where it stands in that file, from 1. */
  readonly line: number;
}

export interface ProfileSection {
  readonly kind: 'section';
  readonly name: string;
  readonly final: boolean;
  /** Where it is opened first, from 1; 0 of a whole file. */
  readonly line: number;
  readonly children: readonly ProfileNode[];
}

/** One configuration file with all that it includes: a section without a name. */
export type ProfileTree = ProfileSection;

/** The files that an include names, in order. @throws config.unreadable */
export type Include = (
  kind: 'include' | 'includedir',
  path: string,
) => readonly { readonly file: string; readonly text: string }[];

/**
 * The tree of a krb5.conf or kdc.conf text; `file` names it in errors. Long lines are read whole;
 * MIT cuts them at 2047 bytes.
 * @throws config.syntax, config.include
 * @see krb5.conf(5); the meaning of `*` is that of krb5 1.22
 */
export function parseProfile(text: string, file: string, include: Include): ProfileTree {
  const root = openSection('', 0);
  new FileReader(root, include, 0).read(text, file);
  return root;
}

/** A relation wherever it stands, file by file in order of appearance, until something final ends it. */
export function profileRelations(
  trees: readonly ProfileTree[],
  path: readonly string[],
): readonly ProfileRelation[] {
  const relations: ProfileRelation[] = [];
  const sectionNames = path.slice(0, -1);
  for (const tree of trees) {
    let section: ProfileSection | undefined = tree;
    let final = false;
    for (const name of sectionNames) {
      section = section?.children.find(
        (node): node is ProfileSection => node.kind === 'section' && node.name === name,
      );
      final ||= section?.final ?? false;
    }
    for (const node of section?.children ?? []) {
      if (node.kind !== 'relation' || node.name !== path.at(-1)) continue;
      relations.push(node);
      final ||= node.final;
    }
    if (final) break;
  }
  return relations;
}

interface OpenSection extends ProfileSection {
  final: boolean;
  readonly children: (ProfileRelation | OpenSection)[];
}

// MIT reads a file that includes itself until it runs out of descriptors.
const includeDepthLimit = 16;

/** Reads one file into a tree shared with others. It starts outside all sections. */
class FileReader {
  readonly #root: OpenSection;
  readonly #include: Include;
  readonly #depth: number;
  #file = '';
  #line = 0;
  #state: 'before first header' | 'in section' | 'awaiting brace' = 'before first header';
  /** The header's section, then one more for each open brace. */
  #open: OpenSection[] = [];

  constructor(root: OpenSection, include: Include, depth: number) {
    this.#root = root;
    this.#include = include;
    this.#depth = depth;
  }

  read(text: string, file: string): void {
    this.#file = file;
    for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
      this.#line++;
      // As in C, a NUL ends the line.
      this.#readLine(line.replace(/\0.*/s, ''));
    }
  }

  #readLine(line: string): void {
    const including = /^(include|includedir)[ \t\n\v\f\r]+(.*)$/s.exec(line);
    if (including) {
      const kind = including[1] === 'include' ? 'include' : 'includedir';
      this.#readIncluded(kind, including[2]!.replace(/[\r\n]+$/, ''));
    } else if (this.#state === 'awaiting brace') {
      if (!skipBlanks(line).startsWith('{')) this.#fail('an open brace is missing');
      this.#state = 'in section';
    } else if (this.#state === 'in section' || line.startsWith('[')) {
      this.#state = 'in section';
      this.#readInSection(skipBlanks(line).replace(/[\r\n]+$/, ''));
    } else if (/^module[ \t\n\v\f\r]/.test(line)) {
      this.#fail('modules are not supported');
    }
  }

  #readIncluded(kind: 'include' | 'includedir', path: string): void {
    if (this.#depth === includeDepthLimit) this.#fail('includes are nested too deeply');
    for (const { file, text } of this.#filesOf(kind, path)) {
      new FileReader(this.#root, this.#include, this.#depth + 1).read(text, file);
    }
  }

  #filesOf(kind: 'include' | 'includedir', path: string): ReturnType<Include> {
    try {
      return this.#include(kind, path);
    } catch (cause) {
      if (!isKpropError(cause, 'config.unreadable')) throw cause;
      const place = { file: this.#file, line: this.#line, kind };
      throw new KpropError('config.include', { ...place, ...cause.detail }, { cause });
    }
  }

  #readInSection(line: string): void {
    if (line === '' || line.startsWith('#') || line.startsWith(';')) return;
    if (line.startsWith('[')) this.#readHeader(line);
    else if (line.startsWith('}')) this.#closeBrace(line);
    else this.#readRelation(line);
  }

  #readHeader(line: string): void {
    if (this.#open.length > 1) this.#fail('a section header stands inside a subsection');
    const header = /^\[([^\]]*)\](\*?)[ \t\n\v\f\r]*$/.exec(line);
    if (!header) this.#fail('a section header is malformed');
    const head = { name: header[1]!, final: header[2] === '*', line: this.#line };
    this.#open = [enter(this.#root, head)];
  }

  #closeBrace(line: string): void {
    if (this.#open.length < 2) this.#fail('a closing brace has no open one');
    const closed = this.#open.pop()!;
    if (line.startsWith('}*')) closed.final = true;
  }

  #readRelation(line: string): void {
    const relation = /^([^ \t\n\v\f\r=]+)[ \t\n\v\f\r]*=(.*)$/s.exec(line);
    if (!relation) this.#fail('this is not a relation of the form "tag = value"');
    const [tag, final] = splitTag(relation[1]!);
    const value = skipBlanks(relation[2]!);
    const section = this.#open.at(-1)!;
    if (/^(?:\{[ \t\n\v\f\r]*)?$/.test(value)) {
      if (value === '') this.#state = 'awaiting brace';
      this.#open.push(enter(section, { name: tag, final, line: this.#line }));
    } else if (!section.children.some((node) => node.name === tag && node.final)) {
      const text = value.startsWith('"') ? unquote(value) : trimEnd(value);
      const place = { file: this.#file, line: this.#line };
      section.children.push({ kind: 'relation', name: tag, value: text, final, ...place });
    }
  }

  #fail(reason: string): never {
    throw new KpropError('config.syntax', { file: this.#file, line: this.#line, reason });
  }
}

/**
 * The first section of this name, or a new one, to add to. If it was final before, it is one
 * outside the tree, so that what is added is ignored.
 */
function enter(
  parent: OpenSection,
  { name, final, line }: Pick<OpenSection, 'name' | 'final' | 'line'>,
): OpenSection {
  let section = parent.children.find(
    (node): node is OpenSection => node.kind === 'section' && node.name === name,
  );
  if (section?.final) return openSection(name, line);
  if (section === undefined) {
    section = openSection(name, line);
    parent.children.push(section);
  }
  section.final ||= final;
  return section;
}

function openSection(name: string, line: number): OpenSection {
  return { kind: 'section', name, final: false, line, children: [] };
}

/** The tag up to its first `*`, and whether there is one. */
function splitTag(tag: string): readonly [tag: string, final: boolean] {
  const star = tag.indexOf('*');
  return star === -1 ? [tag, false] : [tag.slice(0, star), true];
}

/** The text between the quote at the start and the next unescaped one, or the end. */
function unquote(value: string): string {
  let text = '';
  for (let at = 1; at < value.length && value[at] !== '"'; at++) {
    const escaped = value[at] === '\\' && at + 1 < value.length;
    if (escaped) at++;
    const char = value.charAt(at);
    text += escaped ? (meaningOfEscape.get(char) ?? char) : char;
  }
  return text;
}

const meaningOfEscape: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['b', '\b'],
]);

// The white space of C's isspace; that of JavaScript takes in U+FEFF, U+00A0 and others.
function skipBlanks(text: string): string {
  return text.replace(/^[ \t\n\v\f\r]+/, '');
}

function trimEnd(text: string): string {
  let end = text.length;
  // A regular expression would be quadratic on a long run of blanks inside the value.
  while (end > 0 && ' \t\n\v\f\r'.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}
