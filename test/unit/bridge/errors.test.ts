import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { EXIT_OF_REASON, fromServiceError, InterruptedError, WorkerCallError, WorkerLostError } from "../../../src/bridge/errors.js";
import { ErrorReason } from "../../../src/bridge/gen/cmcr/v1/error.js";
import { statusDetails } from "../../../src/bridge/status.js";
import { TensorClient } from "../../../src/bridge/tensorClient.js";
import type { ExitCode } from "../../../src/errors.js";
import { failureOf } from "../../helpers/failures.js";
import { failure, fakeWorker } from "./fakeWorker.js";

/** What a user's script sees for each reason: the exit code, and the reason's name. */
const SEEN: Readonly<Record<string, ExitCode>> = {
  CONFIG_INVALID: 2,
  SHAPE_MISMATCH: 2,
  DTYPE_MISMATCH: 2,
  UNKNOWN_NAME: 2,
  CHECKPOINT_MISSING: 3,
  DATA_MISSING: 3,
  DATA_CORRUPT: 3,
  STALE_HANDLE: 4,
  PROTOCOL_MISMATCH: 4,
  PATH_FORBIDDEN: 3,
  OUT_OF_MEMORY: 4,
  NON_FINITE: 5,
  DEVICE_UNAVAILABLE: 4,
  STORAGE_FAILED: 3,
  INTERNAL: 4,
};

const REASONS = Object.keys(ErrorReason)
  .filter((name) => Number.isNaN(Number(name)) && name !== "UNRECOGNIZED" && name !== "ERROR_REASON_UNSPECIFIED")
  .map((name) => name.replace("ERROR_REASON_", ""));
const reasonNumber = (name: string): ErrorReason => ErrorReason[`ERROR_REASON_${name}` as keyof typeof ErrorReason];

/** The error of a call that the fake worker fails with `failure`. */
async function errorOf(sent: ReturnType<typeof failure>) {
  const fake = await fakeWorker({ tensors: { average: (_, answer) => { answer(sent); } } });
  return failureOf(new TensorClient(fake.channel()).average({ handle: "m", rows: 1, dim: 1 }, Uint32Array.of(0), 1, "memory"));
}

describe("the worker's reasons", () => {
  it("each have a row in the table, and no row is without its reason", () => {
    expect(Object.keys(SEEN).sort()).toEqual([...REASONS].sort());
    expect(Object.keys(EXIT_OF_REASON).sort()).toEqual(REASONS.map((name) => `ERROR_REASON_${name}`).sort());
  });

  it.each(REASONS)("%s arrives with its exit code, place, remedy and step", async (name) => {
    const error = await errorOf(
      failure(status.INVALID_ARGUMENT, "what went wrong", { reason: reasonNumber(name), subject: "the place", remedy: "Mend it.", step: 7 }, ["a line\n", "another\n"]),
    );
    expect(error).toBeInstanceOf(WorkerCallError);
    expect(error).toMatchObject({
      code: SEEN[name],
      reason: name,
      message: "what went wrong. Mend it.",
      path: "the place",
      step: 7,
      traceback: ["a line\n", "another\n"],
    });
  });

  it("leave out what the worker did not say", async () => {
    const error = await errorOf(failure(status.INTERNAL, "Is it so?", { reason: ErrorReason.ERROR_REASON_INTERNAL }));
    expect(error.message).toBe("Is it so?");
    expect(error.path).toBeUndefined();
    expect((error as WorkerCallError).step).toBeUndefined();
  });

  it("that a newer worker has, and we do not know, count by their code", async () => {
    const error = await errorOf(failure(status.FAILED_PRECONDITION, "something new", { reason: 999 as ErrorReason }));
    expect(error).toMatchObject({ code: 4, reason: "FAILED_PRECONDITION", message: "Average failed: something new" });
  });
});

describe("a failure without details", () => {
  const CODES: readonly (readonly [keyof typeof status, string])[] = [
    ["UNAVAILABLE", "WORKER_LOST"],
    ["DEADLINE_EXCEEDED", "DEADLINE"],
    ["CANCELLED", "CANCELLED"],
    ["UNIMPLEMENTED", "PROTOCOL_MISMATCH"],
    ["UNKNOWN", "UNKNOWN"],
    ["INTERNAL", "INTERNAL"],
    ["RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"],
    ["UNAUTHENTICATED", "UNAUTHENTICATED"],
  ];
  it.each(CODES)("of %s is %s, exit 4, and names the call", (code, reason) => {
    const error = fromServiceError(Object.assign(new Error("x"), { code: status[code], details: "x", metadata: new Metadata() }) as ServiceError, "Average");
    expect(error).toMatchObject({ code: 4, reason });
    expect(error.message).toContain("Average");
    expect(error.cause).toBeInstanceOf(Error);
  });

  it("of a method that the worker does not have says that it is of another version", async () => {
    const fake = await fakeWorker({});
    const error = await failureOf(new TensorClient(fake.channel()).release({ handle: "m", rows: 1, dim: 1 }));
    expect(error).toMatchObject({ code: 4, reason: "PROTOCOL_MISMATCH" });
    expect(error.message).toContain("Release");
  });

  it("of a lost connection names the address where the worker is not ours", async () => {
    const error = await errorOf(failure(status.UNAVAILABLE, "gone"));
    expect(error).toBeInstanceOf(WorkerLostError);
    expect(error.message).toMatch(/Average.*fake\.sock/);
  });
});

describe("an interruption", () => {
  it("says how to go on, where there is a run to go on with", () => {
    expect(new InterruptedError()).toMatchObject({ code: 130, reason: "INTERRUPTED", message: "interrupted" });
    expect(new InterruptedError("runs/a")).toMatchObject({ code: 130, path: "runs/a", message: "interrupted; go on with: cmcr run --resume runs/a" });
  });
});

describe("details of a status", () => {
  const details = (bytes: Uint8Array): ReturnType<typeof statusDetails> => {
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", Buffer.from(bytes));
    return statusDetails(metadata);
  };

  it("are none where there are none", () => {
    expect(statusDetails(undefined)).toEqual({ detail: undefined, traceback: [] });
    expect(statusDetails(new Metadata())).toEqual({ detail: undefined, traceback: [] });
    expect(details(Buffer.alloc(0))).toEqual({ detail: undefined, traceback: [] });
  });

  it("of any bytes never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { detail, traceback } = details(bytes);
        expect(detail === undefined || typeof detail.subject === "string").toBe(true);
        expect(Array.isArray(traceback)).toBe(true);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it("of a true status with some bytes changed never throw", () => {
    const [whole] = failure(status.INTERNAL, "text", { reason: 15, subject: "s", remedy: "r", knownNames: ["a", "b"], step: 3 }, ["line"]).metadata.get("grpc-status-details-bin") as Buffer[];
    expect(details(whole ?? Buffer.alloc(0)).detail).toMatchObject({ subject: "s", knownNames: ["a", "b"] });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat((whole?.length ?? 1) - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(whole?.length ?? 0), (changes, cut) => {
        const bytes = Uint8Array.from(whole ?? []).slice(cut % 7 === 0 ? cut : 0);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        expect(() => details(bytes)).not.toThrow();
      }),
      { seed: 2, numRuns: 1000 },
    );
  });
});
