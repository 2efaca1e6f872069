import { describe, expect, it } from "vitest";

import { change, compile, DIGITS, MINIMAL, refusal } from "./samples.js";

describe("seeds", () => {
  it.each([
    ["none", "", 0, [0]],
    ["one", "seed: 7\n", 7, [7]],
    ["several", "seeds: [3, 1, 2]\n", 3, [3, 1, 2]],
  ])("of a file with %s", (_what, line, seed, seeds) => {
    expect(compile(MINIMAL + line)).toMatchObject({ seed, seeds });
  });

  it("are no matter of the intervals' draws, so that runs pair", () => {
    const draws = (text: string) => compile(text).evaluate.map(({ bootstrap }) => bootstrap);
    expect(draws(change(DIGITS, "seed: 0", "seed: 7"))).toEqual(draws(DIGITS));
    expect(draws(DIGITS)[0]).toEqual({ resamples: 1000, seed: 0 });
  });

  it.each([
    ["beside a seed", "seed: 0\nseeds: [0, 1, 2]", "digits.yaml:4:8 seeds: expected either seed or seeds, found both. Leave seed out: the first of the seeds takes its place."],
    ["given twice", "seeds: [0, 1, 0]", "digits.yaml:3:8 seeds: expected each seed once"],
    ["that are none", "seeds: []", "digits.yaml:3:8 seeds: expected"],
    ["that are no list", "seeds: 3", "digits.yaml:3:8 seeds: expected"],
  ])("%s are a mistake", (_what, to, message) => {
    const error = refusal(change(DIGITS, "seed: 0", to));
    expect(error).toMatchObject({ path: "seeds", code: 2 });
    expect(error.message).toContain(message);
  });

  it("cannot be several where projectors are imported", () => {
    const text = `version: 1
name: theirs
seeds: [0, 1]
spaces: { clip: { provider: precomputed }, clap: { provider: precomputed } }
data: {}
connect: { method: imported, preset: audio-visual, file: theirs.pt, sides: [{ space: clip }, { space: clap }] }
`;
    expect(refusal(text).message).toContain("seeds: expected one seed, as imported projectors are the same with each, found 2 seeds");
  });
});
