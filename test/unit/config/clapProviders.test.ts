import { describe, expect, it } from "vitest";

import { parseExperiment } from "../../../src/config/load.js";
import { DEFAULT_BATCH_SIZE } from "../../../src/config/providers/encoderFields.js";
import { providers } from "../../../src/config/providers/registry.js";
import { change, compile, MINIMAL, refusal } from "./samples.js";

/** `MINIMAL` with space b by an encoder, which then makes b's embeddings. */
function withSpace(space: string): string {
  return change(MINIMAL, "b: { provider: precomputed }", `b: ${space}`);
}

describe("huggingface-clap", () => {
  it("takes a model of the hub, with every option at its default", () => {
    expect(compile(withSpace("{ provider: huggingface-clap, model: laion/clap-htsat-fused }")).spaces.b).toEqual({
      name: "b",
      provider: "huggingface-clap",
      model: "laion/clap-htsat-fused",
      checkpoint: null,
      options: { revision: "main", dtype: "float32", cropSeed: 0 },
      batchSize: DEFAULT_BATCH_SIZE,
    });
  });

  it("takes a folder, relative to the file, and hands options on", () => {
    const text = withSpace("{ provider: huggingface-clap, checkpoint: models/clap, dtype: bfloat16, cropSeed: 7, batchSize: 32 }");
    expect(compile(text).spaces.b).toMatchObject({
      model: "",
      checkpoint: "/study/models/clap",
      options: { revision: "main", dtype: "bfloat16", cropSeed: 7 },
      batchSize: 32,
    });
  });

  it("warns where a model is overridden by a folder, and refuses neither", () => {
    const both = withSpace("{ provider: huggingface-clap, model: laion/clap-htsat-fused, checkpoint: clap }");
    expect(parseExperiment(both, "x.yaml").warnings).toContain("spaces.b.model is not used, as spaces.b.checkpoint is given");
    expect(refusal(withSpace("{ provider: huggingface-clap }")).message).toContain("spaces.b: expected model or checkpoint, found neither");
  });

  it("refuses a seed that is no whole number of at least 0", () => {
    const text = withSpace("{ provider: huggingface-clap, checkpoint: clap, cropSeed: -1 }");
    expect(refusal(text).message).toContain("spaces.b.cropSeed: expected a whole number from 0 to 2^53 - 1");
  });
});

describe("laion-clap", () => {
  it("takes a published checkpoint, with the tokenizer it was trained with", () => {
    expect(compile(withSpace("{ provider: laion-clap, model: 630k-fusion-best }")).spaces.b).toEqual({
      name: "b",
      provider: "laion-clap",
      model: "630k-fusion-best",
      checkpoint: null,
      options: { revision: "main", tokenizer: "roberta-base", dtype: "float32", cropSeed: 0 },
      batchSize: DEFAULT_BATCH_SIZE,
    });
  });

  it.each([
    ["./tokenizers/roberta", "/study/tokenizers/roberta"],
    ["../roberta", "/roberta"],
    ["/models/roberta", "/models/roberta"],
    ["FacebookAI/roberta-base@e2da8e2", "FacebookAI/roberta-base@e2da8e2"],
    ["none", "none"],
  ])("reads the tokenizer %s as %s", (given, expected) => {
    const text = withSpace(`{ provider: laion-clap, checkpoint: clap.pt, tokenizer: "${given}" }`);
    expect(compile(text).spaces.b).toMatchObject({ checkpoint: "/study/clap.pt", options: { tokenizer: expected } });
  });

  it("embeds sounds alone without a tokenizer", () => {
    const encodes = (tokenizer?: string) =>
      providers.get("laion-clap").encodes({ provider: "laion-clap", checkpoint: "clap.pt", ...(tokenizer === undefined ? {} : { tokenizer }) });
    expect(encodes()).toEqual(["audio", "text"]);
    expect(encodes("none")).toEqual(["audio"]);
  });

  it.each([
    ["{ provider: laion-clap }", "spaces.b: expected model or checkpoint, found neither"],
    ["{ provider: laion-clap, model: 630k-fusoin-best }", 'Did you mean "630k-fusion-best"?'],
    ["{ provider: laion-clap, checkpoint: clap.onnx }", "spaces.b.checkpoint: expected the path of a .pt or .pth or .safetensors file"],
    ["{ provider: laion-clap, checkpoint: c.pt, tokenizer: a/b/c }", "spaces.b.tokenizer: expected a hub id such as roberta-base"],
    ["{ provider: laion-clap, checkpoint: c.pt, amodel: HTSAT-base }", 'found "amodel"'],
  ])("refuses %s", (space, message) => {
    expect(refusal(withSpace(space)).message).toContain(message);
  });
});
