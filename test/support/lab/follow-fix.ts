import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Lab, ourProgram } from './lab.ts';

/** What following a fix needs to know of the replica that is checked. */
export interface FixPlace {
  readonly lab: Lab;
  /** Where its kpropd listens. */
  readonly port: number;
}

/**
 * Does what a fix says, to the letter, as an administrator at the shell of the replica would. Programs
 * that speak to the primary or to systemd stand for themselves: kadmin is kadmin.local of the primary,
 * scp copies from its folder, kprop runs there. Returns the options that kpropd is to be started with.
 */
export async function followFix(fix: string, { lab, port }: FixPlace): Promise<readonly string[]> {
  const line = /^write line (\d+) of (\S+) as: (.*)$/.exec(fix);
  if (line !== null) {
    const [, number = '', path = '', text = ''] = line;
    const lines = readFileSync(path, 'latin1').split('\n');
    lines[Number(number) - 1] = text;
    writeFileSync(path, `${lines.join('\n').trimEnd()}\n`);
    return [];
  }
  const relation = /^write under (\S+)(?: in \[realms\])? of (krb5|kdc)\.conf: (.*)$/.exec(fix);
  if (relation !== null) {
    const [, section = '', file, text = ''] = relation;
    const path = file === 'krb5' ? lab.replica.krb5Conf : lab.replica.kdcConf;
    const filled = text.replace(/\bPRIMARY\b/, lab.host);
    const lines = section.startsWith('[')
      ? `${section}\n  ${filled}\n`
      : `[realms]\n  ${section} = {\n    ${filled}\n  }\n`;
    writeFileSync(path, `${lines}${readFileSync(path, 'latin1')}`);
    return [];
  }
  const options = /^start kpropd with (.*)$/.exec(fix);
  if (options !== null) return (options[1] ?? '').split(' ');
  await runAtShell(fix.replace(/^(on \S+|make room): /, ''), { lab, port });
  return [];
}

async function runAtShell(command: string, { lab, port }: FixPlace): Promise<void> {
  const bin = join(lab.folder, 'fix-bin');
  mkdirSync(bin, { recursive: true });
  const { primary, replica } = lab;
  const onPrimary = `KRB5_CONFIG=${primary.krb5Conf} KRB5_KDC_PROFILE=${primary.kdcConf}`;
  const scripts = {
    // The two hosts have one name here, so the primary's keytab needs the new key, too.
    kadmin: `${onPrimary} /usr/sbin/kadmin.local "$@" && ${onPrimary} /usr/sbin/kadmin.local -q "ktadd -norandkey -k ${primary.keytab} host/${lab.host}"`,
    scp: `cp -p "$(echo "\${2#*:}" | sed 's|^${replica.folder}/|${primary.folder}/|')" "$3"`,
    kprop: `${onPrimary} KRB5_KTNAME=FILE:${primary.keytab} exec ${process.execPath} ${ourProgram('kprop')} -P ${port} -f ${lab.dumpFile} "$@"`,
    systemctl: `[ "$1" = daemon-reload ] || exec /usr/bin/systemctl "$@"`,
  };
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const { status, stdout, stderr } = await lab.run('sh', ['-c', command], {
    role: 'replica',
    env: { PATH: `${bin}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` },
  });
  if (status !== 0) throw new Error(`${command}: status ${status}\n${stdout}${stderr}`);
}
