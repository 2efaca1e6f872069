import { loadSweep } from "../../config/sweepLoad.js";
import { usageError } from "../../errors.js";
import { storeFolder } from "../engine.js";
import { runSweep } from "./engine.js";
import type { SweepReporter } from "./events.js";
import { SweepFolder } from "./folder.js";
import type { SweepTable } from "./table.js";

/** What `cmcr sweep` was asked for. */
export interface SweepRequest {
  readonly sweep: string | undefined;
  readonly resume: string | undefined;
  /** Undefined: `sweeps`, with the store of `runs`. */
  readonly out: string | undefined;
  readonly name: string | undefined;
  readonly set: readonly string[];
  readonly parallel: string | undefined;
  readonly keepGoing: boolean;
}

const SWEEP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const OUT = "sweeps";
const RUNS = "runs";

/** Runs a sweep file, or goes on with an unfinished sweep. */
export async function sweepCommand(request: SweepRequest, { signal, report }: { readonly signal: AbortSignal; readonly report: SweepReporter }): Promise<SweepTable> {
  const parallel = parallelArgument(request.parallel);
  const options = { signal, report, keepGoing: request.keepGoing, ...(parallel === undefined ? {} : { parallel }) };
  if (request.resume !== undefined) {
    if (request.sweep !== undefined || request.set.length > 0 || request.name !== undefined || request.out !== undefined) {
      throw usageError("--resume goes on with a sweep as it was begun: give no sweep file, --set, --name or --out with it.", { reason: "BAD_COMMAND_LINE" });
    }
    return runSweep(await SweepFolder.resume(request.resume), options);
  }
  if (request.sweep === undefined) throw usageError("name a sweep file; docs/sweeps.md has one to start from.", { reason: "BAD_COMMAND_LINE" });
  if (request.name !== undefined && !SWEEP_NAME.test(request.name)) {
    throw usageError(`--name: expected letters, digits, ".", "_" and "-", a letter or digit first; found "${request.name}".`, { reason: "IMPOSSIBLE_VALUE", path: "--name" });
  }
  const { sweep, source, warnings } = await loadSweep(request.sweep, request.set);
  for (const message of warnings) report({ event: "sweep-warning", message });
  const { out = OUT } = request;
  // With --out as a run's, so that both share a store; without it each has a folder of its own.
  const store = storeFolder(request.out ?? RUNS);
  return runSweep(await SweepFolder.create(out, request.name ?? sweep.name, sweep, source, store), options);
}

function parallelArgument(text: string | undefined): "auto" | number | undefined {
  if (text === undefined || text === "auto") return text;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw usageError(`--parallel: expected auto or a whole number of at least 1, found "${text}".`, { reason: "IMPOSSIBLE_VALUE", path: "--parallel" });
}
