import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ProgressMeter, type RunEvent } from "../../../src/run/events.js";

type Progress = Extract<RunEvent, { readonly event: "progress" }>;

describe("a progress meter", () => {
  const events: Progress[] = [];
  const meter = (): ProgressMeter =>
    new ProgressMeter(
      (event) => {
        if (event.event === "progress") events.push(event);
      },
      "encode",
      "images in clip",
      "images",
    );
  const last = (): Progress | undefined => events.at(-1);

  beforeEach(() => {
    events.length = 0;
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("tells the rate and the time left", () => {
    const progress = meter();
    vi.advanceTimersByTime(2_000);
    progress.update(50, 200, "loss 1.0");
    expect(events).toEqual([{ event: "progress", stage: "encode", output: "images in clip", done: 50, total: 200, unit: "images", rate: 25, secondsLeft: 6, note: "loss 1.0" }]);
  });

  it("knows neither before anything is done", () => {
    const progress = meter();
    vi.advanceTimersByTime(1_000);
    progress.update(0, 10);
    expect(last()).toMatchObject({ rate: null, secondsLeft: null });
    expect(last()).not.toHaveProperty("note");
  });

  it("knows neither in the moment that it is made", () => {
    meter().update(5, 10);
    expect(last()).toMatchObject({ done: 5, rate: null, secondsLeft: null });
  });

  it("speaks at most five times a second, and always at the end", () => {
    const progress = meter();
    for (let done = 1; done <= 100; done += 1) {
      vi.advanceTimersByTime(10);
      progress.update(done, 100);
    }
    expect(events.map(({ done }) => done)).toEqual([1, 21, 41, 61, 81, 100]);
    expect(last()).toMatchObject({ done: 100, secondsLeft: 0, rate: 100 });
  });
});
