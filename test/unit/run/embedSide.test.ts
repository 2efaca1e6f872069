import { describe, expect, it } from "vitest";

import type { CompiledExperiment, Modality } from "../../../src/config/compiled.js";
import { parseExperiment } from "../../../src/config/load.js";
import { sidesFor } from "../../../src/run/embedSide.js";

/** A trained run of two spaces with memories of these modalities; text is the overlap. */
function trained(first: readonly [string, Modality], second: readonly [string, Modality]): CompiledExperiment {
  const side = ([space]: readonly [string, Modality]) => `{ space: ${space}, memory: of-${space} }`;
  const memory = ([space, modality]: readonly [string, Modality]) => `  of-${space}: { modality: ${modality}, embeddings: { ${space}: m.npy } }\n`;
  const [a, b] = [first[0], second[0]];
  return parseExperiment(
    `version: 1\nname: x\nspaces: { ${a}: { provider: precomputed }, ${b}: { provider: precomputed } }\n` +
      `data:\n  captions: { modality: text, embeddings: { ${a}: a.npy, ${b}: b.npy } }\n${memory(first)}${memory(second)}` +
      `connect: { method: cmcr, overlap: captions, sides: [${side(first)}, ${side(second)}] }\n`,
    "x.yaml",
  ).experiment;
}

function imported(preset: string, spaces: readonly [string, string], embeds = ""): CompiledExperiment {
  const [a, b] = spaces;
  return parseExperiment(
    `version: 1\nname: x\nspaces: { ${a}: { provider: precomputed }, ${b}: { provider: precomputed } }\ndata: {}\n` +
      `connect: { method: imported, preset: ${preset}, file: x.pt, sides: [{ space: ${a} }, { space: ${b}${embeds} }] }\n`,
    "x.yaml",
  ).experiment;
}

describe("the side that a modality goes through", () => {
  const clip = ["clip", "image"] as const;
  const clap = ["clap", "audio"] as const;
  const ulip = ["ulip", "pointcloud"] as const;

  it.each([
    ["text through CLIP, not CLAP", trained(clip, clap), "text", ["clip"]],
    ["text through CLIP, whichever side it is", trained(clap, clip), "text", ["clip"]],
    ["sounds through CLAP", trained(clip, clap), "audio", ["clap"]],
    ["images through CLIP, though ULIP embeds them too", trained(ulip, clip), "image", ["clip"]],
    ["point clouds through ULIP", trained(clip, ulip), "pointcloud", ["ulip"]],
    ["text through the first side where no memory holds images", trained(clap, ulip), "text", ["clap"]],
    ["through the first of two sides of one modality", trained(clip, ["other", "image"]), "image", ["clip"]],
    ["a modality that the run does not speak of through any", trained(clap, ulip), "image", ["clap", "ulip"]],
    ["C-MCR's text", imported("audio-visual", ["clip", "clap"]), "text", ["clip"]],
    ["C-MCR's sounds", imported("audio-visual", ["clip", "clap"]), "audio", ["clap"]],
    ["C-MCR's 3D text", imported("three-d", ["clip", "ulip"]), "text", ["clip"]],
    ["C-MCR's 3D images", imported("three-d", ["clip", "ulip"]), "image", ["clip"]],
    ["C-MCR's point clouds, under another name", imported("three-d", ["a", "b"]), "pointcloud", ["b"]],
    ["what the authors have no side for", imported("three-d", ["clip", "ulip"]), "audio", ["clip", "ulip"]],
    ["what the file says", imported("audio-visual", ["clip", "clap"], ", embeds: [audio, video]"), "video", ["clap"]],
  ] as const)("%s", (_what, experiment, modality, spaces) => {
    expect(sidesFor(experiment, modality)).toEqual(spaces);
  });
});
