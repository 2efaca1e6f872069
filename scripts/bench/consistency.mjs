// @ts-check
/** Memory attention: its rate against a plain matrix product, its distance from the naive result, its memory. */
import { lackOfSpace, runPython } from "./commands.mjs";

const FULL = { queries: 4096, memory: 100_000, dim: 512, repeats: 3, attended: 512, mapped: 1_000_000 };
const QUICK = { queries: 256, memory: 4096, dim: 64, repeats: 1, attended: 32, mapped: 20_000 };
const MARGIN_BYTES = 256 * 2 ** 20;

/** Rate and distance from one program, memory from another, each in a process of its own. */
export async function* measureConsistency(context) {
  const size = context.quick ? QUICK : FULL;
  const shape = `${size.queries} x ${size.memory} x ${size.dim}`;
  context.say(`consistency: ${shape} against a matrix product`);
  const rate = await runPython(
    "attention_vs_matmul.py",
    ["--queries", size.queries, "--memory", size.memory, "--dim", size.dim, "--repeats", size.repeats, "--threads", context.threads],
    context,
  );
  yield { name: "rate", what: `rate of attention to that of a matrix product, ${shape}`, unit: "ratio", measured: rate.ratio, bar: { atLeast: 0.8 }, details: rate };
  yield { name: "difference", what: "largest difference from the naive softmax in float64", unit: "difference", measured: rate.maxDifference, bar: { atMost: 1e-5 }, details: { queriesChecked: Math.min(64, size.queries) } };

  const memory = { name: "memory", what: `memory beyond the mapped file, ${size.mapped} x ${size.dim}`, unit: "MiB", bar: { atMost: 256 } };
  const note = await lackOfSpace(context.scratch, size.mapped * size.dim * 4 + MARGIN_BYTES);
  if (note !== null) {
    yield { ...memory, note };
    return;
  }
  context.say(`consistency: ${memory.what}`);
  const mapped = await runPython(
    "attention_memory.py",
    ["--queries", size.attended, "--memory", size.mapped, "--dim", size.dim, "--folder", context.scratch, "--threads", context.threads],
    context,
  );
  yield { ...memory, measured: mapped.extraMiB, details: mapped };
}
