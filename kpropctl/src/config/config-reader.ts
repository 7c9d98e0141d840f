import {
  isKpropError,
  type ProfileNode,
  type ProfileSection,
  parseDuration,
  parseProfile,
} from 'kprop';

import { BadSettings, type Complaint } from './complaints.ts';
import { type Kind, nearest, type Relation, replicaRelations } from './relations.ts';

/** Collects everything that is wrong, so that it can be mended in one go. */
export class ConfigReader {
  readonly #file: string;
  readonly #complaints: Complaint[] = [];
  #lines: readonly string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  parse(text: string): ProfileSection {
    this.#lines = text.split('\n');
    try {
      return parseProfile(text, this.#file, () => []);
    } catch (error) {
      if (!isKpropError(error, 'config.syntax')) throw error;
      const { line, reason } = error.detail;
      this.#complain(line, reason, 'the syntax is that of krb5.conf');
      throw new BadSettings(this.#complaints);
    }
  }

  /** The values of a section, defaults included. */
  section(
    root: ProfileSection,
    name: string,
    relations: Readonly<Record<string, Relation>>,
  ): ReadonlyMap<string, string> {
    for (const node of root.children) {
      if (['kpropctl', 'replicas'].includes(node.name)) continue;
      this.#unknown(node, ['kpropctl', 'replicas'], 'section');
    }
    return this.#values(this.#find(root, name)?.children ?? [], relations);
  }

  replicas(root: ProfileSection): ReadonlyMap<string, ReadonlyMap<string, string>> {
    const replicas = new Map<string, ReadonlyMap<string, string>>();
    const folded = new Map<string, string>();
    const lines = new Map<string, number>();
    for (const node of this.#find(root, 'replicas')?.children ?? []) {
      const { name, line } = node;
      // In the syntax of krb5.conf this is a value; here nothing else can be meant.
      const isEmpty = node.kind === 'relation' && /^\{\s*\}$/.test(node.value);
      if (node.kind === 'relation' && !isEmpty) {
        this.#complain(line, `${name} has a value`, `write it as a section: ${name} = { }`);
        continue;
      }
      const same = folded.get(name.toLowerCase().replace(/\.$/, ''));
      if (same !== undefined) {
        this.#complain(line, `${name} is there twice`, `the other one is ${same}`);
      }
      folded.set(name.toLowerCase().replace(/\.$/, ''), name);
      lines.set(name, line);
      const children = node.kind === 'section' ? node.children : [];
      replicas.set(name, this.#values(children, replicaRelations));
    }
    for (const [host, own] of replicas) {
      const after = own.get('after');
      const line = lines.get(host) ?? 0;
      if (after !== undefined && !replicas.has(after)) {
        const like = nearest(after, [...replicas.keys()]);
        const advice = like === undefined ? 'name one of [replicas]' : `did you mean ${like}?`;
        this.#complain(line, `${host} comes after ${after}, which is no replica`, advice);
      } else if (after !== undefined && this.#waitsForItself(host, replicas)) {
        this.#complain(line, `${host} waits for itself`, 'break the circle of after');
      }
    }
    return replicas;
  }

  /** Something about a relation of [kpropctl] that only shows beside the others. */
  complainAbout(
    root: ProfileSection,
    name: string,
    { problem, advice }: Pick<Complaint, 'problem' | 'advice'>,
  ): void {
    const nodes = this.#find(root, 'kpropctl')?.children ?? [];
    this.#complain(nodes.find((node) => node.name === name)?.line ?? 0, problem, advice);
  }

  /** @throws BadSettings */
  finish(): void {
    if (this.#complaints.length > 0) throw new BadSettings(this.#complaints);
  }

  #waitsForItself(
    host: string,
    replicas: ReadonlyMap<string, ReadonlyMap<string, string>>,
  ): boolean {
    let at: string | undefined = host;
    for (let steps = 0; steps <= replicas.size; steps += 1) {
      at = replicas.get(at ?? '')?.get('after');
      if (at === undefined) return false;
    }
    return true;
  }

  #find(root: ProfileSection, name: string): ProfileSection | undefined {
    return root.children.find(
      (node): node is ProfileSection => node.kind === 'section' && node.name === name,
    );
  }

  #values(
    nodes: readonly ProfileNode[],
    relations: Readonly<Record<string, Relation>>,
  ): ReadonlyMap<string, string> {
    const values = new Map<string, string>();
    for (const [name, { byDefault }] of Object.entries(relations)) {
      if (byDefault !== undefined) values.set(name, byDefault);
    }
    const seen = new Set<string>();
    for (const node of nodes) {
      const known = Object.hasOwn(relations, node.name) ? relations[node.name] : undefined;
      if (known === undefined) {
        this.#unknown(node, Object.keys(relations), 'relation');
      } else if (node.kind === 'section') {
        this.#complain(node.line, `${node.name} is a section`, `write ${node.name} = VALUE`);
      } else if (seen.has(node.name)) {
        this.#complain(node.line, `${node.name} is there twice`, 'remove one of them');
      } else {
        const wrong = faultIn(node.value, known.kind);
        if (/\s#/.test(node.value) && !node.name.startsWith('on_')) {
          const advice = 'as in krb5.conf, a comment needs a line of its own';
          const problem = `${node.name} has a comment behind its value`;
          this.#complain(node.line, problem, advice, (line) => line.replace(/\s+#.*$/, ''));
        } else if (wrong === undefined) values.set(node.name, node.value);
        else this.#complain(node.line, `${node.name} = ${node.value} is not ${wrong}`, '');
      }
      seen.add(node.name);
    }
    return values;
  }

  #unknown(node: ProfileNode, names: readonly string[], what: string): void {
    const like = nearest(node.name, names);
    const advice =
      like === undefined ? 'kpropctl init shows all that there are' : `did you mean ${like}?`;
    const mend =
      like === undefined ? undefined : (line: string) => line.replace(node.name, () => like);
    this.#complain(node.line, `there is no ${what} ${node.name}`, advice, mend);
  }

  #complain(
    line: number,
    problem: string,
    advice: string,
    mend?: ((line: string) => string) | undefined,
  ): void {
    const text = this.#lines[line - 1];
    const instead = text === undefined ? undefined : mend?.(text);
    this.#complaints.push({ file: this.#file, line, problem, advice, instead });
  }
}

/** What a value should be and is not. */
function faultIn(value: string, kind: Kind): string | undefined {
  switch (kind) {
    case 'count':
      return /^\d{1,6}$/.test(value) ? undefined : 'a whole number';
    case 'percent':
      return /^\d{1,3}(\.\d+)?%$/.test(value) ? undefined : 'a percentage, such as 5%';
    case 'duration':
      return isDuration(value) ? undefined : 'a duration, such as 90s, 5m or 1h30m';
    case 'durations':
      return value.split(/\s+/).length === 2 && value.split(/\s+/).every(isDuration)
        ? undefined
        : 'two durations, such as 5s 2m';
    case 'boolean':
      return value === 'true' || value === 'false' ? undefined : 'true or false';
    case 'address':
      return /^(unix:\/.+|(\[[\da-f:.]+\]|[\w.-]+):\d{1,5})$/i.test(value)
        ? undefined
        : 'an address with a port, such as 127.0.0.1:9754, or unix:/run/kpropctl.sock';
    case 'path':
      return value.startsWith('/') ? undefined : 'an absolute path';
    default:
      return value === '' ? 'anything' : undefined;
  }
}

function isDuration(text: string): boolean {
  const seconds = parseDuration(text);
  return seconds !== undefined && seconds >= 0;
}
