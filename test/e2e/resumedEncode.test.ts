import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { cmcr, expectRefusal, jsonLines, start, succeed, Workplace } from "./support/cli.js";
import { png } from "./support/media.js";
import { isRunning, within } from "./support/processes.js";
import { sha256 } from "./support/runFolder.js";

const place = new Workplace();
const { env } = place;
const COUNT = 100_000;

beforeAll(() => {
  writeFileSync(place.file("texts.txt"), Array.from({ length: COUNT }, (_, index) => `a small red circle, number ${index}\n`).join(""));
});
afterAll(() => {
  place.remove();
});

function encode(out: string, input = "texts.txt", modality = "text", ...more: readonly string[]) {
  return ["encode", "--encoder", "builtin", "--model", "scenes-image-text", "--modality", modality, "--input", place.file(input), "--out", place.file(out), "--device", "cpu", ...more];
}

interface Progress {
  readonly event: string;
  readonly pid?: number;
  readonly done?: number;
  readonly total?: number | null;
}

/** Runs a command until it has done so many items, and disturbs it there. Says how far it had come, and where it began. */
async function disturbed(args: readonly string[], done: number, disturb: (pids: { readonly cmcr: number; readonly worker: number }) => void) {
  const child = start([...args, "--json"], { env });
  let worker = 0;
  let first: number | null = null;
  let last = 0;
  let disturbedYet = false;
  for await (const line of child.iterable({ from: "stdout" })) {
    const event = JSON.parse(line) as Progress;
    if (event.event === "worker") worker = event.pid ?? 0;
    if (event.event !== "progress" || event.total == null) continue;
    first ??= event.done ?? 0;
    last = event.done ?? 0;
    if (!disturbedYet && last >= done && last < event.total) {
      disturbedYet = true;
      disturb({ cmcr: child.pid ?? 0, worker });
    }
  }
  const result = await child;
  expect(disturbedYet, result.stderr).toBe(true);
  await within(5_000, () => !isRunning(worker));
  return { exitCode: result.exitCode, signal: result.signal, stdout: result.stdout, stderr: result.stderr, first: first ?? 0, last };
}

/** Finished shards of an interrupted command: name to the time of its record. */
function finished(out: string): ReadonlyMap<string, number> {
  const shards = place.file(`.${out}.partial`, "shards");
  const [key = ""] = readdirSync(shards);
  const names = readdirSync(join(shards, key)).filter((name) => /^\d+-\d+\.json$/.test(name));
  return new Map(names.map((name) => [name, statSync(join(shards, key, name)).mtimeMs]));
}

/** How many items shards have, by their names: FROM-TO. */
function itemsOf(shards: ReadonlyMap<string, number>): number {
  return [...shards.keys()].reduce((sum, name) => sum + Number(name.slice(11, 21)) - Number(name.slice(0, 10)), 0);
}

describe("an encoding that is broken off", () => {
  it("goes on from its finished shards, whoever was killed, to the same bytes as one that was not", async () => {
    await succeed(encode("whole"), { env });
    const kills = [
      ["the worker", 15_000, ({ worker }) => process.kill(worker, "SIGKILL")],
      ["cmcr", 40_000, ({ cmcr: pid }) => process.kill(pid, "SIGKILL")],
      ["both", 70_000, ({ cmcr: pid, worker }) => {
        process.kill(worker, "SIGKILL");
        process.kill(pid, "SIGKILL");
      }],
    ] as const satisfies readonly (readonly [string, number, Parameters<typeof disturbed>[2]])[];
    let before: ReadonlyMap<string, number> = new Map();
    for (const [who, done, kill] of kills) {
      const { first, last, exitCode, stdout } = await disturbed(encode("killed"), done, kill);
      if (who === "the worker") {
        expect(exitCode).toBe(4);
        expect(jsonLines(stdout).at(-1)).toMatchObject({ event: "error", reason: "WORKER_LOST", message: expect.stringContaining("Give the same command again to go on.") as string });
      }
      const shards = finished("killed");
      const items = itemsOf(shards);
      expect(first, who).toBe(itemsOf(before));
      // No more than one whole shard of those that were begun is lost.
      expect(last - items, who).toBeLessThan(2 * 8192);
      for (const [name, time] of before) expect(shards.get(name), who).toBe(time);
      before = shards;
    }
    expect(existsSync(place.file("killed"))).toBe(false);
    await succeed(encode("killed"), { env });
    for (const name of ["embeddings.npy", "ids.jsonl", "names.json"]) {
      if (existsSync(place.file("whole", name))) expect(sha256(place.file("killed", name)), name).toBe(sha256(place.file("whole", name)));
    }
    expect(readdirSync(place.path).filter((name) => name.includes("partial"))).toEqual([]);
    // Where both are killed nobody is left to remove the socket's folder.
    expect(place.left().length).toBeLessThanOrEqual(1);
  });

  it("ends at Ctrl-C with what to do, and goes on when the same command is given again", async () => {
    const left = place.left();
    const { exitCode, stdout } = await disturbed(encode("interrupted"), 20_000, ({ cmcr: pid }) => process.kill(pid, "SIGINT"));
    expect(exitCode).toBe(130);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ event: "error", code: 130, reason: "INTERRUPTED", message: "interrupted; give the same command again to go on" });
    expect(existsSync(place.file("interrupted"))).toBe(false);
    const items = itemsOf(finished("interrupted"));
    expect(items).toBeGreaterThan(0);
    const { stdout: again } = await succeed([...encode("interrupted"), "--json"], { env });
    const progress = jsonLines(again).find(({ event, total }) => event === "progress" && total !== null);
    expect(progress?.["done"]).toBe(items);
    expect(sha256(place.file("interrupted", "embeddings.npy"))).toBe(sha256(place.file("whole", "embeddings.npy")));
    expect(place.left()).toEqual(left);
  });

  it("is waited for by a second command that makes the same, which then finds it there", async () => {
    let second: ReturnType<typeof start> | undefined;
    let said = "";
    const first = start([...encode("twice"), "--json"], { env });
    for await (const line of first.iterable({ from: "stdout" })) {
      const event = JSON.parse(line) as Progress;
      if (second !== undefined || event.event !== "progress" || event.total == null) continue;
      process.kill(first.pid ?? 0, "SIGSTOP");
      second = start(encode("twice"), { env });
      second.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
      expect(await within(30_000, () => said.includes("is being made by process"))).toBe(true);
      process.kill(first.pid ?? 0, "SIGCONT");
    }
    expect((await first).exitCode).toBe(0);
    const { exitCode, stdout = "", stderr = "" } = (await second) ?? {};
    expect([exitCode, stdout], stderr).toEqual([0, place.file("twice")]);
    expect(stderr).toContain("twice is there already, made from the same inputs");
    expect(sha256(place.file("twice", "embeddings.npy"))).toBe(sha256(place.file("whole", "embeddings.npy")));
  });
});

