/** The machine: room on the disk, memory, cores, and a folder for the worker's socket. */
import { statfsSync } from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { type Check, type Inspection, ok, warning } from "./check.js";

const GIB = 2 ** 30;
/** An environment with the CPU build takes about 1.2 GiB, with CUDA's about 7 GiB; runs add theirs. */
const ROOM_GIB = 2;
const MEMORY_GIB = 4;
/** A unix socket's path is a field of 108 bytes on Linux and 104 on macOS, the closing zero included. */
const SOCKET_BYTES = process.platform === "darwin" ? 103 : 107;
/** What the bridge appends to the temporary folder: a folder of its own and the socket's name. */
const SOCKET_NAME = join("cmcr-XXXXXX", "worker.sock");

/** Whether a worker's socket fits below a temporary folder. */
export function socketCheck(folder: string): Check {
  const bytes = Buffer.byteLength(join(folder, SOCKET_NAME));
  if (bytes <= SOCKET_BYTES) return ok("socket path", `${folder} (${bytes} of ${SOCKET_BYTES} bytes)`);
  return { name: "socket path", status: "missing", found: `${folder} is too long: ${bytes} bytes, at most ${SOCKET_BYTES}`, remedy: "set TMPDIR to a shorter path, such as /tmp" };
}

/** Whether `free` bytes are enough to install and run. */
export function diskCheck(folder: string, free: number): Check {
  const found = `${(free / GIB).toFixed(1)} GiB free at ${folder}`;
  return free >= ROOM_GIB * GIB ? ok("disk", found) : warning("disk", found, `make room: an installation needs about ${ROOM_GIB} GiB, with CUDA 8 GiB`);
}

/** Memory and cores. Two GiB are the worker's own; the rest is for embeddings. */
export function computeCheck(memory: number, cores: number): Check {
  const found = `${(memory / GIB).toFixed(1)} GiB, ${cores} ${cores === 1 ? "core" : "cores"}`;
  return memory >= MEMORY_GIB * GIB ? ok("memory and cores", found) : warning("memory and cores", found, `${MEMORY_GIB} GiB or more are advised; use smaller batches`);
}

/** What the operating system says of the machine. */
export const inspectMachine: Inspection = (paths) => {
  const disk = statfsSync(paths.root);
  return Promise.resolve([diskCheck(paths.root, disk.bavail * disk.bsize), computeCheck(totalmem(), availableParallelism()), socketCheck(tmpdir())]);
};
