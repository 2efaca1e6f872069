import { z } from "zod";

import type { CheckContext } from "./checks/context.js";
import type { CompiledWorker } from "./compiled.js";
import { countField } from "./fields.js";

const DEVICE = /^(auto|cpu|cuda|cuda:\d{1,3})$/;
const ADDRESS = /^(unix:\/.+|[A-Za-z0-9.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})$/;

/** What a user writes below `worker`: who computes, and where. */
export const workerSchema = z
  .strictObject({
    device: z
      .string()
      .regex(DEVICE, { error: "expected auto, cpu, cuda or cuda:N" })
      .optional()
      .describe("auto (CUDA where there is one, else the CPU), cpu, cuda or cuda:N. Default auto."),
    threads: countField("Threads that torch uses for one operation; more than 1 can be slower on shared cores. Default 1.", 1).optional(),
    decoders: countField("Processes that decode images, sounds and point clouds while the device works. Default: as many as there are cores.", 1).optional(),
    address: z
      .string()
      .regex(ADDRESS, { error: "expected unix:/path or host:port" })
      .optional()
      .describe("A worker that runs already, unix:/path or host:port; without it one is started."),
  })
  .describe("Who computes, and where.");

export type UserWorker = z.output<typeof workerSchema>;

/** A worker that runs already has its own device, threads and decoders. */
export function checkWorker(user: UserWorker, context: CheckContext): void {
  if (user.address === undefined) return;
  for (const field of ["device", "threads", "decoders"] as const) {
    if (user[field] === undefined) continue;
    context.report({
      path: ["worker", field],
      reason: "IMPOSSIBLE_VALUE",
      expected: "no such field beside address",
      found: String(user[field]),
      hint: "A worker that runs already was started with a device, threads and decoders of its own.",
    });
  }
}

/** The worker's settings with every default filled in. */
export function compileWorker(user: UserWorker): CompiledWorker {
  return { device: user.device ?? "auto", threads: user.threads ?? 1, decoders: user.decoders ?? null, address: user.address ?? null };
}
