import type { Finding } from "../data/sets/findings.js";
import { dataError } from "../errors.js";
import { plural } from "../plural.js";
import { rootArgument, setArgument } from "./setArguments.js";
import { SetReport } from "./setReport.js";
import type { SetProgress } from "./setPace.js";
import { type Verification, verifySet } from "./verifySet.js";

/** The arguments of `cmcr data verify`, as typed. */
export interface VerifyArguments {
  readonly name: string;
  readonly root: string;
  readonly quick: boolean;
  readonly subset: boolean;
  readonly report?: string | undefined;
}

export interface VerifyHearers {
  /** So many faults are shown as they are heard. */
  readonly shown: number;
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress: (progress: SetProgress) => void;
  /** Hears the result, before a copy that is not whole ends with an error. */
  readonly onResult: (result: Verification) => void;
}

/** Verifies a copy of a data set. Exit 2 for a wrong argument; exit 3 where the copy is not there, or not whole. */
export async function verifySetCommand(typed: VerifyArguments, { shown, onFinding, onProgress, onResult }: VerifyHearers, signal: AbortSignal): Promise<void> {
  const definition = setArgument(typed.name);
  const root = await rootArgument(typed.root, definition);
  const report = typed.report === undefined ? null : await SetReport.create(typed.report);
  let result: Verification | null = null;
  try {
    const hearFinding = (finding: Finding): void => {
      report?.add(finding);
      onFinding(finding);
    };
    result = await verifySet({ definition, root, quick: typed.quick, subset: typed.subset }, { onFinding: hearFinding, onProgress }, signal);
  } finally {
    await report?.close(result);
  }
  onResult(result);
  if (result.whole) return;
  const { fault } = result.findings;
  const absent = result.folders.some(({ named, there }) => there < named) && !typed.subset ? " Where files are missing on purpose, give --subset." : "";
  const all = report !== null ? ` All of them: ${report.path}` : fault > shown ? " All of them: --report FILE." : "";
  throw dataError(`${root} is not a whole copy of ${definition.name}: ${plural(fault, "thing is", "things are")} wrong.${absent}${all}`, { reason: "SET_NOT_WHOLE", path: root });
}
