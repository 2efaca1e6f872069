import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { execa } from "execa";
import { afterAll, describe, expect, it } from "vitest";

import { judged, median } from "../../scripts/bench/results.mjs";
import { renderTable } from "../../scripts/bench/table.mjs";
import { ROOT, Workplace } from "./support/cli.js";

const LIMIT_MS = 400_000;

/** What a script may rely on in the document. */
interface BenchResult {
  readonly section: string;
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  readonly measured: number | null;
  readonly bar: Readonly<Record<"atMost" | "atLeast", number>> | null;
  readonly met: boolean | null;
  readonly note: string | null;
}

interface BenchDocument {
  readonly version: number;
  readonly date: string;
  readonly quick: boolean;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly load: Readonly<Record<"before" | "after", number>>;
  readonly seconds: number;
  readonly results: readonly BenchResult[];
}

const place = new Workplace();
afterAll(() => {
  place.remove();
});

const bench = (...args: string[]) =>
  execa(process.execPath, [join(ROOT, "scripts", "bench.mjs"), ...args], { cwd: ROOT, reject: false, stdin: "ignore", timeout: LIMIT_MS, env: place.env });

describe("the benchmarks", () => {
  it(
    "run in every section and print one document",
    async () => {
      const scratch = place.folder("scratch");
      const { exitCode, stdout, stderr } = await bench("--quick", "--json", "--scratch", scratch, "--out", join(scratch, "bench.json"));
      expect(exitCode, stderr).toBe(0);
      const document = JSON.parse(stdout) as BenchDocument;
      expect(JSON.parse(readFileSync(join(scratch, "bench.json"), "utf8"))).toEqual(document);
      expect(readdirSync(scratch)).toEqual(["bench.json"]);
      expect(place.left()).toEqual([]);

      expect(document).toMatchObject({ version: 1, quick: true, machine: { cores: expect.any(Number) as number, threads: 1 } });
      for (const field of ["processor", "platform", "node", "python", "torch", "cmcr"]) expect(document.machine[field], field).toEqual(expect.any(String));
      expect(Date.parse(document.date)).not.toBeNaN();
      expect(document.seconds).toBeGreaterThan(0);
      expect(document.results.map(({ section, name }) => `${section}/${name}`)).toEqual([
        "bridge/overhead-64-batch-256",
        "bridge/overhead-stand-in",
        "consistency/rate",
        "consistency/difference",
        "consistency/memory",
        "step/step-64-batch-256",
        "encode/encode-device",
        "encode/encode-decoding",
        "manifest/lines-first-batch",
        "manifest/lines-peak",
        "manifest/files-first-batch",
        "manifest/files-peak",
        "interruptions/shards-again",
        "interruptions/finished-lost",
        "interruptions/checksum",
        "memory/quickstart",
        "memory/large-memory",
        "startup/help",
        "startup/help-to-node",
        "startup/validate",
        "startup/validate-to-node",
      ]);
      for (const { name, measured, met, note, what } of document.results) {
        expect(Number.isFinite(measured), name).toBe(true);
        expect(what).not.toBe("");
        // Small sizes are not judged, and nothing was left out.
        expect([met, note]).toEqual([null, null]);
      }
      const measured = new Map(document.results.map((result) => [`${result.section}/${result.name}`, result.measured ?? Number.NaN]));
      // No speed, only what must hold of any true measurement.
      for (const name of ["bridge/overhead-64-batch-256", "bridge/overhead-stand-in"]) {
        expect(measured.get(name)).toBeGreaterThan(0);
        expect(measured.get(name)).toBeLessThan(1);
      }
      expect(measured.get("consistency/difference")).toBeLessThanOrEqual(1e-5);
      // These hold at any size.
      expect(measured.get("interruptions/shards-again")).toBeLessThanOrEqual(1);
      for (const name of ["interruptions/finished-lost", "interruptions/checksum"]) expect(measured.get(name)).toBe(0);
      expect(measured.get("manifest/lines-peak")).toBeLessThan(300);
      // Node alone takes this much.
      expect(measured.get("memory/quickstart")).toBeGreaterThan(30);
      expect(measured.get("startup/help-to-node")).toBeGreaterThan(1);
    },
    LIMIT_MS,
  );

  it("run one section alone", async () => {
    const { exitCode, stdout } = await bench("--quick", "--json", "--only", "startup");
    expect(exitCode).toBe(0);
    const { results } = JSON.parse(stdout) as BenchDocument;
    expect(new Set(results.map(({ section }) => section))).toEqual(new Set(["startup"]));
  });

  it.each([
    [["--only", "speed"], "--only takes bridge, consistency, step, encode, manifest, interruptions, memory, startup, not speed"],
    [["--threads", "0"], "--threads takes a whole number from 1, not 0"],
    [["--scratch", "no/such/folder"], "--scratch takes a folder that exists, not no/such/folder"],
    [["--quick", "--strict"], "--strict judges the full sizes"],
    [["--fast"], "--fast"],
  ])("refuse %j", async (args, message) => {
    const { exitCode, stdout, stderr } = await bench(...args);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});

describe("a benchmark's result", () => {
  const measurement = { name: "n", what: "w", unit: "ratio" };

  it.each([
    [{ atMost: 2 }, 2, true],
    [{ atMost: 2 }, 2.01, false],
    [{ atLeast: 0.8 }, 0.8, true],
    [{ atLeast: 0.8 }, 0.79, false],
    [null, 1, null],
    [{ atMost: 2 }, null, null],
  ])("with the bar %j and the value %j is met: %j", (bar, measured, met) => {
    expect(judged("s", { ...measurement, bar, measured }, false).met).toBe(met);
    expect(judged("s", { ...measurement, bar, measured }, true).met).toBeNull();
  });

  it("is the median of its repeats", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it("shows misses and what was left out in the table", () => {
    const table = renderTable({
      quick: false,
      machine: { processor: "P", cores: 2, memoryGiB: 4, platform: "linux x64", node: "20", python: "3.11", torch: "2", cmcr: "0", revision: null, threads: 1 },
      load: { before: 0, after: 0 },
      seconds: 1,
      results: [
        judged("bridge", { ...measurement, unit: "fraction", measured: 0.031, bar: { atMost: 0.02 } }, false),
        judged("startup", { ...measurement, unit: "s", measured: 0.2, bar: { atMost: 0.3 } }, false),
        judged("memory", { ...measurement, unit: "MiB", bar: { atMost: 300 }, note: "left out: no room" }, false),
      ],
    });
    expect(table).toMatch(/bridge +w +3\.10 % +<= 2\.00 % +MISS/);
    expect(table).toMatch(/startup +w +0\.200 s +<= 0\.300 s +pass/);
    expect(table).toMatch(/memory +w +left out +<= 300\.0 MiB$/m);
    expect(table).toContain("w: left out: no room");
  });
});
