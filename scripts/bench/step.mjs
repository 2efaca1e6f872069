// @ts-check
/** The training step against a plain PyTorch loop of the same mathematics. */
import { runPython } from "./commands.mjs";

const SMALL = { dims: [64, 48], outputDim: 48 };
const LARGE = { dims: [512, 512], outputDim: 512 };
const FULL = [
  { ...SMALL, batch: 256, steps: 20, repeats: 9 },
  { ...SMALL, batch: 512, steps: 20, repeats: 9 },
  { ...SMALL, batch: 1024, steps: 10, repeats: 9 },
  { ...LARGE, batch: 512, steps: 4, repeats: 5 },
];
const QUICK = [{ ...SMALL, batch: 256, steps: 4, repeats: 1 }];

/** Plain time over ours at each size: above 1, ours is faster. */
export async function* measureStep(context) {
  for (const { dims, outputDim, batch, steps, repeats } of context.quick ? QUICK : FULL) {
    const what = `plain PyTorch's time to ours for a step, ${dims.join(" and ")} to ${outputDim}, batch ${batch}`;
    context.say(`step: ${what}`);
    const options = ["--batch", batch, "--dims", ...dims, "--output-dim", outputDim, "--steps", steps, "--repeats", repeats, "--threads", context.threads];
    const details = await runPython("step_vs_plain.py", options, context);
    yield { name: `step-${dims[0]}-batch-${batch}`, what, unit: "ratio", measured: details.ratio, details };
  }
}
