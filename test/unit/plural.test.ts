import { expect, it } from "vitest";

import { itemsOfModality, plural, pluralOfModality } from "../../src/plural.js";

it("counts one of a thing, and several", () => {
  expect([plural(1, "file"), plural(0, "file"), plural(2, "class", "classes")]).toEqual(["1 file", "0 files", "2 classes"]);
  expect([pluralOfModality(1, "audio"), pluralOfModality(2, "audio"), pluralOfModality(1, "image")]).toEqual(["1 sound", "2 sounds", "1 image"]);
  expect([itemsOfModality("audio"), itemsOfModality("pointcloud"), itemsOfModality("text")]).toEqual(["sounds", "point clouds", "texts"]);
});
