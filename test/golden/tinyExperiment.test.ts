import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { setupPaths } from "../../src/setup/paths.js";
import { run, Workplace } from "../e2e/support/cli.js";
import { manifestOf, metricsOf, type Estimates, type Metrics } from "../e2e/support/runFolder.js";
import { writeExperiment, writeWorld } from "../e2e/support/world.js";

/**
 * The metrics of one small experiment, as they were when they were recorded. Whatever
 * changes them is either a mistake, or is meant to: then record them anew with
 * `CMCR_RECORD_GOLDEN=1 npx vitest run test/golden`, and say why in the commit.
 */
const GOLDEN = fileURLToPath(new URL("tinyExperiment.json", import.meta.url));
/** Other hardware or another torch may round otherwise: 4 of 200 queries. */
const TOLERANCE = 0.02;
const RANK_TOLERANCE = 1;

/** What decides how sums are rounded. */
interface Machine {
  readonly torch: string;
  readonly cpuCapability: string;
  readonly cpu: string;
}

interface Golden {
  readonly machine: Machine;
  readonly tasks: Metrics["tasks"];
}

const place = new Workplace();
let measured: Golden;

async function cpuCapability(): Promise<string> {
  const { stdout } = await execa(setupPaths().python, ["-c", "import torch; print(torch.backends.cpu.get_cpu_capability())"]);
  return stdout.trim();
}

/** What is compared: values and intervals, method by method. */
function numbers(tasks: Metrics["tasks"]): Readonly<Record<string, number>> {
  const flat: Record<string, number> = {};
  const add = (prefix: string, methods: Readonly<Record<string, Estimates>>): void => {
    for (const [method, estimates] of Object.entries(methods)) {
      for (const [metric, { value, ci95 }] of Object.entries(estimates)) {
        flat[`${prefix} ${method} ${metric}`] = value;
        flat[`${prefix} ${method} ${metric} lower`] = ci95[0];
        flat[`${prefix} ${method} ${metric} upper`] = ci95[1];
      }
    }
  };
  for (const { name, results, reverse } of tasks) {
    add(name, results);
    add(`${name} reverse`, reverse ?? {});
  }
  return flat;
}

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  const folder = await run([writeExperiment(place.path), "--out", place.file("runs")], { env: place.env });
  const { worker } = manifestOf(folder);
  const machine = { torch: String(worker["torchVersion"]), cpuCapability: await cpuCapability(), cpu: String(worker["deviceName"]) };
  const tasks = metricsOf(folder).tasks.map(({ name, task, queries, gallery, results, reverse }) => ({ name, task, queries, gallery, results, ...(reverse === undefined ? {} : { reverse }) }));
  measured = { machine, tasks };
  if (process.env["CMCR_RECORD_GOLDEN"] === "1") writeFileSync(GOLDEN, `${JSON.stringify(measured, null, 1)}\n`);
});
afterAll(() => {
  place.remove();
});

describe("the metrics of a small experiment", () => {
  it("are recorded", () => {
    expect(existsSync(GOLDEN), "record them: CMCR_RECORD_GOLDEN=1 npx vitest run test/golden").toBe(true);
  });

  it("are those that were recorded: exactly on such a machine, else nearly", () => {
    const golden = JSON.parse(readFileSync(GOLDEN, "utf8")) as Golden;
    const [expected, found] = [numbers(golden.tasks), numbers(measured.tasks)];
    expect(Object.keys(found)).toEqual(Object.keys(expected));
    expect(Object.keys(found).length).toBeGreaterThan(100);
    const same = JSON.stringify(golden.machine) === JSON.stringify(measured.machine);
    if (same) expect(found).toEqual(expected);
    for (const [name, value] of Object.entries(found)) {
      const tolerance = same ? 0 : name.includes("medianRank") ? RANK_TOLERANCE : TOLERANCE;
      expect(Math.abs(value - (expected[name] ?? NaN)), name).toBeLessThanOrEqual(tolerance);
    }
  });

  it("count what was recorded", () => {
    const golden = JSON.parse(readFileSync(GOLDEN, "utf8")) as Golden;
    const counts = (tasks: Metrics["tasks"]) => tasks.map(({ name, task, queries, gallery }) => ({ name, task, queries, gallery }));
    expect(counts(measured.tasks)).toEqual(counts(golden.tasks));
  });
});
