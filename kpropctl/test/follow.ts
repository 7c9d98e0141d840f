import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { adminPassword, type ControlRealm, program, type Replica } from './realm.ts';

/** A fix of doctor's, followed to the letter, as somebody would who reads it. */
export interface Follower {
  follow(fix: string): Promise<void>;
}

export interface FollowOptions {
  /** `systemctl start UNIT` of a host: there is no systemd in the lab. */
  readonly units: (host: string, unit: string) => Promise<unknown>;
  /** Other commands that reach outside of the lab, such as chronyc's. */
  readonly commands?: Readonly<Record<string, (host: string) => Promise<unknown> | unknown>>;
}

/**
 * Reads a fix and does what it says: runs its commands with the environment of the host that it names, and
 * writes its lines into the files that it names.
 */
export function followerOf(realm: ControlRealm, o: FollowOptions): Follower {
  const bin = programsIn(realm);
  const replicaOf = (host: string): Replica => {
    const found = realm.replicas.find((one) => one.host === host);
    if (found === undefined) throw new Error(`there is no host ${host}`);
    return found;
  };
  const siteOf = (host: string | undefined) =>
    host === undefined ? realm.lab.primary : replicaOf(host).site;

  async function run(command: string, host: string | undefined): Promise<void> {
    const [, unit] = /^systemctl (?:start|restart) (\S+)$/.exec(command) ?? [];
    const own = o.commands?.[command];
    if (unit !== undefined) await o.units(host ?? 'here', unit);
    else if (own !== undefined) await own(host ?? 'here');
    else {
      const env = siteOf(host).env();
      const path = `${bin}${delimiter}/usr/sbin${delimiter}${env.PATH}`;
      const outcome = await realm.lab.run('/bin/sh', ['-c', command], {
        env: { ...env, PATH: path },
      });
      const said = `${command}: ${outcome.status}\n${outcome.stdout}${outcome.stderr}`;
      if (outcome.status !== 0 && !/^kpropctl/.test(command)) throw new Error(said);
      followed.push(said);
    }
  }

  const followed: string[] = [];
  const here = (path: string, host: string | undefined) =>
    host !== undefined && path === '/etc/krb5kdc/kpropd.acl' ? siteOf(host).acl : path;

  return {
    async follow(fix) {
      for (const step of fix.split(/, then (?=run |add this line |in )/)) {
        const [, where, command] = /^run (?:here|on (\S+)): {3}(.+)$/.exec(step) ?? [];
        const [, file = '', host, line] =
          /^add this line to (\S+?)(?: on (\S+))?: {3}(.+)$/.exec(step) ?? [];
        const place = /^in (\S+), write as line (\d+): {3}(.+)$/.exec(step);
        const section = /^add this line below \[(\w+)\] in (\S+): {3}(.+)$/.exec(step);
        const below = /^add this line below line (\d+) of (\S+): {3}(.+)$/.exec(step);
        if (command !== undefined) await run(command, where);
        else if (line !== undefined) appendFileSync(here(file, host), `${line}\n`);
        else if (place !== null) {
          edit(place[1], (lines) => lines.with(Number(place[2]) - 1, `${place[3]}`));
        } else if (section !== null) {
          edit(section[2], (lines) =>
            lines.toSpliced(lines.indexOf(`[${section[1]}]`) + 1, 0, `${section[3]}`),
          );
        } else if (below !== null) {
          edit(below[2], (lines) => lines.toSpliced(Number(below[1]), 0, `${below[3]}`));
        } else throw new Error(`this cannot be followed: ${step}`);
      }
    },
  };
}

function edit(file: string | undefined, change: (lines: readonly string[]) => string[]): void {
  const path = file ?? '';
  writeFileSync(path, change(readFileSync(path, 'utf8').split('\n')).join('\n'));
}

/** kpropctl as it is installed, and kadmin with the password that somebody would type. */
function programsIn(realm: ControlRealm): string {
  const folder = join(realm.lab.folder, 'bin');
  mkdirSync(folder, { recursive: true });
  const script = (name: string, command: string) =>
    writeFileSync(join(folder, name), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  script('kpropctl', `${process.execPath} ${program}`);
  script('kadmin', `/usr/bin/kadmin -p root/admin -w ${adminPassword}`);
  return folder;
}
