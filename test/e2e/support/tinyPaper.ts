import { delimiter, join } from "node:path";

import { execa } from "execa";

import { setupPaths } from "../../../src/setup/paths.js";
import { writeSmallCopies } from "./smallCopies.js";
import { writeModelNet40 } from "./smallCopiesMemories.js";
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

const CODE = [
  "import sys; from pathlib import Path; folder = Path(sys.argv[1])",
  "from tiny_huggingface import write_bert, write_clip; write_clip(folder / 'clip'); write_bert(folder / 'sentences')",
  "from tiny_clap import Original, write_original, write_tokenizer",
  "write_original(folder / '630k-fusion-best.pt', Original(True)); write_tokenizer(folder / 'roberta')",
  // Of its true size, which no file of it can differ from; in half precision, to spare the disk.
  "from cmcr_worker.encoders.ulip.sizes import PointBertSizes, UlipSizes; from tiny_ulip import random_state, write_checkpoint",
  "state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in random_state(UlipSizes(PointBertSizes())).items()}",
  "write_checkpoint(folder / 'pointbert_ULIP-2.pt', state)",
  // Samples as OpenShape hands Objaverse on: a pickled map in an array of objects.
  "import numpy as np; from tiny_ulip import clouds; objaverse = Path(sys.argv[2]); objaverse.mkdir()",
  "for number, cloud in enumerate(clouds(int(sys.argv[3]), least=600)):",
  "    sample = {'id': str(number), 'dataset': 'Objaverse', 'xyz': cloud.xyz.astype(np.float16), 'rgb': np.full(cloud.xyz.shape, 0.4, np.float16)}",
  "    np.save(objaverse / f'{number:04}.npy', np.array(sample, dtype=object), allow_pickle=True)",
].join("\n");

/** Writes all that `experiments/paper` and `experiments/cross-lingual.yaml` name, in small and in the true formats. */
export async function writeTinyPaper(folder: string, items: number): Promise<TinyPaper> {
  const { python, workerRoot } = setupPaths();
  const [data, models] = [join(folder, "data"), join(folder, "models")];
  writeSmallCopies(data, { items });
  // A group of PointBERT's has 32 of a cloud's points, and there are 512 groups.
  writeModelNet40(join(data, "modelnet40"), { items, points: 600 });
  writeCrossLingual(new CopyWriter(join(data, "cross-lingual")), items);
  new CopyWriter(models);
  const PYTHONPATH = [workerRoot, join(workerRoot, "tests"), join(workerRoot, "tests", "encoders")].join(delimiter);
  await execa(python, ["-c", CODE, models, join(data, "objaverse"), String(items)], { env: { PYTHONPATH, OMP_NUM_THREADS: "1" } });
  return {
    data,
    models,
    clip: join(models, "clip"),
    sentences: join(models, "sentences"),
    tokenizer: join(models, "roberta"),
  };
}

function writeCrossLingual(copy: CopyWriter, items: number): void {
  const text = (item: number): string => `ein ${["roter", "grüner", "blauer"][item % 3] ?? ""} ${["Hund", "Zug", "Vogel", "Baum"][item % 4] ?? ""} am Morgen ${item}`;
  copy.write("texts.txt", Array.from({ length: items }, (_, item) => `${text(item + 1000)}\n`).join(""));
  copy.write("test.csv", `image,caption\n${Array.from({ length: items }, (_, item) => `images/${item}.jpg,${text(item)}\n`).join("")}`);
  for (let item = 0; item < items; item += 1) copy.picture(`images/${item}.jpg`, item % 6, item);
}
