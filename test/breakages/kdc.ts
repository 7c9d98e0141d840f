import { type Breakage, client, host, kadmin, query, server } from './breakage.ts';

/** Sets a flag of a principal in the KDC's database. */
const modify = (what: string, principal: string) => query(`modprinc ${what} ${principal}`);

/** What the KDC refuses. */
export const kdcBreakages: readonly Breakage[] = [
  { name: "this host's principal has expired", break: modify('-expire yesterday', client) },
  {
    name: "this host's principal has a password that has expired",
    break: modify('-pwexpire yesterday', client),
  },
  {
    name: "this host's principal must change its password",
    break: modify('+needchange', client),
  },
  { name: "this host's principal has -allow_tix", break: modify('-allow_tix', client) },
  {
    name: "this host's principal is not in the KDC's database",
    break: query(`delprinc -force ${client}`),
    choose: (fix) => fix,
  },
  { name: "the replica's principal has expired", break: modify('-expire yesterday', server) },
  { name: 'the replica is locked (-allow_tix)', break: modify('-allow_tix', server) },
  { name: "the replica's principal has -allow_svr", break: modify('-allow_svr', server) },
  {
    name: "the replica's principal is not in the KDC's database",
    break: query(`delprinc -force ${server}`),
    choose: (fix) => fix.replace(/^if [^,]*, /, ''),
  },
  {
    name: "the keytab's key is older than the KDC's",
    break: query(`cpw -randkey ${client}`),
  },
  {
    name: "this host's principal was made anew: its key has a lower version",
    break: async (world) => {
      for (let kvno = 2; kvno <= 3; kvno++) {
        await kadmin(world, `ktadd -k /srv/primary/krb5.keytab ${client}`);
      }
      await kadmin(world, `delprinc -force ${client}`);
      await kadmin(world, `addprinc -randkey ${client}`);
    },
  },
  {
    name: "the keytab's key is older, with preauthentication (Debian's default_principal_flags)",
    break: async (world) => {
      await kadmin(world, `cpw -randkey ${client}`);
      await kadmin(world, `modprinc +requires_preauth ${client}`);
    },
  },
  {
    name: 'the keytab is not there, with preauthentication',
    break: modify('+requires_preauth', client),
    kprop: { env: { KRB5_KTNAME: '/srv/primary/none.keytab' } },
  },
  {
    name: 'the keytab has the key in an encryption type that is not permitted',
    break: async (world) => {
      await kadmin(world, `ktadd -k /srv/primary/old.keytab -e arcfour-hmac:normal ${client}`);
    },
    kprop: { env: { KRB5_KTNAME: '/srv/primary/old.keytab' } },
  },
  {
    name: 'another service listens there',
    kpropd: 'none',
    kprop: { args: ['-P', '88'], host: host('primary') },
    choose: () => 'run kprop with `-P 754`, and give kprop the name `replica.lab.example`',
  },
];
