import { delimiter, join } from "node:path";

import { execa } from "execa";

import { setupPaths } from "../../../src/setup/paths.js";

/**
 * Writes a CLIP and a CLAP of the true format with random weights into `folder`, as
 * `clip` and `clap`: folders such as `save_pretrained` writes.
 */
export async function writeTinyModels(folder: string): Promise<{ readonly clip: string; readonly clap: string }> {
  const { python, workerRoot } = setupPaths();
  const code = [
    "import sys; from pathlib import Path; folder = Path(sys.argv[1])",
    "from tiny_huggingface import write_clip; write_clip(folder / 'clip')",
    "from tiny_clap import write_clap; write_clap(folder / 'clap', fusion=True)",
  ].join("\n");
  const PYTHONPATH = [workerRoot, join(workerRoot, "tests"), join(workerRoot, "tests", "encoders")].join(delimiter);
  await execa(python, ["-c", code, folder], { env: { PYTHONPATH, OMP_NUM_THREADS: "1" } });
  return { clip: join(folder, "clip"), clap: join(folder, "clap") };
}
