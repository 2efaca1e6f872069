import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { parseExperiment } from "../../../src/config/load.js";
import { type EncoderSettings, importedExperiment } from "../../../src/run/importedExperiment.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const FILES = [{ name: "heads.pt", path: "/weights/heads.pt", bytes: 3, sha256: "abc" }];

function importing(preset: string, settings: Partial<EncoderSettings> = {}, file = "/weights/heads.pt", name = "authors") {
  return importedExperiment({ set: [], ...settings }, { preset, file, files: FILES, folder: `/runs/${name}`, name });
}

describe("the experiment file of imported projectors", () => {
  it("names the authors' encoders where nothing else is said", async () => {
    const audioVisual = await importing("audio-visual");
    expect(audioVisual.parsed.experiment.spaces).toMatchObject({
      clip: { provider: "huggingface-clip", model: "openai/clip-vit-base-patch32", checkpoint: null },
      clap: { provider: "laion-clap", model: "630k-fusion-best", checkpoint: null, options: { tokenizer: "none" } },
    });
    // Its weights are not on the hub.
    expect((await importing("three-d")).parsed.experiment.spaces["ulip"]).toEqual({ name: "ulip", provider: "precomputed" });
    expect(Object.keys((await importing("freebind")).parsed.experiment.spaces)).toEqual(["base", "expert"]);
  });

  it("takes local weights in their place, each by its own provider", async () => {
    const folder = temporaryFolder();
    const [clip, file, ulip] = [join(folder, "clip"), join(folder, "clap.pt"), join(folder, "ulip.pt")];
    mkdirSync(clip);
    writeFileSync(file, "");
    writeFileSync(ulip, "");
    const spaces = async (preset: string, settings: Partial<EncoderSettings>) => (await importing(preset, settings)).parsed.experiment.spaces;
    expect(await spaces("audio-visual", { clipCheckpoint: clip, clapCheckpoint: file })).toMatchObject({
      clip: { provider: "huggingface-clip", model: "", checkpoint: clip },
      clap: { provider: "laion-clap", checkpoint: file, options: { tokenizer: "none" } },
    });
    expect(await spaces("ex-mcr-audio", { clapCheckpoint: clip })).toMatchObject({ clap: { provider: "huggingface-clap", checkpoint: clip } });
    expect(await spaces("ex-mcr-3d", { ulipCheckpoint: ulip })).toMatchObject({ ulip: { provider: "ulip", checkpoint: ulip } });
    expect(await failureOf(importing("three-d", { clapCheckpoint: file }))).toMatchObject({ code: 2, path: "--clap-checkpoint" });
    expect(await failureOf(importing("three-d", { ulipCheckpoint: join(folder, "none.pt") }))).toMatchObject({ code: 3, path: "--ulip-checkpoint" });
  });

  it("is a file that compiles to the same, wherever the command was given", async () => {
    const { text, parsed } = await importing("audio-visual", { set: ["spaces.clap={provider: precomputed}", "worker.device=cpu"] });
    expect(text).toContain("# The projectors of C-MCR of CLIP and CLAP, imported from /weights/heads.pt\n#   heads.pt  sha256 abc\n");
    expect(parseExperiment(text, "copy.yaml", { folder: "/elsewhere" }).experiment).toEqual(parsed.experiment);
    expect(parsed.experiment.worker.device).toBe("cpu");
    expect(parsed.experiment.spaces["clap"]).toEqual({ name: "clap", provider: "precomputed" });
  });

  it("keeps what is odd in names out of its own form", async () => {
    const { text, parsed } = await importing("three-d", {}, "/weights/a\nname: evil #'\".pt", "my run!");
    expect(parsed.experiment.name).toBe("imported-three-d");
    expect(parsed.experiment.connect).toMatchObject({ file: "/weights/a\nname: evil #'\".pt" });
    expect(text.split("\n")[0]).toContain("/weights/a name: evil");
  });

  it.each([
    ["data.x={modality: text}", "an import changes spaces and worker alone"],
    ["connect.preset=three-d", "an import changes spaces and worker alone"],
    ["spaces.clip={provider: huggingface-clip, checkpoint: models/clip}", "give absolute paths"],
    ["spaces.clip.provider=clipp", "spaces.clip.provider"],
    ["spaces.clap", "expected path.to.field=value"],
  ])("refuses --set %s", async (set, said) => {
    const error = await failureOf(importing("audio-visual", { set: [set] }));
    expect(error.code).toBe(2);
    expect(error.message).toContain(said);
  });

  it("has a guide that names every preset", async () => {
    const { importPresets } = await import("../../../src/config/importPresets.js");
    const guide = readFileSync("docs/checkpoints.md", "utf8");
    for (const name of importPresets.names) {
      expect(guide).toContain(`\`${name}\``);
      for (const file of importPresets.get(name).files.slice(0, 1)) expect(guide).toContain(file.replace(/^.*\//, ""));
    }
  });
});
