/**
 * `work` done to each value of a stream, up to `limit` of them at the same time; results come in
 * the values' order. Rejects with the first failure in that order.
 */
export async function* mapInOrder<From, To>(values: AsyncIterable<From>, limit: number, work: (value: From) => Promise<To>): AsyncGenerator<To> {
  const running: Promise<To>[] = [];
  try {
    for await (const value of values) {
      const result = work(value);
      // Its failure is raised when its turn comes.
      result.catch(() => undefined);
      running.push(result);
      const first = running.length >= limit ? running.shift() : undefined;
      if (first !== undefined) yield await first;
    }
    for (const result of running.splice(0)) yield await result;
  } finally {
    await Promise.allSettled(running);
  }
}
