import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Lab, type LabProcess, type Role } from './lab.ts';
import { freePort, listens } from './lab-process.ts';

/** A lab whose primary keeps an update log and lets its replica poll it: iprop_enable on both. */
export class IpropLab {
  readonly lab: Lab;
  readonly kadmindPort: number;

  private constructor(lab: Lab, kadmindPort: number) {
    this.lab = lab;
    this.kadmindPort = kadmindPort;
  }

  static async create(): Promise<IpropLab> {
    const port = await freePort();
    const realm = 'LAB.EXAMPLE';
    // kpropd asks for kiprop/<admin_server as it stands here>, and says it is kiprop/<this host>.
    const krb5ConfExtra = `[realms]
  ${realm} = {
    iprop_enable = true
    iprop_port = ${port}
    iprop_replica_poll = 1
    admin_server = localhost
  }`;
    const lab = await Lab.create({ realm, principals: 5, krb5ConfExtra });
    const client = `kiprop/${lab.host}`;
    await lab.addPrincipals([client, 'kiprop/localhost']);
    const { keytab } = lab.replica;
    await lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} ${client}`);
    writeFileSync(join(lab.primary.folder, 'kadm5.acl'), `${client}@${realm} p\n`);
    return new IpropLab(lab, port);
  }

  /** kadmind, which starts this kprop for a full resynchronisation and sends it to this port. */
  async startKadmind(kprop: string, kpropPort: number): Promise<LabProcess> {
    // A new file: kadmind would send the one of an earlier resync, with the updates since then to follow.
    const dump = join(this.lab.primary.folder, `resync-${kpropPort}`);
    const args = ['-nofork', '-proponly', '-K', kprop, '-k', String(kpropPort), '-F', dump];
    const kadmind = this.lab.start('/usr/sbin/kadmind', args);
    await kadmind.until(() => listens(this.kadmindPort), 'kadmind');
    return kadmind;
  }

  /** MIT's kpropd, polling the primary; its own listener for kprop is on this port. */
  startPoller(port: number, args: readonly string[] = []): LabProcess {
    const { acl, fromMaster } = this.lab.replica;
    return this.lab.start(
      '/usr/sbin/kpropd',
      ['-d', '-P', String(port), '-a', acl, '-f', fromMaster, ...args],
      // Its own krb5.conf names the replica's KDC, which has no database yet.
      { role: 'replica', argv0: 'kpropd', env: { KRB5_CONFIG: this.lab.primary.krb5Conf } },
    );
  }

  /** The header and the entries of a site's update log, as kproplog prints them. */
  async updateLog(role: Role): Promise<string> {
    const { status, stdout, stderr } = await this.lab.run('/usr/sbin/kproplog', [], { role });
    if (status !== 0) throw new Error(`kproplog: ${stderr}`);
    return stdout;
  }

  /** The number of the last update that a site knows of. */
  async lastSerial(role: Role): Promise<number> {
    return Number(/Last serial # : (\d+)/.exec(await this.updateLog(role))?.[1]);
  }

  close(): Promise<void> {
    return this.lab.close();
  }
}
