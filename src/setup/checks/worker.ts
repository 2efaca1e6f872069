/** The worker's side: a Python to install with, the environment, PyTorch and its device. */
import { join } from "node:path";
import { CmcrError } from "../../errors.js";
import { workerEnvironment } from "../environment.js";
import { type WorkerVersions, verifyWorker } from "../install.js";
import type { SetupPaths } from "../paths.js";
import { findPython } from "../python.js";
import { nvidiaDriver } from "../torch.js";
import { type Check, type Inspection, missing, ok, warning } from "./check.js";

const INSTALL = "run `cmcr worker install`";

/** Python by itself only matters for an installation, so its absence is no more than a warning once there is an environment. */
async function pythonCheck(paths: SetupPaths, installed: boolean): Promise<Check> {
  try {
    const found = await findPython(undefined, paths);
    return ok("Python", `${found.version.join(".")} (${found.executable})`);
  } catch (error) {
    const remedy = error instanceof Error ? error.message : String(error);
    return (installed ? warning : missing)("Python", "no suitable one", remedy);
  }
}

/** PyTorch's build and device against what the machine has; pure, so that every case can be tested. */
export function torchChecks(versions: WorkerVersions, driver: string | undefined): readonly Check[] {
  const build = versions.cuda === null ? "CPU build" : `CUDA ${versions.cuda} build`;
  const checks = [ok("PyTorch", `${versions.torch}, ${build}`), ok("gRPC", versions.grpcio)];
  if (versions.device === "cuda") return [...checks, ok("device", `cuda: ${versions.deviceName}`)];
  if (driver === undefined) return [...checks, ok("device", "cpu")];
  if (versions.cuda === null) {
    return [...checks, warning("device", "cpu, although there is an NVIDIA GPU", "run `cmcr worker install --torch cuda`")];
  }
  const remedy = `the driver may be too old for CUDA ${versions.cuda}, or the GPU hidden (CUDA_VISIBLE_DEVICES)`;
  return [...checks, warning("device", "cpu: PyTorch cannot use the NVIDIA GPU", remedy)];
}

async function packageChecks(paths: SetupPaths, driver: string | undefined): Promise<readonly Check[]> {
  try {
    const log = join(paths.logs, "doctor.log");
    return torchChecks(await verifyWorker({ paths, log, onLine: () => undefined }), driver);
  } catch (error) {
    const found = error instanceof CmcrError ? (error.details.at(-1) ?? error.message) : String(error);
    return [missing("PyTorch", found, INSTALL)];
  }
}

/** Python, the environment, its packages, and the NVIDIA driver. */
export const inspectWorker: Inspection = async (paths) => {
  const environment = await workerEnvironment({ paths });
  const present = environment.state !== "missing";
  const driver = await nvidiaDriver();
  const [python, packages] = await Promise.all([pythonCheck(paths, present), present ? packageChecks(paths, driver) : []]);
  const name = "worker environment";
  const problems = environment.problems.join(" ");
  const summary = {
    ready: ok(name, paths.environment),
    // It may well work still.
    outdated: warning(name, problems, INSTALL),
    missing: missing(name, problems, INSTALL),
  }[environment.state];
  return [python, summary, ...packages, ok("NVIDIA driver", driver ?? "none: the CPU is used")];
};
