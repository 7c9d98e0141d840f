import { join } from 'node:path';

import { namesIfThere, textIfThere } from '../../host/if-there.ts';
import { type CheckFinding, ok, warning } from './finding.ts';
import { kpropdUnits, runsSystemd } from './unit-file.ts';

/** Whether something starts kpropd when this host boots. */
export async function serviceChecks(): Promise<readonly CheckFinding[]> {
  if (!runsSystemd()) {
    return [ok('service', 'systemd does not run here, so what starts kpropd was not looked at')];
  }
  const units = kpropdUnits();
  const enabled = units.filter((unit) => unit.enabled);
  if (enabled.length > 0) {
    return [ok('service', `${enabled.map(({ name }) => name).join(', ')}: enabled`)];
  }
  const superServer = superServers().find(([, text]) => /^[^#\n]*kpropd/m.test(text))?.[0];
  if (superServer !== undefined) return [ok('service', `${superServer} starts kpropd`)];
  const [first] = units.filter(({ name }) => !name.includes('@'));
  return [
    first === undefined
      ? warning(
          'service',
          'there is no unit of kpropd on this host: nothing starts it when the host boots',
          'kpropd --print-unit > /etc/systemd/system/kpropd.service; systemctl enable --now kpropd.service',
        )
      : warning(
          'service',
          `${first.name} is not enabled: nothing starts kpropd when this host boots`,
          `systemctl enable --now ${first.name}`,
        ),
  ];
}

/** The files that make inetd or xinetd start servers, with their texts. */
function superServers(): readonly (readonly [string, string])[] {
  const folders = ['/etc/xinetd.d', '/etc/inetd.d'];
  const files = folders.flatMap((folder) => namesIfThere(folder).map((name) => join(folder, name)));
  return ['/etc/inetd.conf', '/etc/xinetd.conf', ...files].map(
    (path) => [path, textIfThere(path, 'latin1')] as const,
  );
}
