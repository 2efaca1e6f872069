import { loadExperiment } from "../config/load.js";
import { usageError } from "../errors.js";
import { type RunResult, resumeRun, startRun } from "./engine.js";
import type { Reporter } from "./events.js";

/** What `cmcr run` was asked for. */
export interface RunRequest {
  readonly experiment: string | undefined;
  readonly resume: string | undefined;
  readonly out: string;
  readonly name: string | undefined;
  readonly set: readonly string[];
  readonly fresh: boolean;
}

const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Runs an experiment file, or goes on with an unfinished run. */
export async function runCommand(request: RunRequest, { signal, report }: { readonly signal: AbortSignal; readonly report: Reporter }): Promise<RunResult> {
  const options = { signal, report, fresh: request.fresh };
  if (request.resume !== undefined) {
    if (request.experiment !== undefined || request.set.length > 0 || request.name !== undefined) {
      throw usageError("--resume goes on with a run as it was begun: give no experiment file, --set or --name with it.", { reason: "BAD_COMMAND_LINE" });
    }
    return resumeRun(request.resume, options);
  }
  if (request.experiment === undefined) {
    throw usageError("name an experiment file. One to start from: cmcr init > my.yaml", { reason: "BAD_COMMAND_LINE" });
  }
  if (request.name !== undefined && !RUN_NAME.test(request.name)) {
    throw usageError(`--name: expected letters, digits, ".", "_" and "-", a letter or digit first; found "${request.name}".`, {
      reason: "IMPOSSIBLE_VALUE",
      path: "--name",
    });
  }
  const { experiment, source, warnings } = await loadExperiment(request.experiment, { set: request.set });
  for (const message of warnings) report({ event: "warning", message });
  return startRun(experiment, { ...options, out: request.out, name: request.name ?? experiment.name, source });
}
