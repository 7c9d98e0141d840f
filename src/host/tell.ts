/** Calls the caller's onEvent. A defect there must be seen, but must not stop a propagation. */
export function tell<E>(onEvent: ((event: E) => void) | undefined, event: E): void {
  try {
    onEvent?.(event);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}
