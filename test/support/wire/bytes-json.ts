/** Values with bytes in them, as JSON and back: bytes are `{ "hex": "00ff" }` there. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString('hex') };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toJson(item)]));
}

export function fromJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== 'object' || json === null) return json;
  const { hex } = json as { hex?: unknown };
  if (typeof hex === 'string') return new Uint8Array(Buffer.from(hex, 'hex'));
  return Object.fromEntries(Object.entries(json).map(([name, item]) => [name, fromJson(item)]));
}
