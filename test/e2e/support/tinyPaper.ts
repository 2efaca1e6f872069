import { delimiter, join } from "node:path";

import { execa } from "execa";

import { setupPaths } from "../../../src/setup/paths.js";
import { writeSmallCopies } from "./smallCopies.js";
import { CopyWriter } from "./smallCopiesMedia.js";

/** Folders with small copies of the paper's data sets, and tiny models of the true formats. */
export interface TinyPaper {
  /** What `folders.data` and `folders.models` are set to. */
  readonly data: string;
  readonly models: string;
  /** A CLIP, a sentence encoder and a tokenizer as Hugging Face keeps them, in place of those on the hub. */
  readonly clip: string;
  readonly sentences: string;
  readonly tokenizer: string;
}

const MODELS = [
  "import sys; from pathlib import Path; folder = Path(sys.argv[1])",
  "from tiny_huggingface import write_bert, write_clip; write_clip(folder / 'clip'); write_bert(folder / 'sentences')",
  "from tiny_clap import Original, write_original, write_tokenizer",
  "write_original(folder / '630k-fusion-best.pt', Original(True)); write_tokenizer(folder / 'roberta')",
  "from tiny_ulip import TINY, random_state, write_checkpoint; write_checkpoint(folder / 'pointbert_ULIP-2.pt', random_state(TINY))",
].join("\n");

/** Writes all that `experiments/paper` and `experiments/cross-lingual.yaml` name, in small and in the true formats. */
export async function writeTinyPaper(folder: string, items: number): Promise<TinyPaper> {
  const { python, workerRoot } = setupPaths();
  const [data, models] = [join(folder, "data"), join(folder, "models")];
  writeSmallCopies(data, { items });
  writeObjaverse(new CopyWriter(join(data, "objaverse")), items);
  writeCrossLingual(new CopyWriter(join(data, "cross-lingual")), items);
  new CopyWriter(models);
  const PYTHONPATH = [workerRoot, join(workerRoot, "tests"), join(workerRoot, "tests", "encoders")].join(delimiter);
  await execa(python, ["-c", MODELS, models], { env: { PYTHONPATH, OMP_NUM_THREADS: "1" } });
  return {
    data,
    models,
    clip: join(models, "clip"),
    sentences: join(models, "sentences"),
    tokenizer: join(models, "roberta"),
  };
}

/** Clouds as text files, of shapes that differ. */
function writeObjaverse(copy: CopyWriter, items: number): void {
  for (let item = 0; item < items; item += 1) {
    const points = Array.from({ length: 64 }, (_, point) => {
      const [height, angle] = [(2 * point) / 63 - 1, 2.4 * point];
      const radius = Math.sqrt(1 - height ** 2) * (0.3 + 0.1 * (item % 7));
      return [radius * Math.cos(angle), radius * Math.sin(angle) * (1 + (item % 3)), height].map((value) => value.toFixed(5)).join(" ");
    });
    copy.write(`000-0${item % 2}/${String(item).padStart(4, "0")}.xyz`, `${points.join("\n")}\n`);
  }
}

function writeCrossLingual(copy: CopyWriter, items: number): void {
  const text = (item: number): string => `ein ${["roter", "grüner", "blauer"][item % 3] ?? ""} ${["Hund", "Zug", "Vogel", "Baum"][item % 4] ?? ""} am Morgen ${item}`;
  copy.write("texts.txt", Array.from({ length: items }, (_, item) => `${text(item + 1000)}\n`).join(""));
  copy.write("test.csv", `image,caption\n${Array.from({ length: items }, (_, item) => `images/${item}.jpg,${text(item)}\n`).join("")}`);
  for (let item = 0; item < items; item += 1) copy.picture(`images/${item}.jpg`, item % 6, item);
}
