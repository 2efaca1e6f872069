import { randomMemoryRows } from "../../connect/batches.js";
import { deriveSeed } from "../../connect/random.js";
import { baselines } from "../../config/baselines.js";
import type { CompiledConnect, CompiledExperiment, CompiledSide } from "../../config/compiled.js";
import { EMBEDDINGS, produce, receiveAt, type RunContext, storedMatrix, type StoredMatrix } from "../context.js";
import type { OpenTensors } from "../tensors.js";
import type { EmbeddingTable } from "./encode.js";

/** Raised when the attention would give other bytes than before. */
const ATTENTION_VERSION = 1;

/** Pseudo items of both sides, one for each query; null where no term of the loss and no baseline uses them. */
export type PseudoPairs = readonly [StoredMatrix, StoredMatrix] | null;

/** What is added to an output's name where there are several seeds. */
export function ofSeed({ seeds }: Pick<CompiledExperiment, "seeds">, seed: number): string {
  return seeds.length === 1 ? "" : `, seed ${seed}`;
}

/** Pseudo pairs as the training of each seed sees them. */
export type SeededPairs = ReadonlyMap<number, PseudoPairs>;

/** How many outputs the stage makes for an experiment: pairs drawn at random are others with each seed. */
export function pairOutputs({ connect, seeds }: Pick<CompiledExperiment, "connect" | "seeds">): number {
  return connect.method === "cmcr" && connect.consistency.mode === "random" ? 2 * seeds.length : 2;
}

/**
 * Makes a pseudo item of each memory's modality for every query. Attention draws
 * nothing, and so gives one pair for all seeds.
 */
export async function enhanceStage(context: RunContext, table: EmbeddingTable, tensors: OpenTensors): Promise<SeededPairs> {
  const { connect, evaluate, seeds } = context.experiment;
  const alike = (pairs: PseudoPairs): SeededPairs => new Map(seeds.map((seed) => [seed, pairs]));
  if (connect.method === "imported") return alike(null);
  const used = connect.loss.pseudo !== null || connect.loss.intra !== null || evaluate.some((task) => task.baselines.some(({ method }) => baselines.get(method).pseudoPairs));
  if (!used) return alike(null);
  const [first, second] = connect.sides;
  const pairs = async (seed: number): Promise<PseudoPairs> => [
    await pseudoItems(context, table, tensors, connect, first, 0, seed),
    await pseudoItems(context, table, tensors, connect, second, 1, seed),
  ];
  if (connect.consistency.mode !== "random") return alike(await pairs(context.experiment.seed));
  const drawn = new Map<number, PseudoPairs>();
  for (const seed of seeds) drawn.set(seed, await pairs(seed));
  return drawn;
}

async function pseudoItems(
  context: RunContext,
  table: EmbeddingTable,
  tensors: OpenTensors,
  { overlap, consistency }: CompiledConnect,
  { space, memory }: CompiledSide,
  side: 0 | 1,
  seed: number,
): Promise<StoredMatrix> {
  const { worker, experiment } = context;
  const queries = table.get({ data: overlap, space });
  const bank = table.get({ data: memory, space });
  const output = `${memory} for each of ${overlap}, in ${space}`;
  if (consistency.mode === "random") {
    const entry = await produce(context, {
      stage: "enhance",
      output: `random ${output}${ofSeed(experiment, seed)}`,
      unit: "queries",
      inputs: { kind: "random", version: ATTENTION_VERSION, queries: queries.rows, memory: bank.sha256, seed, side },
      async make(pending, meter) {
        const rows = randomMemoryRows(deriveSeed(seed, "random-memory", side), queries.rows, bank.rows);
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
