#!/usr/bin/env node
import { fstatSync, fsyncSync, writeSync } from 'node:fs';

import { CommanderError } from 'commander';

import { commandLine } from './command-line.ts';
import type { Surroundings } from './commands.ts';
import { BadSettings, complaintText } from './config/complaints.ts';
import { Refused } from './kit/refused.ts';
import { exits, noteOf } from './run/report.ts';
import { oneLine } from './show/words.ts';

process.exitCode = exits.usage;
main(process.argv).then((status) => {
  process.exitCode = status;
  // A timer or a socket that nobody needs any more must not keep it.
  process.exit();
});

async function main(argv: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const around: Surroundings = {
    out: process.stdout,
    error: process.stderr,
    environment: process.env,
    signal: stopOnSignals(),
    writeBytes,
  };
  let status: number = exits.usage;
  const program = commandLine(around, (ended) => {
    status = ended;
  });
  try {
    await program.parseAsync([...argv]);
    return status;
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exits.usage;
  if (error instanceof BadSettings) {
    for (const complaint of error.complaints) {
      process.stderr.write(`kpropctl: ${oneLine(complaintText(complaint))}\n`);
    }
    return exits.configuration;
  }
  const { code, message, remedy } = noteOf(error);
  process.stderr.write(`kpropctl: ${oneLine(message)}\nfix: ${oneLine(remedy)}\n`);
  if (error instanceof Refused) return error.exit;
  return code.startsWith('config.') ? exits.configuration : exits.nothingSent;
}

/** All of it, into a file too: Node takes it for written when a full disk has taken a part. @throws errno */
async function writeBytes(bytes: Uint8Array): Promise<void> {
  if (fstatSync(1).isFile()) {
    for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
    fsyncSync(1);
    return;
  }
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** Ends what is under way cleanly at the first signal, and at once at the second. */
function stopOnSignals(): AbortSignal {
  const control = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (control.signal.aborted) process.exit(exits.nothingSent);
      control.abort(new Error(`stopped by ${name}`));
    });
  }
  return control.signal;
}
