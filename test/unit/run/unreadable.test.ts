import { expect, it } from "vitest";

import { EXIT } from "../../../src/errors.js";
import { notFinite } from "../../../src/run/unreadable.js";

const item = (number: number, reason: string) => ({ item: number, id: `${number}.png`, file: `/photos/${number}.png`, reason, message: "its embedding is not finite" });
const context = (dtype: string) => ({
  output: "photos in clip",
  count: 60,
  unit: "images",
  list: "/run/skipped.jsonl",
  encoder: { provider: "huggingface-clip", model: "", checkpoint: "/models/clip", options: { dtype } },
});

it("blames the encoder where all items fail for values that are not finite, and exits with 5", () => {
  const error = notFinite([item(3, "NON_FINITE"), item(4, "NON_FINITE")], context("float32"));
  expect(error).toMatchObject({ code: EXIT.numerics, reason: "NON_FINITE", path: "/photos/3.png" });
  expect(error?.message).toBe(
    "photos in clip: the encoder huggingface-clip /models/clip gives values that are not finite, or zeros alone, for 2 of 60 images, of which the first one is 3.png. " +
      "The items can be read. The cause is its weights, damaged or not finite themselves, or an element type that overflows, as float16 does: try float32 or bfloat16. The list is /run/skipped.jsonl.",
  );
  expect(notFinite([item(3, "NON_FINITE")], context("float16"))?.message).toContain("or the element type float16, which overflows: try float32 or bfloat16");
});

it("blames the items where one of them fails for another reason, and nobody where none fails", () => {
  expect(notFinite([item(3, "NON_FINITE"), item(4, "DATA_CORRUPT")], context("float32"))).toBeNull();
  expect(notFinite([], context("float32"))).toBeNull();
});
