/** One piece of work at a time, in the order in which they were handed in. */
export class Queue {
  #last: Promise<void> = Promise.resolve();

  /** Runs the work when those before it are done, however they ended; gives what it gives. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}
