import type { CompiledImport } from "../../config/compiled.js";
import { writeFileWhole } from "../../store/files.js";
import type { StoreEntry } from "../../store/store.js";
import { produce, type RunContext } from "../context.js";
import { RUN_FILES } from "../folder.js";
import { importedFiles, importProjectors } from "../importedProjectors.js";

/** Raised when an import would give other bytes than before. */
const IMPORT_VERSION = 1;

/** Takes projectors that were trained elsewhere; the entry holds projectors.safetensors and a train.jsonl without a step. */
export async function importStage(context: RunContext, connect: CompiledImport): Promise<StoreEntry> {
  const { worker, signal } = context;
  const files = await importedFiles(connect, signal);
  const [first, second] = connect.sides;
  return produce(context, {
    stage: "connect",
    output: `imported projectors of ${first.space} and ${second.space}`,
    unit: "files",
    inputs: {
      kind: "imported",
      version: IMPORT_VERSION,
      preset: connect.preset,
      spaces: connect.sides.map(({ space }) => space),
      files: files.map(({ sha256 }) => sha256),
    },
    async make(pending, meter) {
      const { data, sides, tensors } = await importProjectors(worker, connect, files);
      await writeFileWhole(pending.file(RUN_FILES.projectors), data);
      await writeFileWhole(pending.file(RUN_FILES.train), "");
      meter.update(files.length, files.length);
      return { files: [RUN_FILES.projectors, RUN_FILES.train], facts: { tensors, dim: sides[0].head.outputDim } };
    },
  });
}
