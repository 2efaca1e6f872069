import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { SweepFolder, type SweepState } from "../../../../src/run/sweep/folder.js";
import { sweepTable } from "../../../../src/run/sweep/table.js";
import { Store } from "../../../../src/store/store.js";
import { failureOf } from "../../../helpers/failures.js";
import { temporaryFolder } from "../../../helpers/temporaryFolder.js";
import { threeVariants } from "./samples.js";

const SWEEP = threeVariants();
const create = (place: string): Promise<SweepFolder> => SweepFolder.create(join(place, "sweeps"), "ablations", SWEEP, "name: ablations\n", join(place, "runs", ".store"));
const state = (folder: SweepFolder): SweepState => JSON.parse(readFileSync(join(folder.path, "state.json"), "utf8")) as SweepState;

describe("a sweep's folder", () => {
  it("has the file as given, all variants as compiled, where each stands, and the store of runs", async () => {
    const place = temporaryFolder();
    const folder = await create(place);
    expect(readFileSync(join(folder.path, "sweep.yaml"), "utf8")).toBe("name: ablations\n");
    expect(state(folder)).toMatchObject({
      status: "running",
      pid: process.pid,
      variants: [
        { name: "full", status: "pending", folder: "runs/full", seconds: null },
        { name: "no completion", status: "pending", folder: "runs/no-completion" },
        { name: "other | test", status: "pending", folder: "runs/other-test" },
      ],
    });
    expect((await Store.open(join(folder.runs, ".store"))).root).toBe(join(place, "runs", ".store"));
    await folder.close();
    const again = await SweepFolder.resume(folder.path);
    expect(again.sweep).toEqual(SWEEP);
    await again.close();
  });

  it("gets a number where there is one of that name", async () => {
    const place = temporaryFolder();
    const folders = [await create(place), await create(place)];
    expect(folders.map(({ name }) => name)).toEqual(["ablations", "ablations-2"]);
    for (const folder of folders) await folder.close();
  });

  it("keeps what several lanes note at the same moment, and forgets why a variant failed once it runs again", async () => {
    const folder = await create(temporaryFolder());
    await Promise.all([folder.setVariant("full", "complete", { seconds: 3 }), folder.setVariant("no completion", "failed", { seconds: 1, error: "no" }), folder.setVariant("other | test", "running")]);
    expect(state(folder).variants.map(({ status, seconds, error }) => [status, seconds, error])).toEqual([
      ["complete", 3, undefined],
      ["failed", 1, "no"],
      ["running", null, undefined],
    ]);
    await folder.setVariant("no completion", "running");
    expect(state(folder).variants[1]).toEqual({ name: "no completion", status: "running", folder: "runs/no-completion", seconds: 1 });
    await folder.close();
  });

  it("is one process's at a time", async () => {
    const folder = await create(temporaryFolder());
    const error = await failureOf(SweepFolder.resume(folder.path));
    expect(error).toMatchObject({ code: 2, reason: "SWEEP_IN_USE" });
    expect(error.message).toContain(`is being run by process ${process.pid}`);
    await folder.close();
    await (await SweepFolder.resume(folder.path)).close();
    expect(readdirSync(folder.path).filter((name) => name.startsWith("claim-"))).toEqual([]);
  });

  it("that was left before it knew where it stands begins anew; one without its variants is none", async () => {
    const folder = await create(temporaryFolder());
    await folder.close();
    rmSync(join(folder.path, "state.json"));
    const again = await SweepFolder.resume(folder.path);
    expect(again.pidBefore).toBeNull();
    expect(again.variants.map(({ status }) => status)).toEqual(["pending", "pending", "pending"]);
    await again.close();
    writeFileSync(join(folder.path, "sweep.resolved.json"), "{");
    expect(await failureOf(SweepFolder.resume(folder.path))).toMatchObject({ code: 3, reason: "CORRUPT" });
    rmSync(join(folder.path, "sweep.resolved.json"));
    const error = await failureOf(SweepFolder.resume(folder.path));
    expect(error).toMatchObject({ code: 2, reason: "NOT_A_SWEEP" });
    expect(error.message).toContain("is not a sweep: it has no sweep.resolved.json");
  });

  it("has the table in three forms", async () => {
    const folder = await create(temporaryFolder());
    const variants = SWEEP.variants.map(({ name, experiment }) => ({ name, experiment, status: "pending", folder: "", changes: {}, seconds: null, result: null }) as const);
    const table = sweepTable({ sweep: "ablations", reference: "full", metrics: SWEEP.metrics, variants });
    await Promise.all([folder.writeTable(table), folder.writeTable({ ...table, sweep: "later" })]);
    expect(JSON.parse(readFileSync(join(folder.path, "table.json"), "utf8"))).toEqual({ ...table, sweep: "later" });
    expect(readFileSync(join(folder.path, "table.md"), "utf8")).toContain("# later (incomplete)");
    expect(readFileSync(join(folder.path, "table.csv"), "utf8").split("\r\n")).toHaveLength(5);
    await folder.close();
  });

  it("that cannot be made is exit 3 and names --out", async () => {
    const place = temporaryFolder();
    writeFileSync(join(place, "sweeps"), "");
    const error = await failureOf(create(place));
    expect(error).toMatchObject({ code: 3, reason: "UNWRITABLE" });
    expect(error.message).toContain("--out");
  });
});
