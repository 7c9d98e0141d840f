import { KpropError } from '../../../src/errors/kprop-error.ts';

/** The processor time that one decoding may take: what is quadratic in a few kilobytes takes more. */
const limitMillis = 250;
/** A collector may work meanwhile: what is slow is so each time. */
const tries = 3;

/**
 * Whether the bytes were decoded. @throws Error for any other refusal than a KpropError that can be
 * reported, and for taking long
 */
export function survives(run: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  let slow = 0;
  for (;;) {
    const started = process.cpuUsage();
    const decoded = decodes(run, bytes);
    const { user, system } = process.cpuUsage(started);
    const millis = (user + system) / 1000;
    if (millis < limitMillis) return decoded;
    slow += 1;
    if (slow === tries) throw new Error(`${millis} ms for ${bytes.length} bytes: ${hex(bytes)}`);
  }
}

function decodes(run: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  try {
    run(bytes);
    return true;
  } catch (error) {
    // Whoever reports it must be able to.
    const reported =
      error instanceof KpropError &&
      `${error.message}${error.remedy}${error.comErrText}${error.wireNumber}` !== '';
    if (reported) return false;
    throw new Error(`no KpropError for ${hex(bytes)}`, { cause: error });
  }
}

function hex(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 2000)).toString('hex');
  return bytes.length > 2000 ? `${text}…` : text;
}