describe("items that cannot be read", () => {
  beforeAll(() => {
    const folder = place.folder("images");
    for (let index = 0; index < 30; index += 1) {
      const bytes = png(32, (x, y) => [x * 8, y * 8, index * 8]);
      writeFileSync(join(folder, `${String(index).padStart(2, "0")}.png`), index === 11 ? bytes.subarray(0, 60) : index === 20 ? "" : bytes);
    }
  });

  it("are left out of the result and listed in it, within the limit", async () => {
    const { stderr } = await succeed(encode("pictures", "images", "image", "--unreadable-limit", "10"), { env });
    expect(stderr).toMatch(/28 images, 64 dimensions, 2 left out \(.*pictures\/skipped\.jsonl\)/);
    const lines = readFileSync(place.file("pictures", "skipped.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([
      { item: 11, id: "11.png", file: place.file("images", "11.png"), reason: "DATA_CORRUPT" },
      { item: 20, id: "20.png", file: place.file("images", "20.png"), reason: "DATA_CORRUPT" },
    ]);
    const ids = readFileSync(place.file("pictures", "ids.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as string);
    expect(ids).toHaveLength(28);
    expect(ids.slice(10, 12)).toEqual(["10.png", "12.png"]);
    expect(JSON.parse(readFileSync(place.file("pictures", "entry.json"), "utf8"))).toMatchObject({ facts: { rows: 28, items: 30, skipped: 2 } });
  });

  it.each([
    ["beyond the limit", [], "2 of 30 images cannot be read, more than 5 %: 11.png", "--unreadable-limit"],
    ["at the first one", ["--unreadable", "fail"], "11.png", "set --unreadable to skip"],
  ] as const)("end it %s, with a list", async (_what, more, said, remedy) => {
    expectRefusal(await cmcr(encode("refused", "images", "image", ...more), { env }), 3, said, remedy, place.file("refused.skipped.jsonl"));
    expect(readFileSync(place.file("refused.skipped.jsonl"), "utf8")).toContain('"id":"11.png"');
    expect(existsSync(place.file("refused"))).toBe(false);
  });

  it.each([
    ["another word", ["--unreadable", "ignore"], "--unreadable: expected skip or fail"],
    ["no percentage", ["--unreadable-limit", "101"], "--unreadable-limit: expected a percentage from 0 to 100"],
    ["a limit beside fail", ["--unreadable", "fail", "--unreadable-limit", "3"], "--unreadable-limit says nothing beside --unreadable fail"],
    ["an option without a value", ["--option", "revision"], "--option: expected name=value"],
    ["an unknown option", ["--option", "colour=red"], "--option colour: expected one of the fields provider, model, checkpoint, batchSize"],
    ["a setting that the provider lacks", ["--dtype", "float16"], "--dtype: expected one of the fields"],
    ["an unknown type", ["--type", "folders"], "--type: expected one of"],
  ] as const)("are not asked for with %s", async (_what, more, said) => {
    expectRefusal(await cmcr(encode("refused", "images", "image", ...more), { env }), 2, said);
  });
});
