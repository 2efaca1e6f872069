import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it, onTestFinished } from "vitest";

import { unary } from "../../src/bridge/calls.js";
import { Channel } from "../../src/bridge/connection.js";
import { EXIT_OF_REASON, WorkerCallError } from "../../src/bridge/errors.js";
import { WorkerServiceClient } from "../../src/bridge/gen/cmcr/v1/worker.js";
import { failureOf } from "../helpers/failures.js";
import { temporaryFolder } from "../helpers/temporaryFolder.js";
import { startedWorker, workerOptions } from "./realWorker.js";

/** A worker that answers its first GetInfo, and fails each later one with the next of its reasons. */
const FAILING = `
import sys
sys.path.append(sys.argv.pop(next(i for i, a in enumerate(sys.argv) if a.startswith("--root="))).removeprefix("--root="))
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server import information
from cmcr_worker.server.command import main

errors = iter([None, *(WorkerError(reason, f"failed by {reason.name}", subject="the place", remedy="Mend it.", step=4) for reason in Reason)])
name = information.device_name

def device_name(device):
    error = next(errors)
    if error is not None:
        raise error
    return name(device)

information.device_name = device_name
sys.exit(main())
`;

describe("every reason, from the worker's exception to the exit code", () => {
  it("arrives as it was raised", async () => {
    const { packageFolder } = await workerOptions();
    const standIn = join(temporaryFolder(), "failing");
    await mkdir(standIn);
    await writeFile(join(standIn, "failing_worker.py"), FAILING);
    const worker = await startedWorker({ packageFolder: standIn, module: "failing_worker", roots: [packageFolder] });
    const channel = new Channel(worker.process?.address ?? "", worker.process, true, undefined);
    onTestFinished(() => {
      channel.close();
    });
    const client = channel.client(WorkerServiceClient);
    for (const [name, code] of Object.entries(EXIT_OF_REASON)) {
      const reason = name.replace("ERROR_REASON_", "");
      const error = await failureOf(unary(channel.context, "GetInfo", 20_000, client.getInfo.bind(client), {}));
      expect(error).toBeInstanceOf(WorkerCallError);
      expect(error).toMatchObject({ code, reason, message: `failed by ${reason}. Mend it.`, path: "the place", step: 4 });
      expect((error as WorkerCallError).traceback.length > 0).toBe(reason === "INTERNAL");
    }
    // The worker has no reason beyond those: its list is at its end.
    expect((await failureOf(unary(channel.context, "GetInfo", 20_000, client.getInfo.bind(client), {}))).message).toContain("StopIteration");
  });
});
