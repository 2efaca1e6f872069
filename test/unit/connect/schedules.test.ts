import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { Schedule } from "../../../src/config/compiled.js";
import { evaluateSchedule } from "../../../src/connect/schedules.js";

// Far from denormal numbers, where rounding is as large as the values.
const value = fc.integer({ min: 0, max: 1_000_000 }).map((whole) => whole / 1000);
const steps = fc.integer({ min: 1, max: 5000 });
const kinds = fc.constantFrom("linear" as const, "cosine" as const);

describe("evaluateSchedule, by hand", () => {
  it.each<[Schedule, number, number]>([
    [{ kind: "constant", from: 0.3 }, 7, 0.3],
    [{ kind: "linear", from: 1, to: 0 }, 25, 0.75],
    [{ kind: "linear", from: 0.1, to: 0.5 }, 50, 0.3],
    [{ kind: "cosine", from: 1, to: 0 }, 25, (1 + Math.SQRT1_2) / 2],
    [{ kind: "cosine", from: 2, to: 1 }, 50, 1.5],
    [{ kind: "step", from: 1, factor: 0.1, milestones: [0.5, 0.75] }, 49, 1],
    [{ kind: "step", from: 1, factor: 0.1, milestones: [0.5, 0.75] }, 50, 0.1],
    [{ kind: "step", from: 1, factor: 0.1, milestones: [0.5, 0.75] }, 75, 0.01],
    [{ kind: "warmup-cosine", from: 1, to: 0, warmup: 0.2 }, 0, 0],
    [{ kind: "warmup-cosine", from: 1, to: 0, warmup: 0.2 }, 10, 0.5],
    [{ kind: "warmup-cosine", from: 1, to: 0, warmup: 0.2 }, 20, 1],
    [{ kind: "warmup-cosine", from: 1, to: 0, warmup: 0.2 }, 60, 0.5],
  ])("%j at step %i of 100 is %d", (schedule, step, expected) => {
    expect(evaluateSchedule(schedule, step, 100)).toBeCloseTo(expected, 12);
  });
});

describe("evaluateSchedule, in general", () => {
  it("begins exactly with from and ends exactly with to", () => {
    fc.assert(
      fc.property(kinds, value, value, steps, (kind, from, to, total) => {
        expect(evaluateSchedule({ kind, from, to }, 0, total)).toBe(from);
        expect(evaluateSchedule({ kind, from, to }, total, total)).toBe(to);
      }),
    );
  });

  it("goes one way only, and never beyond its ends", () => {
    fc.assert(
      fc.property(kinds, value, value, fc.integer({ min: 2, max: 60 }), (kind, from, to, total) => {
        const values = Array.from({ length: total + 1 }, (_, step) => evaluateSchedule({ kind, from, to }, step, total));
        const slack = 1e-12 * Math.max(from, to);
        for (let step = 1; step <= total; step++) {
          const rise = values[step] - values[step - 1];
          expect(from <= to ? rise >= -slack : rise <= slack).toBe(true);
          expect(values[step]).toBeGreaterThanOrEqual(Math.min(from, to));
          expect(values[step]).toBeLessThanOrEqual(Math.max(from, to));
        }
      }),
    );
  });

  it("warms up from 0, is highest at the end of the warm-up, and ends with to", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 10, noNaN: true }), fc.double({ min: 0.01, max: 0.9, noNaN: true }), (from, warmup) => {
        const schedule: Schedule = { kind: "warmup-cosine", from, to: from / 10, warmup };
        const values = Array.from({ length: 201 }, (_, step) => evaluateSchedule(schedule, step, 200));
        expect(values[0]).toBe(0);
        expect(values[200]).toBe(from / 10);
        const top = values.indexOf(Math.max(...values));
        expect(Math.abs(top / 200 - warmup)).toBeLessThanOrEqual(1 / 200);
        expect(Math.max(...values)).toBeLessThanOrEqual(from);
      }),
    );
  });

  it("is exact in a training of one step", () => {
    expect(evaluateSchedule({ kind: "cosine", from: 0.25, to: 0 }, 0, 1)).toBe(0.25);
  });
});
