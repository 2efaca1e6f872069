import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A method's metrics, as metrics.json has them. */
export type Estimates = Readonly<Record<string, { readonly value: number; readonly ci95: readonly [number, number] }>>;

export interface Task {
  readonly name: string;
  readonly task: string;
  readonly queries: number;
  readonly gallery: number;
  readonly results: Readonly<Record<string, Estimates>>;
  readonly reverse?: Readonly<Record<string, Estimates>>;
}

export interface Metrics {
  readonly schemaVersion: number;
  readonly run: string;
  readonly seed: number;
  readonly tasks: readonly Task[];
}

export interface Manifest {
  readonly run: string;
  readonly status: string;
  readonly cmcr: Readonly<Record<string, string>>;
  readonly worker: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly stages: readonly { readonly stage: string; readonly seconds: number; readonly made: number; readonly fromStore: number }[];
  readonly outputs: readonly {
    readonly stage: string;
    readonly output: string;
    readonly fromStore: boolean;
    readonly seconds: number;
    readonly files: Readonly<Record<string, string>>;
    readonly inputs: Readonly<Record<string, unknown>>;
  }[];
  readonly files: Readonly<Record<string, string>>;
}

/** A line of train.jsonl. */
export type Step = Readonly<Record<string, number>> & { readonly gradientNorm: Readonly<Record<string, number>> };

function json(run: string, name: string): unknown {
  return JSON.parse(readFileSync(join(run, name), "utf8"));
}

export function metricsOf(run: string): Metrics {
  return json(run, "metrics.json") as Metrics;
}

export function manifestOf(run: string): Manifest {
  return json(run, "manifest.json") as Manifest;
}

export function stepsOf(run: string): readonly Step[] {
  return readFileSync(join(run, "train.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Step);
}

/** A metric of a method of a task; throws when there is none. */
export function metric(run: string, task: string, name: string, method = "cmcr"): number {
  const value = metricsOf(run).tasks.find((item) => item.name === task)?.results[method]?.[name]?.value;
  if (value === undefined) throw new Error(`${run} has no ${name} of ${method} in ${task}`);
  return value;
}

export function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Checksum of a run's projectors, from their bytes. */
export function projectorsOf(run: string): string {
  return sha256(join(run, "projectors.safetensors"));
}

/** The header of a .safetensors file: entries by name, and the metadata. */
export function safetensorsHeader(path: string): { readonly shapes: Readonly<Record<string, readonly number[]>>; readonly metadata: Readonly<Record<string, string>> } {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<string, { shape: number[] }>;
  return { shapes: Object.fromEntries(Object.entries(entries).map(([name, { shape }]) => [name, shape])), metadata: metadata as unknown as Record<string, string> };
}
