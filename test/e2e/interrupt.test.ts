import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { expectRefusal, jsonLines, run, runNames, start, Workplace } from "./support/cli.js";
import { isRunning, processesNaming, within } from "./support/processes.js";
import { change, EXPERIMENT, writeExperiment, writeWorld } from "./support/world.js";

/** An interrupted command must have ended by then. */
const INTERRUPT_LIMIT_MS = 5_000;
/** A worker must have ended so long after its orchestrator was killed. */
const ORPHAN_LIMIT_MS = 3_000;

const place = new Workplace();
const out = place.file("runs");
let experiment = "";
let undisturbed = "";

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  // Long enough that training reports before it ends.
  experiment = writeExperiment(place.path, change(EXPERIMENT, "epochs: 10", "epochs: 40"));
  undisturbed = await run([experiment, "--out", place.file("undisturbed"), "--name", "whole"], { env: place.env });
});
afterAll(() => {
  place.remove();
});

interface Event {
  readonly event: string;
  readonly stage?: string;
  readonly pid?: number;
}

/** A command that was disturbed when it reached a certain point. */
interface Disturbed {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** From the disturbance to the end. */
  readonly ms: number;
  readonly worker: number | undefined;
}

/** Runs a command with --json, and calls `disturb` at the first event that `when` accepts. */
async function disturbed(
  args: readonly string[],
  when: (event: Event) => boolean,
  disturb: (pids: { readonly cmcr: number; readonly worker: number | undefined }) => void,
): Promise<Disturbed> {
  const child = start([...args, "--json"], { env: place.env });
  let worker: number | undefined;
  let since: number | undefined;
  for await (const line of child.iterable({ from: "stdout" })) {
    const event = JSON.parse(line) as Event;
    if (event.event === "worker") worker = event.pid;
    if (since === undefined && when(event)) {
      since = performance.now();
      disturb({ cmcr: child.pid ?? 0, worker });
    }
  }
  const result = await child;
  if (since === undefined) throw new Error(`the command never came to that point:\n${result.stdout}\n${result.stderr}`);
  return { exitCode: result.exitCode, signal: result.signal, stdout: result.stdout, stderr: result.stderr, ms: performance.now() - since, worker };
}

const beginning = (stage: string) => (event: Event) => event.event === "stage" && event.stage === stage;
const working = (stage: string) => (event: Event) => event.event === "progress" && event.stage === stage;
const folder = join(out, "tiny");

function state(): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, "state.json"), "utf8")) as Record<string, unknown>;
}

function checksum(run: string): unknown {
  return (JSON.parse(readFileSync(join(run, "manifest.json"), "utf8")) as { files: Record<string, string> }).files["projectors.safetensors"];
}

function expectInterrupted(result: Disturbed): void {
  expect(result.exitCode, result.stderr).toBe(130);
  expect(result.ms).toBeLessThan(INTERRUPT_LIMIT_MS);
  expect(jsonLines(result.stdout).at(-1)).toMatchObject({ event: "error", code: 130, reason: "INTERRUPTED", path: folder });
  if (result.worker !== undefined) expect(isRunning(result.worker)).toBe(false);
  expect(place.left()).toEqual([]);
  expect(state()).toMatchObject({ status: "interrupted" });
  for (const finished of ["manifest.json", "metrics.json"]) expect(existsSync(join(folder, finished))).toBe(false);
}

