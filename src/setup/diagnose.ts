/** What is installed and what is missing, for `cmcr doctor`. */
import type { Check, Inspection } from "./checks/check.js";
import { inspectCheckout } from "./checks/checkout.js";
import { inspectMachine } from "./checks/machine.js";
import { inspectWorker } from "./checks/worker.js";
import { type SetupPaths, setupPaths } from "./paths.js";

export type { Check } from "./checks/check.js";

/** Every inspection, in the order in which its checks are printed. */
const INSPECTIONS: readonly Inspection[] = [inspectCheckout, inspectWorker, inspectMachine];

/**
 * Inspects everything that a run needs. Takes a few seconds, since PyTorch is
 * imported to see which device it finds; changes nothing.
 */
export async function diagnose(paths: SetupPaths = setupPaths()): Promise<Check[]> {
  const found = await Promise.all(INSPECTIONS.map((inspect) => inspect(paths)));
  return found.flat();
}
