import { columns, countText, oneLine } from '../show/words.ts';
import type { Kit } from './kit.ts';
import type { Step } from './plan.ts';
import { type Start, startText } from './services.ts';

/** What join would do, file by file. */
export function planText(kit: Kit, steps: readonly Step[], keys: number): string {
  const rows = steps.map((step) => [
    `  ${words[step.state]}`,
    step.path,
    step.mode.toString(8).padStart(4, '0'),
    step.owner.uid === 0 ? 'root' : `${step.owner.uid}`,
    aboutStep(step, kit, keys),
  ]);
  const header = ['', 'FILE', 'MODE', 'OWNER', ''];
  const head = `kit for ${kit.host}, realm ${kit.realm}, made at ${kit.made} by ${kit.primary}`;
  return `${[head, ...columns([header, ...rows])].map(oneLine).join('\n')}\n`;
}

const words: Readonly<Record<Step['state'], string>> = {
  new: 'new',
  same: 'same',
  adds: 'adds to',
  mode: 'mode of',
  differs: 'differs',
  kept: 'kept',
};

function aboutStep({ name, state }: Step, kit: Kit, keys: number): string {
  if (name === 'krb5.keytab' && (state === 'new' || state === 'adds')) {
    return `${countText(keys)} ${keys === 1 ? 'key' : 'keys'} of host/${kit.host}`;
  }
  if (name === 'kpropd.acl' && state === 'new') return kit.primary;
  if (name === 'stash' && state === 'new') return 'the stash of the master key';
  return '';
}

export interface NextOptions {
  readonly kit: Kit;
  readonly plan: { readonly steps: readonly Pick<Step, 'name' | 'state' | 'path'>[] };
  /** Before this join: whose it is, and how old, nobody knows. */
  readonly hadDatabase: boolean;
  readonly hasStash: boolean;
  readonly hasDatabase: boolean;
  readonly kpropd: Start;
  readonly kdc: Start;
  readonly started: { readonly kpropd: boolean; readonly kdc: boolean };
}

/** What is left to do, in order, with the commands. */
export function nextSteps({ kit, plan, started, ...o }: NextOptions): readonly string[] {
  const run = `on ${primaryOf(kit)}: kpropctl run ${kit.host}`;
  const steps: string[] = [];
  const acl = plan.steps.find(({ name, state }) => name === 'kpropd.acl' && state === 'kept');
  if (acl !== undefined) {
    steps.push(`here, add this line to ${acl.path}, or kpropd refuses: ${kit.primary}`);
  }
  if (!started.kpropd && !o.hasDatabase) steps.push(`here, start kpropd: ${startText(o.kpropd)}`);
  if (!o.hasDatabase) steps.push(run);
  if (!o.hasStash) {
    steps.push(
      'here, with the master password: kdb5_util stash    (without it krb5kdc cannot start)',
    );
  }
  if (!started.kdc) steps.push(`here, when there is a database: ${startText(o.kdc)}`);
  if (!started.kdc || o.hadDatabase) {
    steps.push(`${run}    (it ends with "live")`);
    steps.push('here, what is right and wrong: kpropctl doctor --here');
  }
  return steps;
}

export function primaryOf({ primary }: Kit): string {
  return primary.replace(/^host\/|@.*$/g, '');
}
