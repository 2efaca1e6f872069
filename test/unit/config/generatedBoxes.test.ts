import { describe, expect, it } from "vitest";

import { GENERATORS } from "../../../src/config/sources/builtin.js";
import { change, compile, refusal } from "./samples.js";

const DUETS = `version: 1
name: duets
spaces: { sight: { provider: builtin, model: scenes-image-text }, hearing: { provider: builtin, model: scenes-audio-text } }
data:
  captions: { modality: text, source: { type: builtin, generator: scenes, split: captions, count: 10 } }
  images: { modality: image, source: { type: builtin, generator: scenes, split: images, count: 10 } }
  sounds: { modality: audio, source: { type: builtin, generator: scenes, split: sounds, count: 10 } }
  duet_images: { modality: image, source: { type: builtin, generator: scenes, split: duets }, boxes: { attribute: boxes } }
  duet_sounds: { modality: audio, source: { type: builtin, generator: scenes, split: duets } }
connect: { method: cmcr, overlap: captions, sides: [{ space: sight, memory: images }, { space: hearing, memory: sounds }] }
evaluate:
  - { name: where, task: localization, query: { data: duet_sounds, space: hearing }, image: { data: duet_images, space: sight } }
`;
const SOURCE = "split: duets }, boxes";

describe("boxes of a built-in world", () => {
  it("are those of a split that has them", () => {
    for (const split of GENERATORS.scenes.withBoxes) {
      expect(GENERATORS.scenes.splits[split]).toBe(1000);
      expect(compile(change(DUETS, SOURCE, `split: ${split} }, boxes`)).data.duet_images).toMatchObject({
        source: { split, count: 1000 },
        boxes: { kind: "attribute", attribute: "boxes" },
      });
    }
  });

  it("are refused before anything runs where the split has none", () => {
    const without = refusal(change(DUETS, SOURCE, "split: test }, boxes"));
    expect(without).toMatchObject({ code: 2, reason: "IMPOSSIBLE_VALUE", path: "data.duet_images.boxes" });
    expect(without.message).toContain("or a split that has boxes (duets, mismatched, duets-validation, mismatched-validation)");
    expect(without.message).toContain("found the items of scenes's split test, which have none");
    const things = refusal(change(DUETS, "generator: scenes, split: duets }, boxes", "generator: things, split: test }, boxes"));
    expect(things).toMatchObject({ code: 2, reason: "IMPOSSIBLE_VALUE", path: "data.duet_images.boxes" });
    expect(things.message).not.toContain("or a split");
  });

  it("are not asked for of a split that there is not", () => {
    const unknown = refusal(change(DUETS, SOURCE, "split: duet }, boxes"));
    expect(unknown).toMatchObject({ reason: "UNKNOWN_NAME", path: "data.duet_images.source.split" });
    expect(unknown.details).toHaveLength(1);
  });
});
