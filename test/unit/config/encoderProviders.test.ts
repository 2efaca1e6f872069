import { describe, expect, it } from "vitest";

import { parseExperiment } from "../../../src/config/load.js";
import { providers } from "../../../src/config/providers/registry.js";
import { change, compile, MINIMAL, refusal } from "./samples.js";

/** The minimal experiment with the space `a` as given, which embeds the texts of `both` and the images of `left`. */
function withSpace(space: string): string {
  return change(MINIMAL, "a: { provider: precomputed }", `a: ${space}`);
}

const HUB = "provider: huggingface-clip, model: openai/clip-vit-base-patch32";

describe("a space of huggingface-clip", () => {
  it("has every setting filled in", () => {
    expect(compile(withSpace(`{ ${HUB} }`)).spaces["a"]).toEqual({
      name: "a",
      provider: "huggingface-clip",
      model: "openai/clip-vit-base-patch32",
      checkpoint: null,
      options: { revision: "main", activation: "configured", dtype: "float32" },
      batchSize: 256,
    });
  });

  it("is a folder beside the experiment file", () => {
    const text = withSpace("{ provider: huggingface-clip, checkpoint: models/clip, activation: quick_gelu, dtype: bfloat16, batchSize: 8 }");
    expect(compile(text).spaces["a"]).toMatchObject({
      model: "",
      checkpoint: "/study/models/clip",
      options: { activation: "quick_gelu", dtype: "bfloat16" },
      batchSize: 8,
    });
  });

  it("is a model of the hub or a folder, and says which is used when both are given", () => {
    expect(refusal(withSpace("{ provider: huggingface-clip }")).message).toBe("digits.yaml:3:14 spaces.a: expected model or checkpoint, found neither. Give model: a hub id such as openai/clip-vit-base-patch32, or checkpoint: a local folder.");
    expect(parseExperiment(withSpace(`{ ${HUB}, checkpoint: clip }`), "x.yaml").warnings).toEqual([
      "spaces.a.model is not used, as spaces.a.checkpoint is given",
    ]);
  });

  it.each([
    ["model: ../clip", "expected a hub id"],
    [`model: a/b, activation: relu`, 'found "relu"'],
    ["model: a/b, dtype: float64", 'found "float64"'],
    ["model: a/b, revision: ''", "expected a branch, a tag or a commit"],
    ["model: a/b, pretrained: openai", "pretrained"],
  ])("refuses %s", (fields, part) => {
    expect(refusal(withSpace(`{ provider: huggingface-clip, ${fields} }`)).message).toContain(part);
  });
});

describe("a space of open-clip", () => {
  it.each([
    ["model: ViT-B-32, pretrained: laion2b_s34b_b79k", "ViT-B-32", null, "laion2b_s34b_b79k"],
    ["model: ViT-B/32, pretrained: openai", "ViT-B/32", null, "openai"],
    ["model: 'hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K'", "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", null, undefined],
    ["model: RN50, checkpoint: epoch_9.pt", "RN50", "/study/epoch_9.pt", undefined],
    ["checkpoint: models/mine", "", "/study/models/mine", undefined],
  ])("takes %s", (fields, model, checkpoint, pretrained) => {
    expect(compile(withSpace(`{ provider: open-clip, ${fields} }`)).spaces["a"]).toEqual({
      name: "a",
      provider: "open-clip",
      model,
      checkpoint,
      options: { ...(pretrained === undefined ? {} : { pretrained }), revision: "main", activation: "configured", dtype: "float32" },
      batchSize: 256,
    });
  });

  it.each([
    ["dtype: float32", "spaces.a: expected model or checkpoint, found neither"],
    ["model: ViT-B-32", "spaces.a: expected pretrained or checkpoint, found neither"],
    ["model: ViT-B-32, pretrained: openai, checkpoint: a.pt", "spaces.a.checkpoint: expected one source of weights, found pretrained as well"],
    ["model: 'hf-hub:a/b', pretrained: openai", "spaces.a.pretrained: expected no pretrained, as hf-hub:a/b has weights of its own"],
    ["model: 'hf-hub:a/b', checkpoint: c", "spaces.a.checkpoint: expected no checkpoint"],
    ["model: 'local-dir:/etc'", "expected an architecture of open_clip such as ViT-B-32, or hf-hub:"],
    ["model: 'hf-hub:a'", "expected an architecture of open_clip"],
    ["model: ViT-B-32, pretrained: a b", "expected a tag"],
  ])("refuses %s", (fields, part) => {
    expect(refusal(withSpace(`{ provider: open-clip, ${fields} }`)).message).toContain(part);
  });
});

