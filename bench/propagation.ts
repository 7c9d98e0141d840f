import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { type Lab, ourProgram } from '../test/support/lab/lab.ts';
import type { Make } from '../test/support/lab/make.ts';
import type { SyntheticDump } from '../test/support/lab/synthetic-dump.ts';
import { type Observation, observe } from './observe.ts';
import { type Figure, median, seconds, times } from './part.ts';

export interface Pairing {
  readonly kprop: Make;
  readonly kpropd: Make;
}

export const allMit: Pairing = { kprop: 'mit', kpropd: 'mit' };
export const allOurs: Pairing = { kprop: 'ours', kpropd: 'ours' };
export const mitToOurs: Pairing = { kprop: 'mit', kpropd: 'ours' };
export const oursToMit: Pairing = { kprop: 'ours', kpropd: 'mit' };

/** One propagation: kprop from its start to its end. */
export interface Sample {
  readonly seconds: number;
  readonly kprop: Observation;
  readonly kpropd: Observation;
}

export interface PropagationOptions {
  /** In place of kdb5_util. */
  readonly loader?: string;
  /** Further arguments of kpropd. */
  readonly args?: readonly string[];
  /** Further variables of its environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Called when kprop starts, with the number of kpropd's process. */
  readonly onStart?: (kpropdPid: number) => void;
}

/** Takes the place of kdb5_util where only the wire is measured. */
export const noLoad: PropagationOptions = { loader: '/bin/true' };

export async function propagateOnce(
  lab: Lab,
  pairing: Pairing,
  dump: Pick<SyntheticDump, 'path' | 'bytes'>,
  o: PropagationOptions = {},
): Promise<Sample> {
  const start = (make: Make) =>
    make === 'mit' ? lab.startMitKpropd.bind(lab) : lab.startOurKpropd.bind(lab);
  // One propagation for each kpropd: with -d MIT's receives without a child, and then ends.
  const kpropd = await start(pairing.kpropd)(o);
  try {
    touchMemory(lab, 3 * dump.bytes);
    const args = lab.kpropArgs({ port: kpropd.port, file: dump.path });
    const [program, before] =
      pairing.kprop === 'mit' ? ['/usr/sbin/kprop', []] : [process.execPath, [ourProgram('kprop')]];
    o.onStart?.(kpropd.process.pid);
    const receiver = observe(kpropd.process.pid);
    const started = performance.now();
    const kprop = lab.start(program, [...before, ...args]);
    const sender = observe(kprop.pid);
    const outcome = await kprop.ended;
    const elapsed = (performance.now() - started) / 1000;
    const sample = { seconds: elapsed, kprop: sender.stop(), kpropd: receiver.stop() };
    if (outcome.status !== 0) throw new Error(`${nameOf(pairing)}: ${outcome.stderr}`);
    return sample;
  } finally {
    await kpropd.stop();
  }
}

/**
 * Uses so much memory for a moment. A virtual machine hands memory that is free back to its host,
 * and the first touch of each page then costs some 10 µs: whoever fills the page cache first pays up
 * to a second of system time, by chance. So nobody is measured before the memory was used.
 */
export function touchMemory(lab: Lab, byteCount: number): void {
  const path = join(lab.folder, 'memory-touched');
  const piece = Buffer.alloc(1 << 20);
  const file = openSync(path, 'w');
  try {
    for (let done = 0; done < byteCount; done += piece.length) writeSync(file, piece);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

export interface Summary {
  readonly pairing: string;
  readonly seconds: number;
  readonly kpropCpuSeconds: number;
  readonly kpropdCpuSeconds: number;
  readonly kpropPeakBytes: number;
  readonly kpropdPeakBytes: number;
  readonly samples: readonly Sample[];
}

/** Medians of the times, and the largest memory of all. */
export function summaryOf(pairing: Pairing, samples: readonly Sample[]): Summary {
  const most = (side: 'kprop' | 'kpropd') =>
    Math.max(...samples.map((sample) => sample[side].peakBytes));
  const cpu = (side: 'kprop' | 'kpropd') =>
    median(samples.map((sample) => sample[side].userSeconds + sample[side].systemSeconds));
  return {
    pairing: nameOf(pairing),
    seconds: median(samples.map((sample) => sample.seconds)),
    kpropCpuSeconds: cpu('kprop'),
    kpropdCpuSeconds: cpu('kpropd'),
    kpropPeakBytes: most('kprop'),
    kpropdPeakBytes: most('kpropd'),
    samples,
  };
}

/** CPU of both sides together, which is steadier than time where others work, too. */
export function cpuFigure(what: string, mit: Summary, ours: Summary): Figure {
  const cpu = (row: Summary) => row.kpropCpuSeconds + row.kpropdCpuSeconds;
  return {
    what: `${what}: CPU of both sides, MIT's against ours`,
    result: times(cpu(mit) / cpu(ours)),
    ours: seconds(cpu(ours)),
    against: seconds(cpu(mit)),
  };
}

export function nameOf({ kprop, kpropd }: Pairing): string {
  return `${kprop} kprop → ${kpropd} kpropd`;
}

/** A sample in one line. */
export function lineOf(pairing: Pairing, { seconds: elapsed, kprop, kpropd }: Sample): string {
  const cpu = (side: Observation) => (side.userSeconds + side.systemSeconds).toFixed(2);
  const time = `${elapsed.toFixed(2)} s`;
  return `${nameOf(pairing).padEnd(26)}${time.padStart(9)}   CPU ${cpu(kprop)} + ${cpu(kpropd)} s`;
}
