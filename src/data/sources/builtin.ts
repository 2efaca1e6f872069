import { usageError } from "../../errors.js";
import { runs, type SourceReader } from "./items.js";

/** Items that a generator of the worker makes: each follows from seed, split and number. */
export const readBuiltin: SourceReader<"builtin"> = async (source, { describeGenerated, place }) => {
  const wire = { generator: source.generator, split: source.split, seed: source.seed };
  const { available, revision } = await describeGenerated(wire, 0);
  const count = source.count ?? available;
  if (count === null) {
    throw usageError(`${place}.count: the split "${source.split}" of "${source.generator}" has no end; say how many items to take.`, {
      reason: "MISSING_FIELD",
      path: `${place}.count`,
    });
  }
  if (available !== null && count > available) {
    throw usageError(`${place}.count: expected at most ${available}, the items of the split "${source.split}" of "${source.generator}"; found ${count}.`, {
      reason: "IMPOSSIBLE_VALUE",
      path: `${place}.count`,
    });
  }
  return {
    count,
    identity: { ...wire, count, revision },
    names: null,
    roots: [],
    *batches(size) {
      for (const { start, end } of runs(count, size)) yield { kind: "generated", source: wire, start, count: end - start };
    },
  };
};
