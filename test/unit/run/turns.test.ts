import { setTimeout as wait } from "node:timers/promises";

import { describe, expect, it } from "vitest";

import { inOrder, Turns } from "../../../src/run/turns.js";

describe("turns", () => {
  it("let one work at a time, in the order asked, also after one has failed", async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const work = (name: string, fails = false) => async () => {
      seen.push(`${name} begins`);
      await wait(1);
      seen.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    };
    const results = await Promise.allSettled([turns.take(work("a")), turns.take(work("b", true)), turns.take(work("c"))]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });
});

describe("makers in order", () => {
  it("give their results in their order, so many at a time", async () => {
    let under = 0;
    let most = 0;
    const make = (value: number) => async () => {
      under += 1;
      most = Math.max(most, under);
      await wait(5 - value);
      under -= 1;
      return value;
    };
    expect(await inOrder([0, 1, 2, 3, 4].map(make), 2)).toEqual([0, 1, 2, 3, 4]);
    expect(most).toBe(2);
    expect(await inOrder([], 2)).toEqual([]);
  });

  it("end what was begun and begin nothing more when one fails, and name the first that did", async () => {
    const ended: number[] = [];
    const make = (value: number) => async () => {
      await wait(value === 1 ? 1 : 5);
      ended.push(value);
      if (value === 1) throw new Error("no 1");
      return value;
    };
    await expect(inOrder([0, 1, 2, 3].map(make), 2)).rejects.toThrow("no 1");
    expect(ended).toEqual([1, 0]);
  });
});
