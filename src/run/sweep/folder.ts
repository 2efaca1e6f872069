import { mkdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

import type { CompiledSweep } from "../../config/sweepCompile.js";
import { dataError, systemCode, usageError } from "../../errors.js";
import { Claim } from "../../store/claim.js";
import { writeFileWhole } from "../../store/files.js";
import { Store } from "../../store/store.js";
import { makeFolder, SWEEP_FILE } from "../folder.js";
import type { VariantStatus } from "./events.js";
import type { SweepTable } from "./table.js";
import { tableCsv, tableMarkdown } from "./tableFiles.js";

/** Files of a sweep's folder. */
export const SWEEP_FILES = {
  sweep: "sweep.yaml",
  resolved: SWEEP_FILE,
  state: "state.json",
  json: "table.json",
  csv: "table.csv",
  markdown: "table.md",
  /** A folder with the run of each variant. */
  runs: "runs",
} as const;

/** Where a variant stands, as state.json has it. */
export interface VariantState {
  readonly name: string;
  readonly status: VariantStatus;
  /** Its run, relative to the sweep's folder. */
  readonly folder: string;
  /** How long it has run, earlier attempts among it. */
  readonly seconds: number | null;
  /** Why it failed. */
  readonly error?: string;
}

/** state.json. */
export interface SweepState {
  readonly schemaVersion: 1;
  readonly sweep: string;
  readonly status: "running" | "complete" | "failed" | "interrupted";
  /** The process that runs it, or did so last. */
  readonly pid: number;
  readonly variants: readonly VariantState[];
}

interface ResolvedFile {
  readonly schemaVersion: 1;
  readonly sweep: CompiledSweep;
}

/** A sweep's folder, and the one process that writes into it. */
export class SweepFolder {
  /** Writes come one after another, whichever variants end at the same time. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    readonly path: string,
    /** The sweep's name: that of its folder. */
    readonly name: string,
    readonly sweep: CompiledSweep,
    private readonly claim: Claim,
    /** The process that ran it before; null where it is new. */
    readonly pidBefore: number | null,
    private state: SweepState,
  ) {}

  /** Makes `out/NAME`, or `out/NAME-2` and so on, with `store` as the store of its runs. Exit 3 where that cannot be. */
  static async create(out: string, name: string, sweep: CompiledSweep, source: string, store: string): Promise<SweepFolder> {
    const path = await newFolder(out, name);
    const claim = await claimed(path);
    const own = basename(path);
    await mkdir(join(path, SWEEP_FILES.runs));
    const { root } = await Store.open(store);
    await Store.link(join(path, SWEEP_FILES.runs, ".store"), root);
    await writeFileWhole(join(path, SWEEP_FILES.sweep), source);
    const resolved: ResolvedFile = { schemaVersion: 1, sweep };
    await writeFileWhole(join(path, SWEEP_FILES.resolved), `${JSON.stringify(resolved, null, 2)}\n`);
    const folder = new SweepFolder(path, own, sweep, claim, null, firstState(own, sweep));
    await folder.#save();
    return folder;
  }

  /** Opens an unfinished sweep to go on with it. Exit 2 when it is running or no sweep, 3 when it is damaged. */
  static async resume(given: string): Promise<SweepFolder> {
    const path = resolve(given);
    const { sweep } = await readJson<ResolvedFile>(path, "resolved");
    const claim = await claimed(path);
    try {
      const name = basename(path);
      // Killed before it was written, it has run nothing.
      const before = await readJson<SweepState>(path, "state").catch(() => null);
      const folder = new SweepFolder(path, name, sweep, claim, before?.pid ?? null, before ?? firstState(name, sweep));
      folder.state = { ...folder.state, status: "running", pid: process.pid };
      await folder.#save();
      return folder;
    } catch (error) {
      await claim.release();
      throw error;
    }
  }

  /** The folder of all runs. */
  get runs(): string {
    return join(this.path, SWEEP_FILES.runs);
  }

  /** Where each variant stands. */
  get variants(): readonly VariantState[] {
    return this.state.variants;
  }

  /** Notes where a variant stands, after how many seconds, and why it failed. */
  async setVariant(name: string, status: VariantStatus, { seconds, error }: { readonly seconds?: number; readonly error?: string } = {}): Promise<void> {
    const changed = ({ folder, seconds: before }: VariantState): VariantState => ({
      name,
      status,
      folder,
      seconds: seconds ?? before,
      ...(error === undefined ? {} : { error }),
    });
    this.state = { ...this.state, variants: this.state.variants.map((variant) => (variant.name === name ? changed(variant) : variant)) };
    await this.#save();
  }

  /** Notes where the sweep stands. */
  async setStatus(status: SweepState["status"]): Promise<void> {
    this.state = { ...this.state, status };
    await this.#save();
  }

  /** Writes the table in its three forms. */
  writeTable(table: SweepTable): Promise<void> {
    return this.#inTurn(async () => {
      await writeFileWhole(join(this.path, SWEEP_FILES.json), `${JSON.stringify(table, null, 2)}\n`);
      await writeFileWhole(join(this.path, SWEEP_FILES.csv), tableCsv(table));
      await writeFileWhole(join(this.path, SWEEP_FILES.markdown), tableMarkdown(table));
    });
  }

  /** Lets another process go on with it. */
  async close(): Promise<void> {
    await this.#writing;
    await this.claim.release();
  }

  #save(): Promise<void> {
    return this.#inTurn(() => writeFileWhole(join(this.path, SWEEP_FILES.state), `${JSON.stringify(this.state, null, 2)}\n`));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => undefined);
    return done;
  }
}

function firstState(sweep: string, { variants }: CompiledSweep): SweepState {
  return {
    schemaVersion: 1,
    sweep,
    status: "running",
    pid: process.pid,
    variants: variants.map(({ name, folder }) => ({ name, status: "pending", folder: `${SWEEP_FILES.runs}/${folder}`, seconds: null })),
  };
}

async function newFolder(out: string, name: string): Promise<string> {
  const refused = (path: string, cause: unknown) =>
    dataError(`the folder ${path} cannot be made (${systemCode(cause)}). Choose another with --out.`, { reason: "UNWRITABLE", path, cause });
  await makeFolder(resolve(out)).catch((cause: unknown) => {
    throw refused(out, cause);
  });
  for (let number = 1; ; number += 1) {
    const path = resolve(out, number === 1 ? name : `${name}-${number}`);
    try {
      await mkdir(path);
      return path;
    } catch (cause) {
      if (systemCode(cause) !== "EEXIST") throw refused(path, cause);
    }
  }
}

/** One process at a time; another does not wait for it. */
function claimed(path: string): Promise<Claim> {
  return Claim.on(path, {
    signal: undefined,
    onWait: (pid) => {
      throw usageError(`the sweep ${path} is being run by process ${pid}. Wait for it, or end it first.`, { reason: "SWEEP_IN_USE", path });
    },
  });
}

async function readJson<T>(path: string, name: "resolved" | "state"): Promise<T> {
  const file = join(path, SWEEP_FILES[name]);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw usageError(`${path} is not a sweep: it has no ${SWEEP_FILES[name]}. Give the folder that "cmcr sweep" printed last.`, { reason: "NOT_A_SWEEP", path, cause });
  });
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw dataError(`${file} is damaged: it is not JSON.`, { reason: "CORRUPT", path: file, cause });
  }
}
