import { bothClocks, kdcLog } from '../advice.ts';
import { krb5ErrorText, krb5ErrorTexts } from '../com-err.ts';
import { type KdcRefusal, kdcAdvice } from '../kdc-advice.ts';
import { config, network, peer, row } from './row.ts';

/** Why a KDC gives no ticket, or cannot be found. */
export const kdcRows = {
  'kdc.unknown-realm': row<{ realm: string; missing?: string; file?: string }>({
    fault: config,
    comErr: 154,
    says: (d) => `no KDC is known for realm ${d.realm}`,
    remedy: (d) =>
      d.missing === undefined
        ? `set \`kdc = HOST\` in [realms] ${d.realm} of ${d.file ?? '/etc/krb5.conf'}, or publish _kerberos._udp.${d.realm} in DNS`
        : 'run `unset KRB5_CONFIG`, or name the right file in it',
    why: (d) =>
      d.missing === undefined
        ? undefined
        : `no KDC is known for realm ${d.realm}: ${d.missing} does not exist`,
  }),
  'kdc.unresolved': row<{ realm: string; hosts: readonly string[] }>({
    fault: network,
    comErr: 156,
    says: (d) => `none of the KDC names of realm ${d.realm} resolves: ${d.hosts.join(', ')}`,
    remedy: (d) =>
      `correct the kdc lines of [realms] ${d.realm} in krb5.conf, or DNS: \`getent hosts ${d.hosts[0]}\``,
  }),
  'kdc.unreachable': row<{ realm: string; tried: readonly string[] }>({
    fault: network,
    comErr: 156,
    says: (d) => `no KDC of realm ${d.realm} answers; tried ${d.tried.join(', ')}`,
    remedy:
      'on the KDC, run `systemctl start krb5-kdc`, and let its port through the firewall, UDP and TCP',
  }),
  'kdc.error': row<KdcRefusal>({
    fault: { ...config, exit: 77 },
    comErr: (d) => d.number,
    says: (d) =>
      `the KDC gives ${d.client} no ticket for ${d.server}: ${krb5ErrorText(d.number)}${d.text && d.text !== krb5ErrorTexts[d.number] ? ` (${d.text})` : ''}`,
    why: (d) => kdcAdvice(d).why,
    remedy: (d) => kdcAdvice(d).remedy,
  }),
  'kdc.bad-reply': row<{ reason: string }>({
    fault: peer,
    comErr: 147,
    says: (d) => `the KDC's reply cannot be trusted: ${d.reason}`,
    remedy:
      'correct the kdc lines of krb5.conf: something else answers there, or changes the replies',
  }),
  'kdc.enctype': row<{ enctype: number }>({
    fault: config,
    comErr: 237,
    says: (d) => `the KDC's reply uses encryption type ${d.enctype}, which was not asked for`,
    remedy:
      'compare permitted_enctypes in krb5.conf with the keys of this host principal (`klist -ke`)',
  }),
  'kdc.skew': row<{ seconds: number }>({
    fault: config,
    comErr: 148,
    says: (d) => `the KDC's clock differs from ours by ${d.seconds} s`,
    remedy: `${bothClocks}, or set kdc_timesync = 1 in [libdefaults] of krb5.conf`,
  }),
  'kdc.looping': row<{ requests: number }>({
    fault: peer,
    comErr: 223,
    says: (d) => `the KDC still asks for more after ${d.requests} requests`,
    remedy: kdcLog,
  }),
} as const;
