import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';

import { propagationPort } from 'kprop';

import type { ReplicaSettings } from '../config/settings.ts';
import { spanText } from '../show/words.ts';
import { connection, connectMillis } from './connection.ts';
import type { Examined } from './examined.ts';
import { type Finding, failed, failure, ok, warning } from './finding.ts';
import { run } from './fix.ts';

/** Each address of a replica's kpropd by itself, and how long kprop would wait for it. */
export async function portCheck(
  { host, port: given }: ReplicaSettings,
  o: Examined,
): Promise<readonly Finding[]> {
  let port: number;
  try {
    port = propagationPort(host, given);
  } catch (error) {
    return [failed(host, 'port', error)];
  }
  // A name that does not resolve is told by the check of the name.
  const addresses = await lookup(host, { all: true, order: 'verbatim' }).catch(() => []);
  const results = await Promise.all(
    addresses.map(async ({ address }) => ({ address, ...(await connection(address, port)) })),
  );
  const someAnswer = results.some(({ fault }) => fault === undefined);
  return results.map(({ address, fault, millis }) => {
    const place = results.length > 1 ? `${address} port ${port}` : `port ${port}`;
    if (fault === undefined) {
      return ok(host, 'port', `${place} answers in ${millis.toFixed(1)} ms`);
    }
    const { what, fix } = faultText(fault, { host, place, o });
    // kprop comes to the next address, later.
    return someAnswer ? warning(host, 'port', what, fix) : failure(host, 'port', what, fix);
  });
}

function faultText(
  fault: string,
  { host, place, o }: { readonly host: string; readonly place: string; readonly o: Examined },
): { readonly what: string; readonly fix: string } {
  if (fault === 'ECONNREFUSED') {
    const fix = run(`systemctl start ${o.platform.kpropdUnit}`, host);
    return { what: `${place} refuses: kpropd does not listen there`, fix };
  }
  if (fault !== 'ETIMEDOUT') {
    return {
      what: `${place} cannot be reached (${fault})`,
      fix: 'look at the route: ip route get',
    };
  }
  const waits = `kpropctl waits ${spanText(o.settings.connectSeconds * 1000)} there, and MIT's kprop ${spanText(kernelPatienceMillis())}`;
  return {
    what: `${place} does not answer within ${spanText(connectMillis)}: ${waits}`,
    fix: `start ${host}, or let the firewall pass TCP to that port; if the address is no longer its own, remove it from /etc/hosts or DNS`,
  };
}

/** How long the kernel tries: 1 s, doubled for each retry. @see tcp(7), tcp_syn_retries */
function kernelPatienceMillis(): number {
  let retries = 6;
  try {
    retries = Number(readFileSync('/proc/sys/net/ipv4/tcp_syn_retries', 'utf8')) || retries;
  } catch {
    // The kernel's default.
  }
  return (2 ** (retries + 1) - 1) * 1000;
}
