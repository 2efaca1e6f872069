import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

import { execa } from "execa";
import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import { Claim } from "../../../src/store/claim.js";
import { PartialOutput, type ShardRecord } from "../../../src/store/partial.js";
import { processStart } from "../../../src/store/processes.js";
import { Store } from "../../../src/store/store.js";
import { builtModule } from "../../helpers/built.js";
import { failureOf, until } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const never = { signal: undefined, onWait: (pid: number) => expect.fail(`waits for ${pid}`) };

const open = (root: string, options: Parameters<typeof PartialOutput.open>[3] = never) => PartialOutput.open(root, "key", { kind: "encode" }, options);

/** A shard with a file of as many bytes as it has rows. */
async function shard(partial: PartialOutput, from: number, to: number): Promise<ShardRecord> {
  const name = PartialOutput.fileName(from, to);
  writeFileSync(partial.path(name), "r".repeat(to - from));
  const record = { from, to, rows: to - from, file: { name, dim: 1, bytes: to - from, sha256: "of its bytes" }, skipped: [] };
  await partial.add(record);
  return record;
}

async function reopened(partial: PartialOutput, root: string): Promise<PartialOutput> {
  await partial.release();
  return open(root);
}

describe("a partial output", () => {
  it("knows its finished shards again, and what is missing", async () => {
    const root = temporaryFolder();
    const partial = await open(root);
    expect(partial.missing(10)).toEqual([{ from: 0, to: 10 }]);
    await shard(partial, 8, 10);
    await shard(partial, 0, 3);
    const skipped = [{ item: 4, id: "d", file: "/d", reason: "DATA_CORRUPT", message: "d is broken" }];
    await partial.add({ from: 4, to: 5, rows: 0, file: null, skipped });
    expect(partial.missing(12)).toEqual([{ from: 3, to: 4 }, { from: 5, to: 8 }, { from: 10, to: 12 }]);
    const again = await reopened(partial, root);
    expect(again.records).toEqual(partial.records);
    expect(again.records[1]?.skipped).toEqual(skipped);
    expect(again.missing(10)).toEqual([{ from: 3, to: 4 }, { from: 5, to: 8 }]);
    await again.remove();
    expect(readdirSync(root)).toEqual([]);
  });

  it.each([
    ["whose record is not written", (folder: string) => { rmSync(join(folder, "0000000002-0000000004.json")); }],
    ["whose record is half written", (folder: string) => { truncateSync(join(folder, "0000000002-0000000004.json"), 60); }],
    ["whose record was changed", (folder: string) => {
      const path = join(folder, "0000000002-0000000004.json");
      writeFileSync(path, readFileSync(path, "utf8").replace('"rows":2', '"rows":1'));
    }],
    ["whose file is half written", (folder: string) => { truncateSync(join(folder, "0000000002-0000000004.npy"), 1); }],
    ["whose file is gone", (folder: string) => { rmSync(join(folder, "0000000002-0000000004.npy")); }],
    ["whose file is not yet in its place", (folder: string) => { renameSync(join(folder, "0000000002-0000000004.npy"), join(folder, "0000000002-0000000004.npy.part")); }],
  ])("takes no shard for a whole one %s", async (_what, damage) => {
    const root = temporaryFolder();
    const partial = await open(root);
    for (const from of [0, 2, 4]) await shard(partial, from, from + 2);
    await partial.release();
    damage(partial.folder);
    const again = await open(root);
    expect(again.missing(6)).toEqual([{ from: 2, to: 4 }]);
    // Nothing of it is left that a later writer could stumble over.
    expect(readdirSync(again.folder).filter((name) => name.startsWith("0000000002"))).toEqual([]);
    await again.remove();
  });

  it("forgets a damaged shard alone, or all of them", async () => {
    const root = temporaryFolder();
    const partial = await open(root);
    await shard(partial, 0, 2);
    await partial.drop(await shard(partial, 2, 4));
    expect(partial.missing(4)).toEqual([{ from: 2, to: 4 }]);
    const again = await reopened(partial, root);
    expect(again.missing(4)).toEqual([{ from: 2, to: 4 }]);
    await again.clear();
    expect(again.missing(4)).toEqual([{ from: 0, to: 4 }]);
    await again.release();
    expect(existsSync(again.folder)).toBe(false);
  });

  it("is removed with a store's opening once its output is whole, and at no age before that", async () => {
    const root = temporaryFolder();
    const store = await Store.open(root);
    for (const key of ["finished", "unfinished", "finished-in-use"]) {
      const partial = await PartialOutput.open(store.partials, key, null, never);
      await shard(partial, 0, 2);
      if (key !== "finished-in-use") await partial.release();
    }
    for (const key of ["finished", "finished-in-use"]) {
      mkdirSync(join(root, "encode", key), { recursive: true });
      writeFileSync(join(root, "encode", key, "entry.json"), "{}");
    }
    await Store.open(root);
    expect(readdirSync(store.partials).sort()).toEqual(["finished-in-use", "unfinished"]);
  });
});

