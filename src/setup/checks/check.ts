import type { SetupPaths } from "../paths.js";

/** What `cmcr doctor` prints of one thing that a run needs. */
export interface Check {
  readonly name: string;
  /** `missing`: runs fail. `warning`: runs work, but not as well as they could. */
  readonly status: "ok" | "missing" | "warning";
  /** What is there: a version, a size, a path. */
  readonly found: string;
  /** What to do about it; empty when all is well. */
  readonly remedy: string;
}

/** One inspection. It starts what it must, changes nothing, and throws nothing. */
export type Inspection = (paths: SetupPaths) => Promise<readonly Check[]>;

/** A check that is in order. */
export function ok(name: string, found: string): Check {
  return { name, status: "ok", found, remedy: "" };
}

/** A check that keeps runs from working. */
export function missing(name: string, found: string, remedy: string): Check {
  return { name, status: "missing", found, remedy };
}

/** A check that runs can live with. */
export function warning(name: string, found: string, remedy: string): Check {
  return { name, status: "warning", found, remedy };
}
