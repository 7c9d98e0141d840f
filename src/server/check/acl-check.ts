import { lookup } from 'node:dns/promises';
import { statSync } from 'node:fs';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { canonicalNames } from '../../host/names.ts';
import { Acl } from '../acl.ts';
import { type AclLine, judgeAclLine } from './acl-line.ts';
import type { CheckedSite } from './checked-site.ts';
import { exposureFindings } from './exposure-check.ts';
import { type CheckFinding, failure, ok, warning } from './finding.ts';
import { ticketEnctypes } from './own-keys.ts';
import { shellWord } from './shell-word.ts';
import { withinLimit } from './time-limit.ts';

const resolverMillis = 1_500;

/** Who may propagate, line by line. */
export async function aclChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const { acl: path } = site.options;
  const primary = await primaryPrincipal(site);
  const someone = primary ?? `host/PRIMARY@${site.realm}`;
  const errno = errnoOfFile(path);
  if (errno !== undefined) return [missing(path, errno, someone)];
  const acl = Acl.read(path);
  if (acl.missing !== undefined) return [missing(path, acl.missing, someone)];
  const context = { realm: site.realm, ticketEnctypes: ticketEnctypes(site), primary };
  const lines = acl.lines.map((line) => judgeAclLine(line, context));
  const permitted = [
    ...new Set(lines.flatMap((line) => (line.kind === 'permits' ? [line.principal] : []))),
  ];
  const findings = lines.flatMap((line, index) =>
    lineFinding(line, { number: index + 1, path, permitted: permitted, someone }),
  );
  if (permitted.length === 0 && findings.length === 0) {
    const what = `${path} names nobody, so every propagation is refused`;
    findings.push(failure('ACL', what, `echo ${shellWord(someone)} >> ${shellWord(path)}`));
  }
  if (permitted.length > 0) {
    findings.unshift(ok('ACL', `${path} lets in ${listed(permitted)}`));
    if (primary !== undefined && !(await isNamed(site, acl, primary, permitted))) {
      const what = `${path} does not let in ${primary}, the primary that the configuration names`;
      findings.push(warning('ACL', what, `echo ${shellWord(primary)} >> ${shellWord(path)}`));
    }
  }
  return [...findings, ...exposureFindings('ACL', [{ kind: 'ACL', path }])];
}

/** host/<primary>@REALM, if the configuration names the primary. */
async function primaryPrincipal({ primary, config, realm }: CheckedSite) {
  if (primary === undefined) return undefined;
  const [name] = await withinLimit<readonly string[]>(
    resolverMillis,
    canonicalNames(primary, config),
    () => [primary],
  );
  return `host/${name}@${realm}`;
}

interface LinePlace {
  readonly number: number;
  readonly path: string;
  readonly permitted: readonly string[];
  readonly someone: string;
}

function lineFinding(line: AclLine, o: LinePlace): CheckFinding[] {
  if (line.kind !== 'look-alike') return [];
  const meant = line.meant ?? o.someone;
  const [principal = ''] = meant.split(' ');
  // It is there a second time, rightly: then the comment is on purpose.
  if (line.comment && o.permitted.length > 0) return [];
  const what = `line ${o.number} of ${o.path} lets nobody in: ${line.why}`;
  const fix = o.permitted.includes(principal)
    ? `sed -i ${o.number}d ${shellWord(o.path)}`
    : `write line ${o.number} of ${o.path} as: ${meant}`;
  return [(o.permitted.length === 0 ? failure : warning)('ACL', what, fix)];
}

function missing(path: string, errno: string, someone: string): CheckFinding {
  const add = `echo ${shellWord(someone)} > ${shellWord(path)}`;
  if (errno === 'ENOENT') {
    const what = `there is no ${path}, so every propagation is refused`;
    return failure('ACL', what, add);
  }
  if (errno === 'EINVAL') {
    return failure('ACL', `${path} is not a file`, `rm -r ${shellWord(path)} && ${add}`);
  }
  const what = `${path} cannot be read (${errnoText(errno)}), so every propagation is refused`;
  return failure('ACL', what, `chmod a+r ${shellWord(path)}`);
}

/** Whether the primary is let in, under this name or under another whole one of the same address. */
async function isNamed(
  { primary = '', config }: CheckedSite,
  acl: Acl,
  principal: string,
  permitted: readonly string[],
): Promise<boolean> {
  if (permitted.includes(principal)) return true;
  const addresses = (host: string): Promise<readonly string[]> =>
    lookup(host, { all: true }).then(
      (found) => found.map(({ address }) => address),
      () => [],
    );
  return withinLimit(
    resolverMillis,
    (async () => {
      const own = await addresses(primary);
      // Nobody knows where it is, so nothing can be said.
      if (own.length === 0) return true;
      const others = (
        await Promise.all(
          acl.hosts.map(async (host) => {
            // A short name, or capitals, are no other name: no principal is called so.
            const isWhole = (await canonicalNames(host, config)).includes(host);
            return isWhole ? await addresses(host) : [];
          }),
        )
      ).flat();
      return others.some((address) => own.includes(address));
    })(),
    () => true,
  );
}

function errnoOfFile(path: string): string | undefined {
  try {
    return statSync(path).isFile() ? undefined : 'EINVAL';
  } catch (error) {
    return errnoOf(error);
  }
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
