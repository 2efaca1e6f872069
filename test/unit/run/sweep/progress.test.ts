import { describe, expect, it } from "vitest";

import { overallText, runningText } from "../../../../src/cli/reporters/sweepFormat.js";
import { decodersBeside, lanesFor } from "../../../../src/run/sweep/parallel.js";
import { SweepProgress } from "../../../../src/run/sweep/progress.js";

describe("how many variants run at the same time", () => {
  const auto = { requested: "auto", variants: 25, cores: 8, threads: 1, device: "cpu", address: null } as const;

  it.each([
    ["as many as a CPU's cores carry", {}, 8],
    ["fewer where a worker takes several threads", { threads: 3 }, 2],
    ["one where a worker takes all of them, or more", { threads: 16 }, 1],
    ["no more than there are variants", { variants: 3 }, 3],
    ["one on a GPU", { device: "cuda" }, 1],
    ["one on a worker that somebody else has started", { address: "unix:/w.sock" }, 1],
    ["as many as are asked for, on any device", { device: "cuda", requested: 4 }, 4],
    ["as many as are asked for, beyond the cores", { requested: 20 }, 20],
    ["never more than there are variants", { requested: 100 }, 25],
    ["one at least", { variants: 0 }, 1],
  ] as const)("%s", (_what, changes, lanes) => {
    expect(lanesFor({ ...auto, ...changes })).toBe(lanes);
  });

  it("decides how many processes decode beside each", () => {
    expect([decodersBeside({ decoders: null }, 8, 3), decodersBeside({ decoders: null }, 2, 4), decodersBeside({ decoders: 5 }, 8, 4)]).toEqual([2, 1, 5]);
  });
});

describe("the progress of a sweep", () => {
  const variant = (name: string, status: "running" | "complete" | "failed", done: number, seconds: number | null = null) => ({ event: "variant", variant: name, status, done, total: 5, seconds }) as const;

  it("counts what is done, and tells what runs, how fast, and what is left", () => {
    const progress = new SweepProgress();
    progress.hear({ event: "sweep", sweep: "s", folder: "/s", variants: 5, finished: 1 });
    expect(overallText(progress.overall)).toBe("1/5 variants");
    progress.hear({ event: "lanes", lanes: 2, device: "cpu" });
    progress.hear(variant("a", "running", 1));
    progress.hear(variant("b", "running", 1));
    progress.hear({ event: "stage", stage: "connect", outputs: 1, variant: "a" });
    progress.hear({ event: "progress", variant: "a", stage: "connect", output: "projectors", done: 3, total: 9, unit: "steps", rate: 1, secondsLeft: 6, note: "loss 1.2" });
    expect(progress.overall.running.map(runningText)).toEqual(["a: connect projectors 3/9 steps, loss 1.2", "b: starting"]);
    progress.hear(variant("a", "complete", 2, 60));
    progress.hear(variant("c", "running", 2));
    expect(progress.overall).toMatchObject({ done: 2, total: 5, perHour: 120, secondsLeft: 120 });
    expect(overallText(progress.overall)).toBe("2/5 variants, 120 an hour, 2:00 left");
    progress.hear(variant("b", "failed", 3, 1));
    expect(overallText(progress.overall)).toBe("3/5 variants, 1 failed, 120 an hour, 60 s left");
    expect(progress.overall.running.map(({ name }) => name)).toEqual(["c"]);
  });

  it("goes by what variants took lately, as the first one makes what all share", () => {
    const progress = new SweepProgress();
    progress.hear({ event: "sweep", sweep: "s", folder: "/s", variants: 20, finished: 0 });
    progress.hear({ ...variant("a", "complete", 1, 1000), total: 20 });
    for (let done = 2; done <= 10; done += 1) progress.hear({ ...variant(`v${done}`, "complete", done, 10), total: 20 });
    expect(progress.overall).toMatchObject({ perHour: 360, secondsLeft: 100 });
  });

  it("forgets events of variants that do not run", () => {
    const progress = new SweepProgress();
    progress.hear({ event: "stage", stage: "connect", outputs: 1, variant: "gone" });
    expect(progress.overall.running).toEqual([]);
  });
});
