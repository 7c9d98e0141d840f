import { type GlobalOptions, load, type Surroundings } from '../commands.ts';
import { BadSettings } from '../config/complaints.ts';
import { readState } from '../state/state.ts';
import { configurationFindings } from './configuration-check.ts';
import { diagnosisText } from './doctor-text.ts';
import type { Examined } from './examined.ts';
import { diagnosisOf, type Finding } from './finding.ts';
import { hereFindings } from './here.ts';
import { platformOf } from './platform.ts';
import { primaryChecks } from './primary-checks.ts';
import { replicaChecks } from './replica-checks.ts';

export interface DoctorFlags extends GlobalOptions {
  readonly json?: boolean;
  /** This host as a replica, instead of as the primary. */
  readonly here?: boolean;
  /** What kpropd of this host is started with. */
  readonly kpropd?: string;
}

/** Looks for what is wrong, from the primary; changes nothing. Exit 0 sound, 1 something is doubtful, 2 wrong. */
export async function doctorCommand(
  hosts: readonly string[],
  flags: DoctorFlags,
  around: Surroundings,
): Promise<number> {
  const findings =
    flags.here === true
      ? await hereFindings(flags.kpropd, around.environment)
      : await findingsOf(hosts, flags, around);
  const diagnosis = diagnosisOf(findings);
  around.out.write(
    flags.json === true ? `${JSON.stringify(diagnosis)}\n` : diagnosisText(diagnosis),
  );
  return diagnosis.exit;
}

async function findingsOf(
  hosts: readonly string[],
  flags: DoctorFlags,
  around: Surroundings,
): Promise<readonly Finding[]> {
  const { environment } = around;
  let loaded: ReturnType<typeof load>;
  try {
    loaded = load(flags, around, hosts);
  } catch (error) {
    if (!(error instanceof BadSettings)) throw error;
    // Without a configuration it is not known what else to look at.
    return configurationFindings(error.complaints);
  }
  const { settings, krb5 } = loaded;
  const state = readState(settings.state, () => undefined);
  const examined: Examined = { settings, krb5, state, environment, platform: platformOf() };
  const all = await Promise.all([
    primaryChecks(examined),
    ...settings.replicas.map((replica) => replicaChecks(replica, examined)),
  ]);
  return all.flat();
}
