import { describe, expect, it } from "vitest";

import { parseExperiment } from "../../../src/config/load.js";
import { failureOf } from "../../helpers/failures.js";

const experiment = (folders: string, path: string): string => `
version: 1
name: folders
${folders}
spaces:
  clip: { provider: precomputed }
  clap: { provider: precomputed }
data:
  captions: { modality: text, embeddings: { clip: ${path}, clap: plain/clap.npy } }
  images: { modality: image, embeddings: { clip: $models/images.npy } }
  sounds: { modality: audio, embeddings: { clap: sounds.npy } }
connect:
  method: cmcr
  overlap: captions
  sides: [ { space: clip, memory: images }, { space: clap, memory: sounds } ]
`;
const BOTH = "folders: { data: ../sets, models: /models }";
const paths = (text: string, set: readonly string[] = []) => {
  const { data } = parseExperiment(text, "/place/mine/experiment.yaml", { set }).experiment;
  return [data["captions"]?.embeddings, data["images"]?.embeddings];
};

const refusal = (text: string) => failureOf(Promise.resolve(text).then((file) => parseExperiment(file, "experiment.yaml")));

describe("paths below named folders", () => {
  it("start from the folder, itself relative to the file, and all others from the file", () => {
    expect(paths(experiment(BOTH, "$data/emb/clip.npy"))).toEqual([
      { clip: "/place/sets/emb/clip.npy", clap: "/place/mine/plain/clap.npy" },
      { clip: "/models/images.npy" },
    ]);
  });

  it("move together", () => {
    const moved = paths(experiment(BOTH, "$data/emb/clip.npy"), ["folders.data=/other", "folders.models=rel"]);
    expect(moved).toEqual([{ clip: "/other/emb/clip.npy", clap: "/place/mine/plain/clap.npy" }, { clip: "/place/mine/rel/images.npy" }]);
  });

  it("leave a dollar that begins no name alone", () => {
    expect(paths(experiment(BOTH, "$data-set.npy"))[0]).toMatchObject({ clip: "/place/mine/$data-set.npy" });
    expect(paths(experiment(BOTH, "a/$data/x.npy"))[0]).toMatchObject({ clip: "/place/mine/a/$data/x.npy" });
  });

  it("leave a folder over that nothing uses, which is said with the one that is meant", () => {
    const { warnings } = parseExperiment(experiment("folders: { data: ../sets, models: /models, dat: /other, spare: /spare }", "$data/clip.npy"), "experiment.yaml");
    expect(warnings).toEqual(['folders.dat: nothing uses it. Did you mean "data"?', "folders.spare: nothing uses it"]);
    const set = parseExperiment(experiment(BOTH, "$data/clip.npy"), "experiment.yaml", { set: ["folders.dta=/other"] });
    expect(set.warnings).toContain('folders.dta: nothing uses it. Did you mean "data"?');
    expect(parseExperiment(experiment(BOTH, "$data/clip.npy"), "experiment.yaml").warnings).toEqual([]);
  });

  it("say how to move what is missing below them, a line for each", () => {
    const { folders } = parseExperiment(experiment(BOTH, "$data/coco/clip.npy"), "/place/mine/experiment.yaml");
    const set = "$data is folders.data (/place/sets); move it with --set folders.data=DIR.";
    const more = " `cmcr data list` says where the paper's data sets come from, `cmcr data prepare NAME --root DIR` brings them into place.";
    const missing = ["/place/sets/coco/clip.npy", "/place/sets/coco", "/models/images.npy", "/place/mine/sounds.npy", "/place/sets-2/x.npy"];
    expect(folders.remedies(missing, ["coco"])).toEqual([set + more, "$models is folders.models (/models); move it with --set folders.models=DIR."]);
    expect(folders.remedies(missing.slice(0, 1), ["ave"])).toEqual([set]);
    expect(folders.remedies(missing.slice(3), ["coco"])).toEqual([]);
  });

  it("are mistakes where the file has no such folder", async () => {
    const error = await refusal(experiment(BOTH, "$dat/emb/clip.npy"));
    expect(error.code).toBe(2);
    expect(error.message).toContain(`experiment.yaml:9:51 data.captions.embeddings.clip: expected a folder of folders ($data, $models), found "$dat/emb/clip.npy"`);
    expect(error.message).toContain(`Did you mean "data"?`);
    const none = await refusal(experiment("folders: {}", "plain.npy"));
    expect(none.message).toContain("expected folders.models, which paths that begin with $models/ lie below");
  });
});
