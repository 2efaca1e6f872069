/** Which build of PyTorch this machine gets, and installing it. */
import { existsSync } from "node:fs";
import { execa } from "execa";
import { CmcrError, EXIT, usageError } from "../errors.js";
import type { TorchBuild } from "./environment.js";
import { type InstallationContext, installLocked, pipInstall, readPins } from "./pip.js";

/**
 * PyTorch's own index of builds without CUDA, for Linux and Windows. The default
 * index has the CUDA build for Linux alone, several gigabytes with NVIDIA's
 * libraries. This is the only address outside of the package indexes.
 */
const CPU_INDEX = "https://download.pytorch.org/whl/cpu";
/** An index that cannot be reached is given up after this, once, before the default index is asked. */
const CPU_INDEX_TIMEOUT_S = 10;

export type TorchChoice = "auto" | TorchBuild;

/** Whether an NVIDIA driver is at work here, and a few words on it. */
export async function nvidiaDriver(): Promise<string | undefined> {
  const query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
  const result = await execa("nvidia-smi", query, { reject: false, timeout: 10_000, stdin: "ignore" });
  if (!result.failed && result.stdout.trim() !== "") return result.stdout.trim().split("\n").join("; ");
  return existsSync("/proc/driver/nvidia/version") ? "driver loaded" : undefined;
}

/**
 * The build to install. `auto`: CUDA's only where an NVIDIA driver is found.
 * Thrown for `cuda` on a system that has no such build here: a CmcrError, exit 2.
 */
export function chooseBuild(choice: TorchChoice, driver: string | undefined, platform: NodeJS.Platform = process.platform): TorchBuild {
  if (choice === "cpu") return "cpu";
  if (choice === "cuda" && platform !== "linux") {
    throw usageError(`--torch cuda works on Linux only; this is ${platform}. Use --torch cpu, which also uses Apple's GPU where there is one.`, {
      reason: "TORCH_BUILD",
      path: "--torch",
    });
  }
  return choice === "cuda" || (platform === "linux" && driver !== undefined) ? "cuda" : "cpu";
}

/** The pinned version of PyTorch, such as `2.13.0`. */
export function torchVersion(context: Pick<InstallationContext, "paths">): string {
  const version = readPins(context.paths, "torch.lock").get("torch");
  if (version === undefined) {
    throw new CmcrError("torch.lock does not pin torch; restore the file from the repository.", {
      code: EXIT.worker,
      reason: "INSTALL_FAILED",
      path: context.paths.requirements,
    });
  }
  return version;
}

async function installCpuBuild(context: InstallationContext): Promise<TorchBuild> {
  // Elsewhere the default index's build has no CUDA in it.
  if (process.platform === "darwin") {
    await installLocked(context, ["torch.lock"]);
    return "cpu";
  }
  const fromCpuIndex = ["--index-url", CPU_INDEX, "--retries", "0", "--timeout", String(CPU_INDEX_TIMEOUT_S)];
  try {
    // Indexes and folders of wheels of the user's own pip configuration are searched as well.
    await pipInstall(context, 1, [...fromCpuIndex, `torch==${torchVersion(context)}`]);
    return "cpu";
  } catch (error) {
    if (!(error instanceof CmcrError) || error.code !== EXIT.worker) throw error;
  }
  context.onLine("PyTorch's index of CPU builds cannot be used from here: taking the default index's build");
  return installCudaBuild(context);
}

async function installCudaBuild(context: InstallationContext): Promise<TorchBuild> {
  // Windows' build on the default index has no CUDA in it, nor needs its libraries.
  const cuda = process.platform === "linux";
  if (cuda) context.onLine("PyTorch with CUDA: several gigabytes");
  await installLocked(context, cuda ? ["torch.lock", "cuda.lock"] : ["torch.lock"]);
  return cuda ? "cuda" : "cpu";
}

/**
 * Installs PyTorch and what its build brings along. `required` is false when
 * the build was chosen by us: then CUDA's gives way to the CPU's if it cannot be had.
 *
 * @returns the build that was installed
 */
export async function installTorch(context: InstallationContext, build: TorchBuild, required: boolean): Promise<TorchBuild> {
  context.onLine(`PyTorch ${torchVersion(context)}, ${build === "cuda" ? "CUDA" : "CPU"} build`);
  if (build === "cpu") return installCpuBuild(context);
  try {
    return await installCudaBuild(context);
  } catch (error) {
    if (required || !(error instanceof CmcrError) || error.code !== EXIT.worker) throw error;
    context.onLine("an NVIDIA driver is here, but the CUDA build cannot be installed: taking the CPU build. `cmcr worker install --torch cuda` tries again");
    return installCpuBuild(context);
  }
}
