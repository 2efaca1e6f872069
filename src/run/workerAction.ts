import { resolve } from "node:path";

import { WorkerProcess } from "../bridge/process.js";
import { Worker } from "../bridge/worker.js";
import { CmcrError, EXIT, usageError } from "../errors.js";
import { describeVersions, installWorker, workerEnvironment } from "../setup/index.js";
import { openWorker } from "./workers.js";

/** The arguments of `cmcr worker`, as typed. */
export interface WorkerRequest {
  readonly action: "install" | "start" | "info";
  readonly torch: "auto" | "cpu" | "cuda";
  readonly python?: string | undefined;
  readonly dev: boolean;
  readonly listen?: string | undefined;
  readonly root?: string | readonly string[] | undefined;
  readonly device: string;
  readonly threads: string;
  readonly address?: string | undefined;
  readonly json: boolean;
}

type Say = (line: string) => void;

const ACTIONS: Readonly<Record<WorkerRequest["action"], (request: WorkerRequest, signal: AbortSignal, say: Say) => Promise<void>>> = {
  install,
  start,
  info,
};

/** Installs, starts or describes a worker. */
export function workerAction(request: WorkerRequest, signal: AbortSignal, say: Say): Promise<void> {
  return ACTIONS[request.action](request, signal, say);
}

async function install({ torch, python, dev, json }: WorkerRequest, signal: AbortSignal, say: Say): Promise<void> {
  const versions = await installWorker({ torch, python, dev, signal, onLine: json ? (line) => process.stderr.write(`${line}\n`) : say });
  if (json) say(JSON.stringify({ event: "installed", versions: versions ?? null }));
  else if (versions !== undefined) say(describeVersions(versions));
  else say("the worker's Python environment is up to date");
}

async function start(request: WorkerRequest, signal: AbortSignal, say: Say): Promise<void> {
  const environment = await workerEnvironment();
  if (environment.state === "missing") {
    throw new CmcrError(`${environment.problems.join(" ")} Run: cmcr worker install`, { code: EXIT.worker, reason: "WORKER_NOT_INSTALLED" });
  }
  const roots = typeof request.root === "string" ? [request.root] : (request.root ?? []);
  const child = await WorkerProcess.start({
    python: environment.python,
    packageFolder: environment.root,
    device: request.device,
    threads: threadsOf(request),
    roots: roots.map((root) => resolve(root)),
    onLine: say,
    ...(request.listen === undefined ? {} : { listen: request.listen }),
  });
  const stop = (): void => void child.stop();
  signal.addEventListener("abort", stop, { once: true });
  await child.exited;
  await child.stop();
  signal.throwIfAborted();
  throw new CmcrError(`the worker ${child.describeEnd()}`, { code: EXIT.worker, reason: "WORKER_LOST" });
}

async function info(request: WorkerRequest, signal: AbortSignal, say: Say): Promise<void> {
  const worker =
    request.address === undefined
      ? await openWorker({ settings: { device: request.device, threads: threadsOf(request), address: null }, roots: [], signal })
      : await Worker.connect(request.address, signal);
  try {
    const health = await worker.health();
    if (request.json) {
      say(JSON.stringify({ ...worker.info, health }));
      return;
    }
    const { info: found } = worker;
    say(`cmcr worker ${found.workerVersion}, protocol ${found.protocolVersion}${found.gitRevision === "" ? "" : `, revision ${found.gitRevision.slice(0, 12)}`}`);
    say(`health: ${health}`);
    say(`Python ${found.pythonVersion}, torch ${found.torchVersion}, ${found.cudaVersion === "" ? "without CUDA" : `CUDA ${found.cudaVersion}`}`);
    say(`device ${found.device}: ${found.deviceName}, ${found.threads} thread${found.threads === 1 ? "" : "s"}`);
    say(`encoders: ${found.encoders.join(", ")}`);
    say(`connectors: ${found.connectors.join(", ")}`);
    say(`heads: ${found.heads.join(", ")}`);
    say(`generators: ${found.generators.join(", ")}`);
    if (found.roots.length > 0) say(`roots: ${found.roots.join(", ")}`);
  } finally {
    await worker.close();
  }
}

function threadsOf({ threads }: WorkerRequest): number {
  const number = Number(threads);
  if (!Number.isSafeInteger(number) || number < 1) throw usageError(`--threads: expected a whole number from 1 on; found "${threads}".`, { reason: "BAD_COMMAND_LINE", path: "--threads" });
  return number;
}
