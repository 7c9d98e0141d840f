import type { UpdatePoint } from './header.ts';

/** The forms of a dump that kdb5_util writes: -b7, -r13, -r18, without an option, and -i. */
export type DumpFormat = 'b7' | 'r13' | 'r18' | 'current' | 'resync';

/** How the lines of a dump are written. @see krb5 src/kadmin/dbutil/dump.c, dump_version */
export interface DumpVersion {
  /** The first line, with its LF. */
  readonly header: string;
  /** How many fields a policy has, its name included. */
  readonly policyFields: 7 | 10 | 15;
  /** Whether what kadmin keeps about an entry (typed data 3) is left out. */
  readonly omitKadminData: boolean;
  /** Whether what a KDC notes about logins is written as 0. */
  readonly zeroLockout: boolean;
}

/** @param point where the update log stands, for a resync dump */
export function dumpVersion(format: DumpFormat, point: UpdatePoint | undefined): DumpVersion {
  const plain = (number: number, policyFields: 7 | 10 | 15) => ({
    header: `kdb5_util load_dump version ${number}\n`,
    policyFields,
    omitKadminData: number === 4,
    zeroLockout: false,
  });
  switch (format) {
    case 'b7':
      return plain(4, 7);
    case 'r13':
      return plain(5, 7);
    case 'r18':
      return plain(6, 10);
    case 'current':
      return plain(7, 15);
    default: {
      const { serial = 0, seconds = 0, micros = 0 } = point ?? {};
      const header = `ipropx 1 ${serial} ${seconds} ${micros}\n`;
      return { header, policyFields: 15, omitKadminData: false, zeroLockout: true };
    }
  }
}