describe("a claim on a folder", () => {
  it("makes a second one wait, in this process too", async () => {
    const folder = join(temporaryFolder(), "folder");
    const first = await Claim.on(folder, never);
    const waits: number[] = [];
    let got: Claim | null = null;
    const second = Claim.on(folder, { signal: undefined, onWait: (pid) => waits.push(pid) }).then((claim) => (got = claim));
    await until("the wait", () => waits.length > 0);
    expect([first.waited, got, waits]).toEqual([false, null, [process.pid]]);
    await first.release();
    expect((await second).waited).toBe(true);
    await (await second).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("can be interrupted while it waits", async () => {
    const folder = temporaryFolder();
    const first = await Claim.on(folder, never);
    const controller = new AbortController();
    const second = Claim.on(folder, { signal: controller.signal, onWait: () => { controller.abort(new InterruptedError()); } });
    expect((await failureOf(second)).code).toBe(130);
    await first.release();
  });

  it.each([
    ["of a process that is gone", { pid: 999_999_999, host: hostname(), start: null }],
    ["of a process whose number another has now", { pid: process.ppid, host: hostname(), start: "an earlier start 1" }],
  ])("passes over one %s", async (_what, left) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, `claim-${left.pid}.json`), JSON.stringify(left));
    const claim = await Claim.on(folder, never);
    expect(readdirSync(folder)).toEqual([`claim-${process.pid}.json`]);
    await claim.release();
  });

  it("passes over one that a power failure cut off", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "claim-999999999.json"), "");
    await (await Claim.on(folder, never)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("waits for one of a living process, and believes one of another machine", async () => {
    const folder = temporaryFolder();
    const parent = join(folder, `claim-${process.ppid}.json`);
    writeFileSync(parent, JSON.stringify({ pid: process.ppid, host: hostname(), start: processStart(process.ppid) }));
    const waits: number[] = [];
    const waiting = Claim.on(folder, { signal: undefined, onWait: (pid) => { waits.push(pid); rmSync(parent); } });
    await (await waiting).release();
    expect(waits).toEqual([process.ppid]);
    writeFileSync(join(folder, "claim-7.json"), JSON.stringify({ pid: 7, host: "elsewhere", start: null }));
    const error = await failureOf(Claim.on(folder, never));
    expect(error).toMatchObject({ code: 2, reason: "IN_USE", path: folder });
    expect(error.message).toContain(join(folder, "claim-7.json"));
  });

  it("is held by one process at a time, however many want it at once", async () => {
    const folder = join(temporaryFolder(), "folder");
    const log = join(temporaryFolder(), "log");
    writeFileSync(log, "");
    const program = `
      import { appendFileSync } from "node:fs";
      const { Claim } = await import(process.argv[1]);
      for (let round = 0; round < 5; round += 1) {
        const claim = await Claim.on(process.argv[2], { signal: undefined, onWait() {} });
        appendFileSync(process.argv[3], "in ");
        await new Promise((resolve) => setTimeout(resolve, 5));
        appendFileSync(process.argv[3], "out ");
        await claim.release();
      }`;
    const module = builtModule("store/claim.js");
    await Promise.all([0, 1, 2].map(() => execa(process.execPath, ["--input-type=module", "-e", program, module, folder, log])));
    expect(readFileSync(log, "utf8")).toBe("in out ".repeat(15));
    expect(readdirSync(folder)).toEqual([]);
  });
});
