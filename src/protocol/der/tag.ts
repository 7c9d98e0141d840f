/** The bit of a tag byte that says that the content is elements (X.690 §8.1.2.5). */
export const constructedBit = 0x20;

/** Tag bytes of the universal types that Kerberos uses (X.690 §8.1.2). */
export const universalTags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  generalizedTime: 0x18,
  generalString: 0x1b,
  sequence: 0x30,
} as const;

/** The tag byte of an explicit [APPLICATION number], 0 to 30: with it a Kerberos message begins. */
export function applicationTag(number: number): number {
  return 0x60 | number;
}

/** The tag byte of an explicit [number], 0 to 30: with it a component of a SEQUENCE begins. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

export function isConstructed(tag: number): boolean {
  return (tag & constructedBit) !== 0;
}

/** A tag byte in words, for errors. */
export function tagName(tag: number): string {
  return `${classNames[tag >> 6]} ${tag & 0x1f}${isConstructed(tag) ? '' : ' (primitive)'}`;
}

const classNames = ['UNIVERSAL', 'APPLICATION', 'field', 'PRIVATE'] as const;
