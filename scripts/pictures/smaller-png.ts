import { crc32, deflateSync, inflateSync } from 'node:zlib';

const headBytes = 8;

/**
 * The same picture in fewer bytes: Chromium filters each row as if it were a photograph, and a page of
 * flat colours is a quarter smaller without. For 8 bits of red, green and blue. @see PNG, section 9
 */
export function smallerPng(png: Uint8Array): Uint8Array {
  const chunks = chunksOf(Buffer.from(png));
  const header = chunks.find(({ type }) => type === 'IHDR')?.data ?? Buffer.alloc(13);
  const rowBytes = header.readUInt32BE(0) * pixelBytes;
  const packed = chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data);
  const rows = withoutFilters(inflateSync(Buffer.concat(packed)), rowBytes);
  const data = deflateSync(rows, { level: 9 });
  const all = [chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([png.subarray(0, headBytes), ...all]);
}

const pixelBytes = 3;

function chunksOf(png: Buffer) {
  const chunks: { readonly type: string; readonly data: Buffer }[] = [];
  for (let at = headBytes; at < png.length; ) {
    const bytes = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    chunks.push({ type, data: png.subarray(at + 8, at + 8 + bytes) });
    at += 12 + bytes;
  }
  return chunks;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([bytes, body, sum]);
}

/** Each row with the filter "none". */
function withoutFilters(rows: Buffer, rowBytes: number): Buffer {
  const plain = Buffer.from(rows);
  for (let start = 0; start < plain.length; start += rowBytes + 1) {
    const filter = plain[start] ?? 0;
    plain[start] = 0;
    for (let at = start + 1; at <= start + rowBytes; at += 1) {
      const isFirst = at - start <= pixelBytes;
      const left = isFirst ? 0 : (plain[at - pixelBytes] ?? 0);
      const up = start === 0 ? 0 : (plain[at - rowBytes - 1] ?? 0);
      const corner = isFirst || start === 0 ? 0 : (plain[at - rowBytes - 1 - pixelBytes] ?? 0);
      plain[at] = (plain[at] ?? 0) + predicted(filter, { left, up, corner });
    }
  }
  return plain;
}

function predicted(
  filter: number,
  { left, up, corner }: { readonly left: number; readonly up: number; readonly corner: number },
): number {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter !== 4) return 0;
  const guess = left + up - corner;
  const toLeft = Math.abs(guess - left);
  const toUp = Math.abs(guess - up);
  const toCorner = Math.abs(guess - corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
