import { describe, expect, it } from "vitest";

import { importPresets } from "../../../src/config/importPresets.js";
import { parseExperiment } from "../../../src/config/load.js";
import { namedFiles } from "../../../src/config/namedFiles.js";
import { describePlan } from "../../../src/config/planDescription.js";
import { failureOf } from "../../helpers/failures.js";

const TEXT = `version: 1
name: authors
spaces: { clip: { provider: precomputed }, clap: { provider: precomputed } }
data:
  images: { modality: image, embeddings: { clip: i.npy } }
  sounds: { modality: audio, embeddings: { clap: s.npy } }
connect: { method: imported, preset: audio-visual, file: weights/clap_clip.pt, sides: [{ space: clip }, { space: clap }] }
evaluate:
  - { name: t, task: retrieval, query: { data: sounds, space: clap }, gallery: { data: images, space: clip }, relevance: rows }
`;

const parse = (text: string) => parseExperiment(text, "authors.yaml", { folder: "/data" });

describe("a file that imports projectors", () => {
  it("needs no overlap and no memories, and compares with chance", () => {
    const { experiment } = parse(TEXT);
    expect(experiment.connect).toEqual({
      method: "imported",
      preset: "audio-visual",
      file: "/data/weights/clap_clip.pt",
      sides: [
        { space: "clip", embeds: ["text", "image"] },
        { space: "clap", embeds: ["audio"] },
      ],
    });
    expect(experiment.evaluate[0]?.baselines.map(({ name }) => name)).toEqual(["chance"]);
    expect(namedFiles(experiment).map(({ path }) => path)).toContain("/data/weights/clap_clip.pt");
    const plan = describePlan(experiment, { rows: new Map(), dimensions: new Map() });
    expect(plan).toContain("connect     imported: the audio-visual projectors of clip (text, image) and clap (audio) in /data/weights/clap_clip.pt");
  });

  it.each([
    ["one space twice", TEXT.replace("{ space: clap }]", "{ space: clip }]"), "connect.sides.1.space: expected another space than the first side's"],
    ["an unknown space", TEXT.replace("{ space: clap }]", "{ space: clop }]"), 'connect.sides.1.space: expected the name of a space under spaces, found "clop"'],
    ["an unknown preset", TEXT.replace("audio-visual", "audiovisual"), "connect.preset: expected one of audio-visual, three-d"],
    ["an overlap", TEXT.replace("method: imported,", "method: imported, overlap: images,"), "overlap"],
    ["a baseline that is fitted", TEXT.replace("relevance: rows", "relevance: rows, baselines: [ridge]"), "evaluate.0.baselines.0: expected chance alone, as baselines are fitted on an overlap and memories"],
  ])("refuses %s", async (_what, text, said) => {
    const error = await failureOf(Promise.resolve().then(() => parse(text)));
    expect(error).toMatchObject({ code: 2 });
    expect(error.message).toContain(said);
  });

  it("knows each preset's two spaces and files", () => {
    for (const name of importPresets.names) {
      const { sides, files } = importPresets.get(name);
      expect(new Set(sides.map(({ space }) => space)).size).toBe(2);
      expect(sides[0].embeds).toEqual(["text", "image"]);
      expect(files.length).toBeGreaterThan(0);
    }
  });
});
