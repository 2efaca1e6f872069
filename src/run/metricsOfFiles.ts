import { parseBoxes } from "../data/boxes.js";
import { readFloats, readLabels, readNpyBlocks } from "../data/npyContents.js";
import { readNpyHeader } from "../data/npy.js";
import { dataError } from "../errors.js";
import {
  CLASSIFICATION_KS,
  classificationFromScores,
  counterfactualFromMaps,
  localizationFromMaps,
  RETRIEVAL_KS,
  retrievalFromScores,
  type ScoredMetrics,
} from "../evaluate/fromScores.js";
import type { MapBlock } from "../evaluate/localization.js";
import type { TaskKind } from "../evaluate/metricNames.js";
import { relevanceFromLists, relevanceFromRows } from "../evaluate/relevance.js";
import type { ScoreMatrix } from "../evaluate/ranks.js";
import { badArgument, countArgument } from "./arguments.js";
import { readLists } from "./stages/retrieval.js";

/** The arguments of `cmcr metrics`, as typed. */
export interface MetricsRequest {
  readonly task: TaskKind;
  readonly scores?: string | undefined;
  readonly relevance?: string | undefined;
  readonly labels?: string | undefined;
  readonly maps?: string | undefined;
  readonly boxes?: string | undefined;
  readonly threshold?: string | undefined;
  readonly consensus?: string | undefined;
  readonly ks?: string | undefined;
  readonly resamples: string;
  readonly seed: string;
}

type FileOption = "scores" | "relevance" | "labels" | "maps" | "boxes";
interface TaskFiles {
  readonly needs: readonly FileOption[];
  readonly takes: readonly (FileOption | "threshold" | "consensus" | "ks")[];
  readonly measure: (request: MetricsRequest) => Promise<ScoredMetrics>;
}

const TASKS: Readonly<Record<TaskKind, TaskFiles>> = {
  retrieval: { needs: ["scores"], takes: ["relevance", "ks"], measure: retrieval },
  classification: { needs: ["scores", "labels"], takes: ["ks"], measure: classification },
  localization: { needs: ["maps", "boxes"], takes: ["threshold", "consensus"], measure: (request) => ofMaps(request, localizationFromMaps) },
  counterfactual: { needs: ["maps", "boxes"], takes: ["threshold", "consensus"], measure: (request) => ofMaps(request, counterfactualFromMaps) },
};

/** Metrics of scores or maps in files. Exit 2 when options are missing or too many, 3 when a file is wrong. */
export async function metricsOfFiles(request: MetricsRequest): Promise<ScoredMetrics> {
  const { needs, takes, measure } = TASKS[request.task];
  for (const option of needs) {
    if (request[option] === undefined) throw badArgument(option, `${request.task} needs --${option}`);
  }
  for (const option of ["scores", "relevance", "labels", "maps", "boxes", "threshold", "consensus", "ks"] as const) {
    const fits = needs.includes(option as FileOption) || takes.includes(option);
    if (request[option] !== undefined && !fits) {
      throw badArgument(option, `${request.task} has no --${option}; it takes ${[...needs, ...takes].map((name) => `--${name}`).join(", ")}`);
    }
  }
  return measure(request);
}

async function retrieval(request: MetricsRequest): Promise<ScoredMetrics> {
  const place = request.scores ?? "";
  const scores = await scoreMatrix(place);
  const relevance =
    request.relevance === undefined
      ? relevanceFromRows(scores.rows, scores.columns, place)
      : relevanceFromLists(await readLists(request.relevance), scores.rows, scores.columns, request.relevance);
  return retrievalFromScores(scores, relevance, { ks: ksOf(request, RETRIEVAL_KS), bootstrap: bootstrapOf(request), place });
}

async function classification(request: MetricsRequest): Promise<ScoredMetrics> {
  const place = request.scores ?? "";
  const scores = await scoreMatrix(place);
  const labels = await readLabels(request.labels ?? "");
  if (labels.length !== scores.rows) {
    throw dataError(`${request.labels ?? ""}: there are ${labels.length} labels, and ${scores.rows} rows of scores in ${place}. Give one for each row.`, {
      reason: "SHAPE_MISMATCH",
      path: request.labels ?? "",
    });
  }
  return classificationFromScores(scores, labels, { ks: ksOf(request, CLASSIFICATION_KS), bootstrap: bootstrapOf(request), place });
}

async function ofMaps(request: MetricsRequest, measure: typeof localizationFromMaps): Promise<ScoredMetrics> {
  const { maps: path = "", boxes: boxesPath = "" } = request;
  const header = await readNpyHeader(path);
  const boxes = parseBoxes(await readLists(boxesPath), header.shape[0] ?? 0, boxesPath);
  const threshold = request.threshold === undefined ? null : numberOf("threshold", request.threshold);
  const consensus = request.consensus === undefined ? 1 : countArgument("consensus", request.consensus);
  return measure(mapBlocks(path), boxes, { threshold, consensus, bootstrap: bootstrapOf(request), place: path });
}

async function* mapBlocks(path: string): AsyncGenerator<MapBlock> {
  for await (const { shape, data } of readNpyBlocks(path, 3)) {
    const [count = 0, height = 0, width = 0] = shape;
    const floats = data instanceof Float32Array || data instanceof Float64Array ? data : Float64Array.from(data, Number);
    yield { data: floats, count, height, width };
  }
}

async function scoreMatrix(path: string): Promise<ScoreMatrix> {
  const { shape, data } = await readFloats(path, 2);
  return { rows: shape[0] ?? 0, columns: shape[1] ?? 0, data };
}

function ksOf({ ks }: MetricsRequest, otherwise: readonly number[]): readonly number[] {
  if (ks === undefined) return otherwise;
  const numbers = ks.split(",").map((text) => countArgument("ks", text));
  if (numbers.some((k, index) => index > 0 && k <= (numbers[index - 1] ?? 0))) throw badArgument("ks", `expected ascending numbers; found "${ks}"`);
  return numbers;
}

function bootstrapOf({ resamples, seed }: MetricsRequest): { readonly resamples: number; readonly seed: number } {
  const drawn = numberOf("seed", seed);
  if (!Number.isSafeInteger(drawn) || drawn < 0) throw badArgument("seed", `expected a whole number from 0 to 2^53 - 1; found "${seed}"`);
  return { resamples: countArgument("resamples", resamples), seed: drawn };
}

function numberOf(option: string, text: string): number {
  const number = text.trim() === "" ? NaN : Number(text);
  if (!Number.isFinite(number)) throw badArgument(option, `expected a number; found "${text}"`);
  return number;
}
