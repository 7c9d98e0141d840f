import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { makeSyntheticDump } from '../lab/synthetic-dump.ts';
import { processesOf, type ReplicaRig, type RigServer } from '../rig/replica-rig.ts';

/** A dump so large that kpropd loads it while it arrives without being told to. */
export function largeDump(rig: ReplicaRig): Buffer {
  const path = join(rig.lab.primary.folder, 'large');
  makeSyntheticDump(path, 12_000, { basedOn: readFileSync(rig.good, 'latin1') });
  return readFileSync(path);
}

/** A dump that stops arriving at a place until it is let go on. */
export function pausing(dump: Uint8Array, at = dump.length >> 1) {
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  async function* stream() {
    yield dump.subarray(0, at);
    await gate;
    yield dump.subarray(at);
  }
  return { dump: { bytes: dump.length, stream: stream() }, go };
}

export function whole(dump: Uint8Array) {
  async function* stream() {
    yield dump;
  }
  return { bytes: dump.length, stream: stream() };
}

export function kinds(server: RigServer): readonly string[] {
  return server.events.map(({ kind }) => kind);
}

/** Whether something of the kind has happened, for waiting. */
export function has(server: RigServer, kind: string): () => boolean {
  return () => kinds(server).includes(kind);
}

/** What a load may leave: parts of dumps and databases, processes. */
export function leftOvers(rig: ReplicaRig): readonly string[] {
  const { folder } = rig.lab.replica;
  const databases = readdirSync(folder).filter((name) => /^principal~|\.before-load$/.test(name));
  return [...rig.leftOvers(), ...databases, ...processesOf(folder)];
}
