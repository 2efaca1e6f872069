import { readFileSync, readdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { execa } from "execa";
import { describe, expect, it, onTestFinished } from "vitest";

import { isRunning } from "../e2e/support/processes.js";
import { builtModule } from "../helpers/built.js";
import { until } from "../helpers/failures.js";
import { temporaryFolder } from "../helpers/temporaryFolder.js";
import { workerOptions } from "./realWorker.js";

/** Starts a worker, says its process number, and ends as it is told to. */
const PARENT = `
const [moduleUrl, options, ending] = process.argv.slice(1);
const { Worker } = await import(moduleUrl);
const worker = await Worker.start(JSON.parse(options));
console.log(worker.process.pid);
if (ending === "exit") process.exit(7);
if (ending === "throw") throw new Error("a bug");
setInterval(() => undefined, 1000);
`;

/** A process of its own that has a worker: the process, and the worker's number. */
async function parentOf(temporary: string) {
  const options = JSON.stringify(await workerOptions());
  const parent = execa(process.execPath, ["--input-type=module", "-e", PARENT, builtModule("bridge/worker.js"), options, "wait"], {
    env: { TMPDIR: temporary },
    reject: false,
    buffer: false,
  });
  onTestFinished(() => void parent.kill("SIGKILL"));
  let text = "";
  parent.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  await until("the worker's start", () => text.includes("\n"), 50_000);
  const worker = Number(text);
  onTestFinished(() => {
    if (isRunning(worker)) process.kill(worker, "SIGKILL");
  });
  return { parent, worker };
}

describe("a worker whose parent", () => {
  it("is killed ends by itself within three seconds", async () => {
    const temporary = temporaryFolder();
    const { parent, worker } = await parentOf(temporary);
    expect(isRunning(worker)).toBe(true);
    // It leads a group of its own: a terminal's Ctrl-C does not reach it.
    const [, group] = readFileSync(`/proc/${worker}/stat`, "latin1").split(") ")[1]?.split(" ").slice(1) ?? [];
    expect(Number(group)).toBe(worker);
    parent.kill("SIGKILL");
    await until("the worker's end", () => !isRunning(worker), 3_000);
    // Of its socket nothing is left; the folder is empty.
    for (const folder of readdirSync(temporary)) expect(readdirSync(join(temporary, folder))).toEqual([]);
  });

  it.each(["exit", "throw"] as const)("ends by %s goes with it, and so does its socket's folder", async (ending) => {
    const temporary = temporaryFolder();
    const standIn = join(temporaryFolder(), "package");
    await mkdir(standIn);
    await writeFile(join(standIn, "sleeper.py"), "import time\ntime.sleep(60)\n");
    const options = JSON.stringify({ ...(await workerOptions()), packageFolder: standIn, module: "sleeper" });
    const program = PARENT.replaceAll("Worker.start", "WorkerProcess.start").replace("{ Worker }", "{ WorkerProcess }").replace("worker.process.pid", "worker.pid");
    const parent = await execa(process.execPath, ["--input-type=module", "-e", program, builtModule("bridge/process.js"), options, ending], { env: { TMPDIR: temporary }, reject: false });
    expect(parent.exitCode).toBe(ending === "exit" ? 7 : 1);
    const worker = Number(parent.stdout);
    expect(worker).toBeGreaterThan(0);
    await until("the worker's end", () => !isRunning(worker), 3_000);
    expect(readdirSync(temporary)).toEqual([]);
  });
});
