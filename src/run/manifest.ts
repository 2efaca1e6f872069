import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { execa } from "execa";

import type { WorkerInfo } from "../bridge/types.js";
import type { OutputRecord } from "./context.js";
import type { Stage } from "./events.js";

/** How long a stage took, and how many of its outputs were made and how many taken from the store. */
export interface StageRecord {
  readonly stage: Stage;
  readonly seconds: number;
  readonly made: number;
  readonly fromStore: number;
}

/** Where projectors came from that were not trained here. */
export interface ImportRecord {
  readonly preset: string;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  readonly tensors: number;
  /** Which head of the files belongs to which space. */
  readonly sides: readonly { readonly space: string; readonly source: string; readonly inputDim: number; readonly outputDim: number }[];
}

/** manifest.json: what a run was made with and from. Written last: a run that has one is complete. */
export interface RunManifest {
  readonly schemaVersion: 1;
  readonly run: string;
  readonly status: "complete";
  readonly cmcr: { readonly version: string; readonly gitRevision: string | null; readonly node: string; readonly platform: string };
  readonly worker: WorkerInfo;
  /** The first seed. */
  readonly seed: number;
  /** Every seed that projectors were trained with. Runs of before there could be several have none. */
  readonly seeds?: readonly number[];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly stages: readonly StageRecord[];
  readonly outputs: readonly OutputRecord[];
  /** Only of projectors that `cmcr import-projectors` took over. */
  readonly imported?: ImportRecord;
  /** Path within the run's folder to SHA-256. */
  readonly files: Readonly<Record<string, string>>;
}

const PACKAGE_ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Version and, in a checkout, git revision of this program. */
export async function programVersion(): Promise<RunManifest["cmcr"]> {
  const { version } = JSON.parse(await readFile(join(PACKAGE_ROOT, "package.json"), "utf8")) as { version: string };
  const git = await execa("git", ["rev-parse", "HEAD"], { cwd: PACKAGE_ROOT, reject: false, timeout: 5_000 });
  return {
    version,
    gitRevision: git.exitCode === 0 ? git.stdout.trim() : null,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}
