import { describe, expect, it } from "vitest";

import { EXIT } from "../../../src/errors.js";
import { type EncoderArguments, encoderFromArguments } from "../../../src/run/encoderArguments.js";

const encoder = (given: Partial<EncoderArguments>) => encoderFromArguments({ encoder: "python", model: "Mine", checkpoint: "own.py", option: [], ...given }, (path) => `/here/${path}`);
const refusal = (given: Partial<EncoderArguments>): unknown => {
  try {
    return encoder(given);
  } catch (error) {
    return error;
  }
};

describe("the options of an encoder of one's own", () => {
  it("are given by dotted names, as numbers, texts, true and false", () => {
    const option = ["options.floor=0.1", "options.deep=true", "options.name=a=b", "options.digits='12'", "batchSize=4"];
    expect(encoder({ option })).toMatchObject({ batchSize: 4, options: { floor: 0.1, deep: true, name: "a=b", digits: "12", dtype: "float32" } });
  });

  it.each([
    ["options.device=cpu", "other than device and dtype"],
    ["options.=1", "expected name=value, such as revision=main or options.floor=0.1"],
    ["floor=0.1", "--option floor: expected one of the fields"],
  ])("are refused where they are none: %s", (option, said) => {
    expect(refusal({ option: [option] })).toMatchObject({ code: EXIT.usage, message: expect.stringContaining(said) as string });
  });
});

describe("a model and a checkpoint", () => {
  it("are refused together where the model would be passed over", () => {
    expect(refusal({ encoder: "huggingface-clip", model: "openai/clip-vit-base-patch32", checkpoint: "clip" })).toMatchObject({
      code: EXIT.usage,
      message: "--model is not used, as --checkpoint is given. Leave one of them out.",
    });
  });

  it.each([
    ["open-clip", "RN50", "epoch_9.pt"],
    ["laion-clap", "630k-fusion-best", "630k.pt"],
    ["ulip", "ULIP_PointBERT", "ulip.pt"],
    ["builtin", "scenes-image-text", "a.safetensors"],
  ])("stand together where both say something: %s", (name, model, checkpoint) => {
    expect(encoder({ encoder: name, model, checkpoint })).toMatchObject({ model, checkpoint: `/here/${checkpoint}` });
  });
});
