/**
 * Reads `ahead` values before they are asked for, so that reading and using overlap. When
 * nobody reads on, the source is ended.
 */
export async function* prefetch<T>(source: AsyncIterable<T>, ahead: number): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const asked: Promise<IteratorResult<T, unknown>>[] = [];
  const ask = (): void => {
    const next = iterator.next();
    // Its turn comes later; until then a rejection must not count as unhandled.
    next.catch(() => undefined);
    asked.push(next);
  };
  try {
    for (let index = 0; index < ahead; index += 1) ask();
    for (;;) {
      ask();
      const next = await asked.shift();
      if (next === undefined || next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}
