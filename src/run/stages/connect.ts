import { createWriteStream } from "node:fs";
import { once } from "node:events";

import type { Head, HeadLayer, StepReport, TrainingSide } from "../../bridge/types.js";
import type { CompiledConnect, CompiledSide } from "../../config/compiled.js";
import { type PlannedStep, trainingPlan } from "../../connect/plan.js";
import type { Json } from "../../store/checksums.js";
import { writeFileWhole } from "../../store/files.js";
import type { StoreEntry } from "../../store/store.js";
import { produce, type RunContext, type StoredMatrix } from "../context.js";
import { RUN_FILES } from "../folder.js";
import type { OpenTensors } from "../tensors.js";
import type { EmbeddingTable } from "./encode.js";
import { ofSeed, type PseudoPairs, type SeededPairs } from "./enhance.js";
import { importStage } from "./import.js";

/** Raised when training would give other bytes than before. */
const TRAINING_VERSION = 1;

/** Steps that travel in one message: enough that messages cost next to nothing. */
export const STEPS_PER_MESSAGE = 32;

/** What a seed came to; the entry holds projectors.safetensors and train.jsonl. */
export interface Connected {
  readonly seed: number;
  readonly entry: StoreEntry;
}

/** Trains the two projectors with each seed, or takes those that were trained elsewhere. */
export async function connectStage(context: RunContext, table: EmbeddingTable, pseudo: SeededPairs, tensors: OpenTensors): Promise<readonly Connected[]> {
  const { connect, seed: first, seeds } = context.experiment;
  if (connect.method === "imported") return [{ seed: first, entry: await importStage(context, connect) }];
  const connected: Connected[] = [];
  for (const seed of seeds) connected.push({ seed, entry: await train(context, table, pseudo.get(seed) ?? null, tensors, connect, seed) });
  return connected;
}

async function train(
  context: RunContext,
  table: EmbeddingTable,
  pseudo: PseudoPairs,
  tensors: OpenTensors,
  connect: CompiledConnect,
  seed: number,
): Promise<StoreEntry> {
  const { experiment, worker } = context;
  const [first, second] = connect.sides;
  const overlap = [table.get({ data: connect.overlap, space: first.space }), table.get({ data: connect.overlap, space: second.space })] as const;
  const dim = connect.projector.dim ?? Math.min(overlap[0].dim, overlap[1].dim);
  const plan = trainingPlan(connect, { queries: overlap[0].rows, seed });
  return produce(context, {
    stage: "connect",
    output: `projectors of ${first.space} and ${second.space}${ofSeed(experiment, seed)}`,
    unit: "steps",
    inputs: {
      version: TRAINING_VERSION,
      connect: connect as unknown as Json,
      seed,
      overlap: overlap.map(({ sha256 }) => sha256),
      pseudo: plan.usesPseudo ? (pseudo?.map(({ sha256 }) => sha256) ?? null) : null,
      torch: worker.info.torchVersion,
      device: worker.info.device.replace(/:\d+$/, ""),
      deviceName: worker.info.deviceName,
      threads: worker.info.threads,
    },
    async make(pending, meter) {
      const side = async (index: 0 | 1): Promise<TrainingSide> => ({
        space: connect.sides[index].space,
        head: head(connect, index, overlap[index], dim),
        overlap: await tensors.get(overlap[index]),
        pseudo: plan.usesPseudo && pseudo !== null ? await tensors.get(pseudo[index]) : null,
      });
      const log = new TrainingLog(pending.file(RUN_FILES.train), connect.sides);
      try {
        const trained = await worker.connectors.train({
          start: {
            runId: `${experiment.name}-${seed}`,
            sides: [await side(0), await side(1)],
            initialization: connect.projector.initialization,
            seed: plan.weightsSeed,
            batchNorm: connect.projector.batchNorm,
            optimizer: connect.optimizer,
          },
          steps: log.watch(plan.steps()),
          stepsPerMessage: STEPS_PER_MESSAGE,
          onReports(reports) {
            log.add(reports);
            const last = reports.at(-1);
            if (last !== undefined) meter.update(last.step + 1, plan.totalSteps, `loss ${last.loss.toFixed(4)}`);
          },
        });
        await writeFileWhole(pending.file(RUN_FILES.projectors), trained.data);
        return {
          files: [RUN_FILES.projectors, RUN_FILES.train],
          facts: { steps: trained.steps, dim, loss: log.lastLoss },
        };
      } finally {
        await log.close();
      }
    },
  });
}

function head(connect: CompiledConnect, index: 0 | 1, overlap: StoredMatrix, dim: number): Head {
  const { preset, layers } = connect.projector;
  return {
    preset,
    inputDim: overlap.dim,
    outputDim: dim,
    layers: layers[index].map((layer): HeadLayer => (layer.kind === "linear" ? { kind: "linear", outputs: layer.outputs ?? dim } : { kind: layer.kind })),
  };
}

/** What goes into a step's line: neither its rows nor what draws its noise, which follow from the seed. */
function withoutDraws(step: PlannedStep): Omit<PlannedStep, "rows" | "noiseSeed"> {
  const { rows: _rows, noiseSeed: _noiseSeed, ...planned } = step;
  return planned;
}

/** train.jsonl: a line for each step with what was planned and what was measured. */
class TrainingLog {
  readonly #file;
  readonly #planned: Omit<PlannedStep, "rows" | "noiseSeed">[] = [];
  #lastLoss: number | null = null;

  constructor(
    path: string,
    private readonly sides: readonly CompiledSide[],
  ) {
    this.#file = createWriteStream(path, { flags: "wx" });
  }

  get lastLoss(): number | null {
    return this.#lastLoss;
  }

  /** Passes the plan on, keeping of each step what goes into its line. */
  *watch(steps: Iterable<PlannedStep>): Generator<PlannedStep> {
    for (const step of steps) {
      this.#planned.push(withoutDraws(step));
      yield step;
    }
  }

  add(reports: readonly StepReport[]): void {
    for (const { step, gradientNorms, ...measured } of reports) {
      const planned = this.#planned.shift();
      if (planned?.number !== step) throw new Error(`the worker reported step ${step} where ${planned?.number ?? "none"} was due`);
      this.#lastLoss = measured.loss;
      const { number, epoch, ...scheduled } = planned;
      const gradients = Object.fromEntries(this.sides.map(({ space }, index) => [space, gradientNorms[index] ?? null]));
      this.#file.write(`${JSON.stringify({ step: number, epoch, ...measured, gradientNorm: gradients, ...scheduled })}\n`);
    }
  }

  async close(): Promise<void> {
    if (this.#file.closed) return;
    this.#file.end();
    await once(this.#file, "close");
  }
}
