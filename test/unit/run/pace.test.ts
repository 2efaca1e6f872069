import { describe, expect, it } from "vitest";

import { Pace } from "../../../src/run/pace.js";

describe("a pace", () => {
  it("is not known before something is done, then that of the first items, and then that of the later ones", () => {
    let ms = 0;
    const pace = new Pace(() => ms);
    expect(pace.perSecond).toBeNull();
    ms = 20_000;
    pace.reached(0);
    expect(pace.perSecond).toBeNull();
    pace.reached(40);
    expect(pace.perSecond).toBe(2);
    ms = 21_000;
    pace.reached(140);
    expect(pace.perSecond).toBe(100);
    ms = 23_000;
    pace.reached(240);
    expect(pace.perSecond).toBeCloseTo(200 / 3, 10);
  });

  it("is finite where no time has passed", () => {
    const pace = new Pace(() => 5);
    pace.reached(10);
    expect(pace.perSecond).toBe(10_000);
  });
});