describe("a space of huggingface-text", () => {
  const TEXT = MINIMAL.replace("b: right.npy } }", "b: right.npy } }\n  words: { modality: text, source: { type: inline, items: [a] } }");

  it("has every setting filled in, and leaves prefix and length to the model", () => {
    expect(compile(withSpace("{ provider: huggingface-text, model: a/b }")).spaces["a"]).toMatchObject({
      model: "a/b",
      checkpoint: null,
      options: { revision: "main", pooling: "model", dtype: "float32" },
    });
    const set = withSpace('{ provider: huggingface-text, checkpoint: e5, pooling: last, prefix: "query: ", maxLength: 128 }');
    expect(compile(set).spaces["a"]).toMatchObject({ checkpoint: "/study/e5", options: { pooling: "last", prefix: "query: ", maxLength: 128 } });
    const empty = withSpace('{ provider: huggingface-text, checkpoint: e5, prefix: "" }');
    expect(compile(empty).spaces["a"]).toMatchObject({ options: { prefix: "" } });
  });

  it("embeds texts alone", () => {
    const text = change(TEXT, "a: { provider: precomputed }", "a: { provider: huggingface-text, model: a/b }");
    expect(refusal(change(text, "embeddings: { a: left.npy }", "source: { type: folder, path: photos }")).message).toContain("a encodes text");
  });

  it.each([
    ["dtype: float32", "expected model or checkpoint"],
    ["model: a/b, pooling: average", 'found "average"'],
    ["model: a/b, maxLength: 0", "expected a whole number of at least 1"],
    ["model: a/b, prefix: 3", "expected a text"],
  ])("refuses %s", (fields, part) => {
    expect(refusal(withSpace(`{ provider: huggingface-text, ${fields} }`)).message).toContain(part);
  });
});

describe("a space of python", () => {
  it("hands the class its options", () => {
    const text = withSpace("{ provider: python, checkpoint: own.py, model: Mine, options: { width: 3, name: a, wide: true }, dtype: float16 }");
    expect(compile(text).spaces["a"]).toEqual({
      name: "a",
      provider: "python",
      model: "Mine",
      checkpoint: "/study/own.py",
      options: { width: 3, name: "a", wide: true, dtype: "float16" },
      batchSize: 256,
    });
  });

  it("may embed every modality, since only its file says which", () => {
    expect(providers.get("python").encodes({ provider: "python", checkpoint: "a.py", model: "A" })).toEqual(["text", "image", "audio", "pointcloud", "video"]);
  });

  it.each([
    ["model: Mine", "checkpoint"],
    ["checkpoint: own.py", "expected the name of a class"],
    ["checkpoint: own.txt, model: Mine", "expected the path of a .py file"],
    ["checkpoint: own.py, model: a.b", "expected the name of a class"],
    ["checkpoint: own.py, model: A, options: { device: cpu }", "other than device and dtype"],
    ["checkpoint: own.py, model: A, options: { a-b: 1 }", "expected a name of a parameter"],
    ["checkpoint: own.py, model: A, options: { a: [1] }", "expected a number, text or true or false"],
  ])("refuses %s", (fields, part) => {
    expect(refusal(withSpace(`{ provider: python, ${fields} }`)).message).toContain(part);
  });
});
