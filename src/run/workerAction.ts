import { resolve } from "node:path";

import { WorkerProcess } from "../bridge/process.js";
import { Worker } from "../bridge/worker.js";
import { CmcrError, EXIT } from "../errors.js";
import { describeVersions, installWorker, workerEnvironment } from "../setup/index.js";
import { addressArgument, badArgument, countArgument, deviceArgument } from "./arguments.js";
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
  readonly decoders?: string | undefined;
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
  const device = deviceArgument("device", request.device);
  const threads = countArgument("threads", request.threads);
  const listen = request.listen === undefined ? {} : { listen: listenArgument(request.listen) };
  const environment = await workerEnvironment();
  if (environment.state === "missing") {
    throw new CmcrError(`${environment.problems.join(" ")} Run: cmcr worker install`, { code: EXIT.worker, reason: "WORKER_NOT_INSTALLED" });
  }
  const roots = typeof request.root === "string" ? [request.root] : (request.root ?? []);
  const child = await WorkerProcess.start({
    python: environment.python,
    packageFolder: environment.root,
    device,
    threads,
    decoders: request.decoders === undefined ? null : countArgument("decoders", request.decoders),
    roots: roots.map((root) => resolve(root)),
    onLine: say,
    ...listen,
  });
  const stop = (): void => void child.stop();
  signal.addEventListener("abort", stop, { once: true });
  await child.exited;
  await child.stop();
  signal.throwIfAborted();
  const refusal = child.refusal();
  throw new CmcrError(refusal === null ? `the worker ${child.describeEnd()}` : `the worker cannot start: ${refusal}`, {
    code: EXIT.worker,
    reason: refusal === null ? "WORKER_LOST" : "WORKER_NOT_STARTED",
  });
}

async function info(request: WorkerRequest, signal: AbortSignal, say: Say): Promise<void> {
  const worker =
    request.address === undefined
      ? await openWorker({ settings: { device: deviceArgument("device", request.device), threads: countArgument("threads", request.threads), decoders: null, address: null }, roots: [], signal })
      : await Worker.connect(addressArgument("address", request.address), signal);
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

const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}$/;

/** Where a worker may listen: it speaks without TLS, so nowhere that another machine can reach. */
function listenArgument(text: string): string {
  if (!/^unix:\/./.test(text) && !LOOPBACK.test(text)) throw badArgument("listen", `expected unix:/path or a loopback address such as 127.0.0.1:50051; found "${text}"`);
  return text;
}
