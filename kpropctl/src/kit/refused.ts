/** How `kit` and `join` end. */
export const kitExits = {
  done: 0,
  /** Everything is in place, and something remains to be done. */
  unfinished: 1,
  /** The passphrase, or the kit: cut, changed, for another host or realm. */
  badKit: 2,
  /** Something here; nothing was written. */
  refused: 3,
  notPrimary: 5,
  usage: 64,
} as const;

export type KitExit = (typeof kitExits)[keyof typeof kitExits];

/** Why a kit was not made or not used. Nothing was changed on this host. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly remedy: string;
  readonly exit: KitExit;

  constructor(exit: KitExit, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
    this.remedy = remedy;
  }
}

/** For a kit that must not be used. */
export function badKit(message: string, remedy: string = makeAnother): Refused {
  return new Refused(kitExits.badKit, message, remedy);
}

/** For what is in the way on this host. */
export function refused(message: string, remedy: string, cause?: unknown): Refused {
  return new Refused(kitExits.refused, message, remedy, cause === undefined ? {} : { cause });
}

const makeAnother =
  'copy the kit again, or make another one on the primary: kpropctl kit REPLICA > REPLICA.kit';
