/** Work that several ask for, done one after the other in the order in which it was asked for. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** The result of `work`, which begins when all before it has ended, well or badly. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/**
 * The results of all, in their order, of which at most `limit` are under way at a time.
 * Rejects with the first error in that order, once everything that was begun has ended;
 * after an error nothing is begun.
 */
export async function inOrder<T>(makers: readonly (() => Promise<T>)[], limit: number): Promise<readonly T[]> {
  const settled: PromiseSettledResult<T>[] = [];
  const waiting = makers.entries();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (const [index, make] of waiting) {
      const [result] = await Promise.allSettled([make()]);
      settled[index] = result;
      failed ||= result.status === "rejected";
      if (failed) return;
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
