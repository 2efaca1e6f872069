import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

import { describe, expect, it } from "vitest";

import { readCompleteRun, readRun, RunFolder, seedFile, type RunState } from "../../../src/run/folder.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { compile, MINIMAL } from "../config/samples.js";

const EXPERIMENT = compile(MINIMAL);

const create = (out: string, name = "digits"): Promise<RunFolder> => RunFolder.create(out, name, MINIMAL, EXPERIMENT);

async function state(folder: string, changes: Partial<RunState> = {}): Promise<RunState> {
  const path = join(folder, "state.json");
  const found = JSON.parse(await readFile(path, "utf8")) as RunState;
  if (Object.keys(changes).length > 0) await writeFile(path, JSON.stringify({ ...found, ...changes }));
  return found;
}

/** The number of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

describe("a new run's folder", () => {
  it("bears the run's name, and the next one of that name a number", async () => {
    const out = join(temporaryFolder(), "runs", "deep");
    const names: string[] = [];
    for (let count = 0; count < 3; count += 1) names.push((await create(out)).name);
    expect(names).toEqual(["digits", "digits-2", "digits-3"]);
    expect((await readdir(out)).sort()).toEqual(names);
  });

  it("takes a number that is free, past a file of that name", async () => {
    const out = temporaryFolder();
    await writeFile(join(out, "digits"), "");
    await mkdir(join(out, "digits-3"));
    expect([(await create(out)).name, (await create(out)).name]).toEqual(["digits-2", "digits-4"]);
  });

  it("is one's own when many begin at once", async () => {
    const out = temporaryFolder();
    const made = await Promise.all(Array.from({ length: 10 }, () => create(out)));
    expect(new Set(made.map(({ path }) => path)).size).toBe(10);
    for (const { path, name } of made) expect(await state(path)).toMatchObject({ run: name, status: "running" });
  });

  it("holds the experiment as given and as compiled, and says that it is running", async () => {
    const folder = await create(temporaryFolder());
    expect(await readFile(folder.file("experiment"), "utf8")).toBe(MINIMAL);
    expect(JSON.parse(await readFile(folder.file("resolved"), "utf8"))).toEqual(EXPERIMENT);
    expect(await state(folder.path)).toMatchObject({ status: "running", pid: process.pid, run: "digits" });
    expect((await readdir(folder.path)).sort()).toEqual(["experiment.resolved.json", "experiment.yaml", "state.json"]);
  });

  it("that cannot be made is exit 3 and names --out", async () => {
    const out = temporaryFolder();
    await writeFile(join(out, "file"), "");
    const error = await failureOf(create(join(out, "file", "runs")));
    expect(error).toMatchObject({ code: 3, reason: "UNWRITABLE" });
    expect(error.message).toContain("--out");
  });
});

describe("the state of a run", () => {
  it("goes from running to its end, with the reason where it failed", async () => {
    const folder = await create(temporaryFolder());
    const { startedAt } = await state(folder.path);
    await folder.setState("failed", "the loss is not finite");
    expect(await state(folder.path)).toEqual({ status: "failed", run: "digits", pid: process.pid, startedAt, error: "the loss is not finite" });
    await folder.setState("complete");
    expect(await state(folder.path)).toEqual({ status: "complete", run: "digits", pid: process.pid, startedAt });
  });

  it("takes outputs in whole, and collects the worker's lines", async () => {
    const folder = await create(temporaryFolder());
    const from = join(temporaryFolder(), "projectors.safetensors");
    await writeFile(from, "weights");
    await folder.take(seedFile("projectors", { seed: 4 }, 4), from);
    await folder.take(seedFile("projectors", { seed: 4 }, 4), from);
    expect(await readFile(folder.file("projectors"), "utf8")).toBe("weights");
    await folder.take(seedFile("projectors", { seed: 4 }, 7), from);
    expect(await readFile(join(folder.path, "seeds", "7", "projectors.safetensors"), "utf8")).toBe("weights");
    await folder.log([]);
    expect(existsSync(join(folder.path, "worker.log"))).toBe(false);
    await folder.log(["a", "b"]);
    await folder.log(["c"]);
    expect(await readFile(join(folder.path, "worker.log"), "utf8")).toBe("a\nb\nc\n");
    expect((await readdir(folder.path)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });
});

describe("resuming", () => {
  it.each(["failed", "interrupted"] as const)("goes on with a run that is %s, in its own folder", async (status) => {
    const begun = await create(temporaryFolder());
    await begun.setState(status, "why");
    const { folder, experiment } = await RunFolder.resume(begun.path);
    expect(experiment).toEqual(EXPERIMENT);
    expect([folder.path, folder.name]).toEqual([begun.path, "digits"]);
    expect(await state(folder.path)).toMatchObject({ status: "running", pid: process.pid });
    expect((await state(folder.path)).error).toBeUndefined();
  });

  it("goes on with a run whose process is gone without a word", async () => {
    const begun = await create(temporaryFolder());
    await state(begun.path, { pid: deadPid() });
    const { folder } = await RunFolder.resume(begun.path);
    expect(await state(folder.path)).toMatchObject({ status: "running", pid: process.pid });
  });

  it("is refused while another process writes the run", async () => {
    const begun = await create(temporaryFolder());
    await state(begun.path, { pid: process.ppid });
    const error = await failureOf(RunFolder.resume(begun.path));
    expect(error).toMatchObject({ code: 2, reason: "RUN_IN_USE", path: begun.path });
    expect(error.message).toContain(String(process.ppid));
  });

  it("is refused for a complete run", async () => {
    const begun = await create(temporaryFolder());
    await begun.setState("complete");
    expect(await failureOf(RunFolder.resume(begun.path))).toMatchObject({ code: 2, reason: "RUN_COMPLETE" });
    expect((await state(begun.path)).status).toBe("complete");
  });

  it("is refused for what is no run", async () => {
    const folder = temporaryFolder();
    for (const path of [folder, join(folder, "none"), join(import.meta.dirname, "folder.test.ts")]) {
      expect(await failureOf(RunFolder.resume(path))).toMatchObject({ code: 2, reason: "NOT_A_RUN", path });
    }
  });

  it.each(["state.json", "experiment.resolved.json"])("is exit 3 when %s is damaged", async (name) => {
    const begun = await create(temporaryFolder());
    await begun.setState("failed");
    await writeFile(join(begun.path, name), "{");
    expect(await failureOf(RunFolder.resume(begun.path))).toMatchObject({ code: 3, reason: "CORRUPT", path: join(begun.path, name) });
  });
});

describe("reading a run", () => {
  it("gives its state and its experiment, whatever its state", async () => {
    const begun = await create(temporaryFolder());
    expect(await readRun(begun.path)).toMatchObject({ state: { status: "running" }, experiment: EXPERIMENT });
  });

  it.each(["running", "failed", "interrupted"] as const)("as a complete one is refused while it is %s, and says how to finish it", async (status) => {
    const begun = await create(temporaryFolder());
    await begun.setState(status);
    const error = await failureOf(readCompleteRun(begun.path));
    expect(error).toMatchObject({ code: 2, reason: "RUN_INCOMPLETE" });
    expect(error.message).toContain(`cmcr run --resume ${begun.path}`);
    await begun.setState("complete");
    expect((await readCompleteRun(begun.path)).state.run).toBe(basename(begun.path));
  });
});

describe("the folder of a sweep", () => {
  it("is no run: one of its runs is named", async () => {
    const sweep = temporaryFolder();
    await writeFile(join(sweep, "sweep.resolved.json"), "{}");
    await writeFile(join(sweep, "state.json"), "{}");
    expect((await failureOf(readCompleteRun(sweep))).message).toContain(`${sweep} is a sweep, not a run. Give one of its runs, such as ${join(sweep, "runs", "NAME")}; `);
    await mkdir(join(sweep, "runs", "full"), { recursive: true });
    const error = await failureOf(readRun(sweep));
    expect([error.code, error.reason]).toEqual([2, "NOT_A_RUN"]);
    expect(error.message).toContain(`such as ${join(sweep, "runs", "full")}; the sweep goes on with: cmcr sweep --resume ${sweep}`);
  });
});
