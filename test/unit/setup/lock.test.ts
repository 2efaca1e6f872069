import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isStale, withLock } from "../../../scripts/setup/lock.mjs";

/** Larger than any process number that a system gives out. */
const NOBODY = 2 ** 30;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cmcr-lock-"));
  path = join(folder, "deeper", "lock");
});
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

describe("withLock", () => {
  it("lets one at a time work", async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await sleep(20);
      inside -= 1;
    };
    await Promise.all([withLock(path, work), withLock(path, work), withLock(path, work)]);
    expect(most).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  it("tells a waiter once who holds it", async () => {
    const waits: (number | undefined)[] = [];
    const first = withLock(path, () => sleep(600));
    await withLock(path, () => Promise.resolve(), { onWait: (pid) => waits.push(pid) });
    await first;
    expect(waits).toEqual([process.pid]);
  });

  it("is free again after a failure, which it passes on", async () => {
    await expect(withLock(path, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    expect(await withLock(path, () => Promise.resolve("in"))).toBe("in");
  });

  it("takes over from a holder that is gone", async () => {
    await withLock(path, () => Promise.resolve());
    writeFileSync(path, JSON.stringify({ pid: NOBODY, host: hostname() }));
    expect(await withLock(path, () => Promise.resolve("in"))).toBe("in");
  });

  it("lets only one of several waiters take over", async () => {
    await withLock(path, () => Promise.resolve());
    writeFileSync(path, JSON.stringify({ pid: NOBODY, host: hostname() }));
    let inside = 0;
    const work = async (): Promise<number> => {
      inside += 1;
      const seen = inside;
      await sleep(10);
      inside -= 1;
      return seen;
    };
    expect(await Promise.all(Array.from({ length: 6 }, () => withLock(path, work)))).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it("takes over a lock file that was cut short, once it is old", async () => {
    await withLock(path, () => Promise.resolve());
    writeFileSync(path, "{");
    utimesSync(path, new Date(0), new Date(0));
    expect(await withLock(path, () => Promise.resolve("in"))).toBe("in");
  });

  it("stops waiting when told to", async () => {
    const controller = new AbortController();
    const first = withLock(path, () => sleep(500));
    const second = withLock(path, () => Promise.resolve(), { signal: controller.signal });
    controller.abort();
    await expect(second).rejects.toThrow();
    await first;
  });
});

describe("isStale", () => {
  const lives = (): boolean => true;
  const gone = (): boolean => false;
  const here = { pid: 7, host: "here" };
  it.each([
    ["a living holder", here, 1_000, lives, false],
    ["a holder that is gone", here, 1_000, gone, true],
    ["a stopped holder", here, 120_000, lives, false],
    ["a number that another process may have by now", here, 700_000, lives, true],
    ["another machine's holder with a recent heartbeat", { pid: 7, host: "there" }, 20_000, gone, false],
    ["another machine's holder without one", { pid: 7, host: "there" }, 90_000, lives, true],
    ["a file that is being written", undefined, 100, gone, false],
    ["a file that was never finished", undefined, 60_000, gone, true],
  ])("judges %s", (_, holder, age, alive, expected) => {
    expect(isStale(holder, age, "here", alive)).toBe(expected);
  });
});
