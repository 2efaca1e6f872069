import { describe, expect, it } from "vitest";

import { change, compile, MINIMAL, refusal } from "./samples.js";

/** `MINIMAL` with space b by an encoder, which then makes b's embeddings. */
function withSpace(space: string): string {
  return change(MINIMAL, "b: { provider: precomputed }", `b: ${space}`);
}

const DEFAULTS = {
  dtype: "float32",
  normalize: "none",
  sampling: "first",
  samplingSeed: 0,
  swapYZ: false,
  missingColour: 0.4,
  openClipModel: "ViT-bigG-14",
};

describe("ulip", () => {
  it("takes a checkpoint alone, with clouds as they are", () => {
    expect(compile(withSpace("{ provider: ulip, checkpoint: models/pointbert_ULIP-2.pt }")).spaces.b).toEqual({
      name: "b",
      provider: "ulip",
      model: "",
      checkpoint: "/study/models/pointbert_ULIP-2.pt",
      options: DEFAULTS,
      batchSize: 32,
    });
  });

  it("hands every option on, paths from the file's folder", () => {
    const text = withSpace(
      "{ provider: ulip, model: ULIP2_PointBERT_Colored, checkpoint: p.pt, dtype: float16, normalize: unit-sphere, points: 8192, sampling: random, samplingSeed: 7, swapYZ: true, missingColour: 1, openClipModel: ViT-H-14, openClipCheckpoint: big.bin, batchSize: 4 }",
    );
    expect(compile(text).spaces.b).toMatchObject({
      model: "ULIP2_PointBERT_Colored",
      options: {
        dtype: "float16",
        normalize: "unit-sphere",
        points: 8192,
        sampling: "random",
        samplingSeed: 7,
        swapYZ: true,
        missingColour: 1,
        openClipModel: "ViT-H-14",
        openClipCheckpoint: "/study/big.bin",
      },
      batchSize: 4,
    });
  });

  it("takes all points where the file says so", () => {
    expect(compile(withSpace("{ provider: ulip, checkpoint: p.pt, points: all }")).spaces.b).toMatchObject({ options: DEFAULTS });
  });

  it.each([
    ["{ provider: ulip }", "spaces.b.checkpoint: expected the path of a .pt or .pth or .safetensors file"],
    ["{ provider: ulip, checkpoint: p.pt, model: ULIP_PointBRT }", 'Did you mean "ULIP_PointBERT"?'],
    ["{ provider: ulip, checkpoint: p.pt, points: 100 }", "spaces.b.points: expected all, or a whole number of at least 512"],
    ["{ provider: ulip, checkpoint: p.pt, sampling: last }", "spaces.b.sampling: expected one of first, pointnet2, random"],
    ["{ provider: ulip, checkpoint: p.pt, missingColour: 1.5 }", "spaces.b.missingColour: expected a number from 0 to 1"],
    ["{ provider: ulip, checkpoint: p.pt, normalise: none }", 'Did you mean "normalize"?'],
  ])("refuses %s", (space, message) => {
    expect(refusal(withSpace(space)).message).toContain(message);
  });
});