// One run, which is interrupted in every stage in turn and gone on with each time. The
// worker is halted first, so that the stage cannot end before the signal comes, and so
// that ending it takes more than asking.
describe("a run that is interrupted again and again", () => {
  const halt = (pid: number | undefined): void => {
    if (pid !== undefined) process.kill(pid, "SIGSTOP");
  };

  it("ends while its worker starts", async () => {
    expectInterrupted(
      await disturbed(["run", experiment, "--out", out], ({ event }) => event === "run", ({ cmcr }) => process.kill(cmcr, "SIGINT")),
    );
    expect(processesNaming(place.temporary)).toEqual([]);
  });

  it.each([
    ["encode", "SIGINT", beginning("encode")],
    ["enhance", "SIGTERM", beginning("enhance")],
    ["connect", "SIGINT", working("connect")],
    ["evaluate", "SIGINT", beginning("evaluate")],
  ] as const)("ends in %s at %s, though its worker hangs", async (_stage, signal, when) => {
    expectInterrupted(
      await disturbed(["run", "--resume", folder], when, ({ cmcr, worker }) => {
        halt(worker);
        process.kill(cmcr, signal);
      }),
    );
  });

  it("goes on to the result of an undisturbed run", async () => {
    expect(await run(["--resume", folder], { env: place.env })).toBe(folder);
    expect(state()).toMatchObject({ status: "complete" });
    expect(checksum(folder)).toBe(checksum(undisturbed));
    const tasks = (run: string) => (JSON.parse(readFileSync(join(run, "metrics.json"), "utf8")) as { tasks: unknown }).tasks;
    expect(tasks(folder)).toEqual(tasks(undisturbed));
    expect(runNames(out)).toEqual(["tiny"]);
  });
});

it("ends at Ctrl-C while an encoder works, with nothing left where the result would be", async () => {
  const lines = Array.from({ length: 200_000 }, (_, index) => `a small red circle ${index}`);
  writeFileSync(place.file("texts.txt"), lines.join("\n"));
  const args = ["encode", "--encoder", "builtin", "--model", "scenes-image-text", "--modality", "text", "--input", place.file("texts.txt"), "--out", place.file("encoded")];
  const result = await disturbed(args, working("encode"), ({ cmcr }) => process.kill(cmcr, "SIGINT"));
  expect(result.exitCode).toBe(130);
  expect(result.ms).toBeLessThan(INTERRUPT_LIMIT_MS);
  expect(processesNaming(place.temporary)).toEqual([]);
  expect(place.left()).toEqual([]);
  expect(existsSync(place.file("encoded"))).toBe(false);
});

it("tells a person how to go on", async () => {
  const child = start(["run", experiment, "--out", out, "--name", "told"], { env: place.env });
  child.stderr.once("data", () => child.kill("SIGINT"));
  const { exitCode, stdout, stderr } = await child;
  expectRefusal({ exitCode, stdout, stderr, seconds: 0 }, 130, `interrupted: go on with: cmcr run --resume ${join(out, "told")}`);
});

it("says that its worker was killed in mid-step, and can go on", async () => {
  const name = "bereft";
  const result = await disturbed(["run", experiment, "--out", out, "--name", name, "--fresh"], working("connect"), ({ worker }) =>
    process.kill(worker ?? 0, "SIGKILL"),
  );
  expect(result.exitCode).toBe(4);
  const error = jsonLines(result.stdout).at(-1);
  expect(error).toMatchObject({ event: "error", code: 4, reason: "WORKER_LOST" });
  expect(error?.["message"]).toContain("was killed by SIGKILL");
  expect(place.left()).toEqual([]);
  const failed = join(out, name);
  expect(JSON.parse(readFileSync(join(failed, "state.json"), "utf8"))).toMatchObject({ status: "failed" });
  expect(existsSync(join(failed, "manifest.json"))).toBe(false);
  await run(["--resume", failed], { env: place.env });
  expect(checksum(failed)).toBe(checksum(undisturbed));
});

it("takes its worker along when it is itself killed", async () => {
  const result = await disturbed(["run", experiment, "--out", out, "--name", "killed", "--fresh"], working("connect"), ({ cmcr }) => process.kill(cmcr, "SIGKILL"));
  expect(result.signal).toBe("SIGKILL");
  expect(await within(ORPHAN_LIMIT_MS, () => !isRunning(result.worker ?? 0))).toBe(true);
  expect(await within(ORPHAN_LIMIT_MS, () => place.left().length === 0)).toBe(true);
});
