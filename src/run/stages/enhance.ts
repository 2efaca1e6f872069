import { randomMemoryRows } from "../../connect/batches.js";
import { deriveSeed } from "../../connect/random.js";
import type { CompiledConnect, CompiledSide } from "../../config/compiled.js";
import { EMBEDDINGS, produce, receiveAt, type RunContext, storedMatrix, type StoredMatrix } from "../context.js";
import type { OpenTensors } from "../tensors.js";
import type { EmbeddingTable } from "./encode.js";

/** Raised when the attention would give other bytes than before. */
const ATTENTION_VERSION = 1;

/** Pseudo items of both sides, one for each query; null where no term of the loss and no baseline uses them. */
export type PseudoPairs = readonly [StoredMatrix, StoredMatrix] | null;

/** Makes a pseudo item of each memory's modality for every query. */
export async function enhanceStage(context: RunContext, table: EmbeddingTable, tensors: OpenTensors): Promise<PseudoPairs> {
  const { connect, evaluate } = context.experiment;
  if (connect.method === "imported") return null;
  const used = connect.loss.pseudo !== null || connect.loss.intra !== null || evaluate.some((task) => task.baselines.some(({ method }) => method === "memory-ridge"));
  if (!used) return null;
  const [first, second] = connect.sides;
  return [await pseudoItems(context, table, tensors, connect, first, 0), await pseudoItems(context, table, tensors, connect, second, 1)];
}

async function pseudoItems(
  context: RunContext,
  table: EmbeddingTable,
  tensors: OpenTensors,
  { overlap, consistency }: CompiledConnect,
  { space, memory }: CompiledSide,
  side: 0 | 1,
): Promise<StoredMatrix> {
  const { worker, experiment } = context;
  const queries = table.get({ data: overlap, space });
  const bank = table.get({ data: memory, space });
  const output = `${memory} for each of ${overlap}, in ${space}`;
  if (consistency.mode === "random") {
    const entry = await produce(context, {
      stage: "enhance",
      output: `random ${output}`,
      unit: "queries",
      inputs: { kind: "random", version: ATTENTION_VERSION, queries: queries.rows, memory: bank.sha256, seed: experiment.seed, side },
      async make(pending, meter) {
        const rows = randomMemoryRows(deriveSeed(experiment.seed, "random-memory", side), queries.rows, bank.rows);
        const source = await tensors.get(bank);
        const tensor = await receiveAt(worker, pending.file(EMBEDDINGS), (target) => worker.connectors.gather(source, rows, target));
        await worker.tensors.release(tensor);
        meter.update(queries.rows, queries.rows);
        return { files: [EMBEDDINGS], facts: { rows: tensor.rows, dim: tensor.dim, dtype: "float32" } };
      },
    });
    return storedMatrix(entry);
  }
  const entry = await produce(context, {
    stage: "enhance",
    output,
    unit: "queries",
    inputs: {
      kind: "attention",
      version: ATTENTION_VERSION,
      queries: queries.sha256,
      memory: bank.sha256,
      temperature: consistency.temperature,
      torch: worker.info.torchVersion,
      device: worker.info.device.replace(/:\d+$/, ""),
    },
    async make(pending, meter) {
      const tensor = await receiveAt(worker, pending.file(EMBEDDINGS), async (target) =>
        worker.connectors.attend(await tensors.get(queries), await tensors.get(bank), consistency.temperature, target, (done, total) => {
          meter.update(done, total);
        }),
      );
      await worker.tensors.release(tensor);
      return { files: [EMBEDDINGS], facts: { rows: tensor.rows, dim: tensor.dim, dtype: "float32" } };
    },
  });
  return storedMatrix(entry);
}
