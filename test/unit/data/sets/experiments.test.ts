import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

import { parseExperiment } from "../../../../src/config/load.js";
import { openSource } from "../../../../src/data/sources/registry.js";
import type { SourceItem } from "../../../../src/data/sources/items.js";
import { writeSmallCopies } from "../../../e2e/support/smallCopies.js";
import { ROOT } from "../../../helpers/built.js";
import { temporaryFolder } from "../../../helpers/temporaryFolder.js";

/** The items of each collection of an experiment of the paper, read from small copies, and what was odd. */
async function readAll(file: string, set: readonly string[] = []) {
  const data = temporaryFolder();
  writeSmallCopies(data);
  const path = join(ROOT, "experiments", "paper", file);
  const { experiment } = parseExperiment(readFileSync(path, "utf8"), path, { set: [`folders.data=${data}`, ...set] });
  const collections: Record<string, readonly SourceItem[]> = {};
  const odd: string[] = [];
  for (const [name, { source, modality }] of Object.entries(experiment.data)) {
    // Clouds of Objaverse are no data set of this list.
    if (source === null || source.type === "builtin" || name === "clouds") continue;
    const opened = await openSource(source, { modality, place: name, signal: undefined });
    const items: SourceItem[] = [];
    for await (const item of opened.scan(({ reason }) => odd.push(`${name} ${reason}`))) items.push(item);
    collections[name] = items;
  }
  return { collections, odd };
}

it("the audio-visual experiment of the paper reads each data set from the layout that is prepared and verified", async () => {
  const { collections, odd } = await readAll("audio-visual.yaml");
  const counts = Object.fromEntries(Object.entries(collections).map(([name, items]) => [name, items.length]));
  expect(counts).toMatchObject({ images: 12, sounds: 12, ave_images: 4, ave_sounds: 4, flickr_images: 12, vggss_images: 12, music_sounds: 12, vggss_plus_images: 24, flickr_plus_sounds: 24 });
  // COCO 61, CC3M 12, MSR-VTT 20 of each of its 9 training videos, AudioCaps 12, Clotho 5 of each of 12.
  expect(counts["captions"]).toBe(61 + 12 + 180 + 12 + 60);
  expect(odd.filter((reason) => /MISSING_FILE|NO_FILE_NAME|EMPTY/.test(reason))).toEqual([]);
  // What verify calls known is what the sources cut and keep.
  expect(odd).toContain("vggss_images DEGENERATE_BOX");
  expect(odd).toContain("vggss_images CLIPPED_BOX");
});

it("the 3D experiment reads ModelNet40 and its prompts", async () => {
  const { collections, odd } = await readAll("three-d.yaml");
  expect(collections["test_clouds"]).toHaveLength(12);
  expect(collections["prompts"]).toHaveLength(40 * 64);
  const classes = new Set(collections["prompts"]?.map(({ attributes }) => attributes?.["class"]));
  for (const { attributes } of collections["test_clouds"] ?? []) expect(classes).toContain(attributes?.["class"]);
  expect(odd.filter((reason) => reason.includes("MISSING"))).toEqual([]);
});
