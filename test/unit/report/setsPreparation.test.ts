import { describe, expect, it } from "vitest";

import { sets } from "../../../src/data/sets/registry.js";
import { type PreparedText, renderPrepared } from "../../../src/report/setsPreparation.js";

const folder = (name: string, named: number, there: number) => ({ folder: name, named, there });

function lines(name: string, cut: Partial<NonNullable<PreparedText["cut"]>>): readonly string[] {
  const whole = { made: 0, failed: 0, failures: [], withoutVideo: 0, folders: [], ...cut };
  return renderPrepared({ definition: sets.get(name), root: "/sets", cut: whole, unpacked: null, pairs: null, lacking: [] }, Infinity);
}

describe("what a preparation comes to", () => {
  it("does not miss what is optional, unless some of it is there", () => {
    const none = lines("audiocaps", { withoutVideo: 3, folders: [folder("audio/", 3, 0)] });
    expect(none).toEqual(["audio/ has 0 of 3 files (optional)", "nothing is missing; next: cmcr data verify audiocaps --root /sets"]);
    const some = lines("audiocaps", { withoutVideo: 1, folders: [folder("audio/", 3, 2)] });
    expect(some.at(-1)).toBe("still missing: 1 file of audio/; next: put the clips into videos/, then cmcr data prepare audiocaps --root /sets");
  });

  it("names what could not be cut, in place of clips that are there", () => {
    const folders = [folder("frames/", 12, 12), folder("audio/", 12, 11)];
    expect(lines("vgg-ss", { made: 1, failed: 1, failures: ["audio/a.wav"], folders })).toEqual([
      "cut from videos/: 1 file, and 1 could not be",
      "frames/ has 12 of 12 files",
      "audio/ has 11 of 12 files",
      "still missing: 1 file of audio/; next: load the videos again of what could not be cut (audio/a.wav), or leave it out, then cmcr data prepare vgg-ss --root /sets",
    ]);
    const more = lines("vgg-ss", { failed: 5, failures: ["a", "b", "c"], withoutVideo: 2, folders: [folder("audio/", 12, 5)] });
    expect(more.at(-1)).toContain("next: put the other clips into videos/, and load the videos again of what could not be cut (a, b, c and 2 more), or leave it out, then");
  });
});
