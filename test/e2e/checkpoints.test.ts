import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readNpy, writeNpy } from "../../src/data/npy.js";
import { referenceProjection, tensorsOf, WIDTHS, writeAuthorsFiles } from "./support/authorsFiles.js";
import { cmcr, expectRefusal, jsonLines, run as runExperiment, succeed, Workplace } from "./support/cli.js";
import { manifestOf, metric, metricsOf, projectorsOf, safetensorsHeader, sha256 } from "./support/runFolder.js";
import { change, EXPERIMENT, writeExperiment, writeWorld } from "./support/world.js";

const place = new Workplace();
const { env } = place;
const given = ["clip", "clap", "ulip"].map((space) => [space, `spaces.${space}={provider: precomputed}`] as const);

/** Without encoders: what the hub has is not needed to move weights. */
function importing(file: string, preset: string, out: string, ...more: readonly string[]) {
  const spaces = preset === "three-d" || preset === "ex-mcr-3d" ? ["clip", "ulip"] : preset === "freebind" ? [] : ["clip", "clap"];
  const set = given.flatMap(([space, text]) => (spaces.includes(space) ? ["--set", text] : []));
  return ["import-projectors", place.file("files", file), "--preset", preset, "--out", place.file(out), ...set, ...more];
}

/** Random rows of a space, n of them. */
async function rows(name: string, count: number, dim: number, shift = 0): Promise<string> {
  const path = place.file(`${name}.npy`);
  await writeNpy(path, Float32Array.from({ length: count * dim }, (_, i) => Math.sin(1 + (i + shift) * 12.9898) * 3), [count, dim]);
  return path;
}

async function largestDifference(left: string, right: string): Promise<number> {
  const [a, b] = [await readNpy(left), await readNpy(right)];
  expect(a.shape).toEqual(b.shape);
  return Math.max(...Array.from(a.data as Float32Array, (value, index) => Math.abs(value - Number(b.data[index]))));
}

const nothingHalf = () => {
  expect(readdirSync(place.path).filter((name) => name.includes(".part"))).toEqual([]);
  expect(place.left()).toEqual([]);
};

/** What the imports of C-MCR's two files said. */
const said: Record<string, string> = {};

beforeAll(async () => {
  await writeAuthorsFiles(place.folder("files"));
  for (const [file, preset] of [["clap_clip.pt", "audio-visual"], ["ulip_clip.pt", "three-d"]] as const) {
    said[preset] = (await succeed(importing(file, preset, preset), { env })).stdout;
  }
});
afterAll(() => {
  place.remove();
});

describe("the authors' checkpoints", () => {
  it.each([
    ["clap_clip.pt", "audio-visual", 28, { clip: "Head_B.", clap: "Head_A." }],
    ["ulip_clip.pt", "three-d", 14, { clip: "Head_A.", ulip: "Head_B." }],
  ] as const)("%s: each head to its space, and out again bit for bit", async (file, preset, count, heads) => {
    const run = place.file(preset);
    expect(said[preset]?.split("\n").slice(-2)).toEqual([`${count} tensors, taken over bit for bit`, run]);
    for (const [space, head] of Object.entries(heads)) {
      const source = await rows(`${preset}-${space}`, 20, WIDTHS[space as keyof typeof heads]);
      const [found, expected] = [place.file(`${preset}-${space}-found.npy`), place.file(`${preset}-${space}-expected.npy`)];
      await succeed(["project", run, source, "--space", space, "--out", found], { env });
      await referenceProjection(place.file("files", file), head, source, expected);
      expect(await largestDifference(found, expected)).toBeLessThan(2e-6);
      const least = Math.min(...Array.from((await readNpy(found)).data as Float32Array));
      // The 3D head ends in a ReLU, the other one does not.
      if (preset === "three-d") expect(least).toBeGreaterThanOrEqual(0);
      else expect(least).toBeLessThan(0);
    }
    await succeed(["export", run, "--format", "torch", "--out", place.file(`${preset}-out`)], { env });
    expect(readdirSync(place.file(`${preset}-out`)).sort()).toEqual([file, "projectors.json"].sort());
    const [before, after] = [await tensorsOf(place.file("files", file)), await tensorsOf(place.file(`${preset}-out`, file))];
    expect(before).toHaveLength(count);
    expect(after).toEqual(before);
  });

  it("make a run that says where it is from", () => {
    const run = place.file("three-d");
    const manifest = manifestOf(run) as ReturnType<typeof manifestOf> & { imported: unknown };
    expect(manifest.imported).toEqual({
      preset: "three-d",
      files: [{ name: "ulip_clip.pt", bytes: readFileSync(place.file("files", "ulip_clip.pt")).length, sha256: sha256(place.file("files", "ulip_clip.pt")) }],
      tensors: 14,
      sides: [
        { space: "clip", source: "Head_A.", inputDim: 64, outputDim: 32 },
        { space: "ulip", source: "Head_B.", inputDim: 40, outputDim: 32 },
      ],
    });
    expect(manifest.status).toBe("complete");
    for (const [name, sum] of Object.entries(manifest.files)) expect(sha256(join(run, name))).toBe(sum);
    expect(metricsOf(run).tasks).toEqual([]);
    const { shapes, metadata } = safetensorsHeader(join(run, "projectors.safetensors"));
    expect(Object.keys(shapes)).toHaveLength(14);
    expect(shapes["ulip.net.1.num_batches_tracked"]).toEqual([]);
    expect(JSON.parse(metadata["cmcr"] ?? "")).toMatchObject({ outputDim: 32, sides: [{ space: "clip", preset: "three-d" }, { space: "ulip", preset: "three-d" }] });
  });

  it("can be evaluated with tasks in a copy of their file, when the checkpoint is gone too, and run again from it", async () => {
    const run = place.file("three-d");
    await rows("photos", 30, WIDTHS.clip);
    await rows("clouds", 30, WIDTHS.ulip);
    const tasks = `
data:
  photos: { modality: image, embeddings: { clip: ${place.file("photos.npy")} } }
  clouds: { modality: pointcloud, embeddings: { ulip: ${place.file("clouds.npy")} } }
evaluate:
  - { name: cloud-photo, task: retrieval, query: { data: clouds, space: ulip }, gallery: { data: photos, space: clip }, relevance: rows, bootstrap: { resamples: 50 } }
`;
    const text = readFileSync(join(run, "experiment.yaml"), "utf8").replace("data: {}\n", "").replace("evaluate: []\n", tasks);
    const copy = place.file("copy.yaml");
    writeFileSync(copy, text.replaceAll(place.file("files", "ulip_clip.pt"), place.file("gone.pt")));
    await succeed(["evaluate", run, "--experiment", copy], { env });
    const value = metric(run, "cloud-photo", "mAP");
    expect(value).toBeGreaterThan(0);
    // Nothing is there to fit baselines on but chance.
    expect(Object.keys(metricsOf(run).tasks[0]?.results ?? {})).toEqual(["cmcr", "chance"]);

    expectRefusal(await cmcr(["validate", copy], { env }), 3, "connect.file: expected a readable file or folder, found none", "gone.pt");
    writeFileSync(copy, text);
    const again = await runExperiment([copy, "--out", place.file("runs"), "--name", "again"], { env });
    expect(metric(again, "cloud-photo", "mAP")).toBe(value);
    expect(projectorsOf(again)).toBe(projectorsOf(run));

    writeFileSync(copy, change(text, "relevance: rows", "relevance: rows, baselines: [chance, procrustes]"));
    expectRefusal(await cmcr(["validate", copy], { env }), 2, "evaluate.0.baselines.1: expected chance alone, as baselines are fitted on an overlap and memories");
  });

  it("of Ex-MCR keep the base as it is", async () => {
    const { stdout } = await succeed(importing("ex_clap.pt", "ex-mcr-audio", "ex", "--json"), { env });
    expect(jsonLines(stdout)).toMatchObject([{ event: "imported", tensors: 30, sides: [{ space: "clip", source: "" }, { space: "clap", inputDim: 48, outputDim: 64 }] }]);
    const source = await rows("base", 5, WIDTHS.clip);
    await succeed(["project", place.file("ex"), source, "--space", "clip", "--out", place.file("base-out.npy")], { env });
    const [before, after] = [(await readNpy(source)).data as Float32Array, (await readNpy(place.file("base-out.npy"))).data as Float32Array];
    const norm = Math.hypot(...before.subarray(0, 64));
    for (let i = 0; i < 64; i += 1) expect(after[i]).toBeCloseTo((before[i] ?? 0) / norm, 6);
    await succeed(["export", place.file("ex"), "--format", "torch", "--out", place.file("ex-out")], { env });
    expect(await tensorsOf(place.file("ex-out", "ex_clap.pt"))).toEqual(await tensorsOf(place.file("files", "ex_clap.pt")));
  });

  it("of FreeBind are seven, and out again under their modes", async () => {
    const { stdout } = await succeed(importing("freebind", "freebind", "freebind"), { env });
    expect(stdout).toContain("98 tensors");
    await succeed(["export", place.file("freebind"), "--format", "torch", "--out", place.file("freebind-out")], { env });
    for (const mode of ["mix", "TV"]) {
      expect(await tensorsOf(place.file("freebind-out", mode, "best.pt"))).toEqual(await tensorsOf(place.file("files", "freebind", mode, "best.pt")));
    }
  });

  it.each([
    ["a preset that is none", importing("ulip_clip.pt", "3d", "no"), 2, "--preset: expected one of audio-visual, three-d"],
    ["the other preset", importing("clap_clip.pt", "three-d", "no"), 2, "clap_clip.pt has the layout of C-MCR's CLAP and CLIP", "Give --preset audio-visual."],
    ["the other preset the other way round", importing("ulip_clip.pt", "audio-visual", "no"), 2, "Give --preset three-d."],
    ["a missing file", importing("none.pt", "three-d", "no"), 3, "none.pt is not there"],
    ["a folder", importing("", "three-d", "no"), 3, "is a folder; expected the checkpoint itself, such as ulip_clip.pt"],
    ["a missing tensor", importing("lacking.pt", "three-d", "no"), 3, "lacking.pt lacks the tensor 'Head_B.net.1.running_var'"],
    ["a wrong shape", importing("shape.pt", "three-d", "no"), 3, "shape.pt has 'Head_B.net.0.bias' as float32 of shape (7,)"],
    ["half a file", importing("truncated.pt", "three-d", "no"), 3, "truncated.pt"],
    ["no checkpoint", importing("../text.pt", "three-d", "no"), 3, "text.pt"],
    ["code in the file", importing("code.pt", "three-d", "no"), 3, "code.pt asks for posix.mkdir", "nothing of it was run"],
    ["a folder that is there", importing("ulip_clip.pt", "three-d", "files"), 2, "is there already, and is left as it is"],
    ["a place that is not there", importing("ulip_clip.pt", "three-d", "nowhere/no"), 3, "is not a folder that can be written"],
    ["weights of another space", importing("ulip_clip.pt", "three-d", "no", "--clap-checkpoint", "x"), 2, "--clap-checkpoint: the preset three-d has no space clap"],
    ["weights that are not there", importing("clap_clip.pt", "audio-visual", "no", "--clip-checkpoint", "/none/clip"), 3, "--clip-checkpoint: /none/clip is not there"],
    ["data", importing("ulip_clip.pt", "three-d", "no", "--set", "data.x={modality: text}"), 2, "an import changes spaces and worker alone"],
    ["an unknown provider", importing("ulip_clip.pt", "three-d", "no", "--set", "spaces.clip.provider=clap"), 2, "spaces.clip.provider"],
    ["a relative path", importing("clap_clip.pt", "audio-visual", "no", "--set", "spaces.clip={provider: builtin, model: scenes-image-text, checkpoint: a.safetensors}"), 2, "give absolute paths"],
  ] as const)("refuses %s", async (_what, args, code, ...words) => {
    writeFileSync(place.file("text.pt"), "These are no weights at all.");
    expectRefusal(await cmcr(args, { env }), code, ...words);
    expect(existsSync(place.file("no"))).toBe(false);
    expect(existsSync(place.file("files", "bait"))).toBe(false);
    nothingHalf();
  });
});

describe("export", () => {
  let trained = "";
  let layers = "";
  beforeAll(async () => {
    await writeWorld(place.folder("emb"));
    const quick = change(EXPERIMENT.slice(0, EXPERIMENT.indexOf("evaluate:")), "epochs: 10", "epochs: 1");
    trained = await runExperiment([writeExperiment(place.path, quick), "--out", place.file("runs")], { env });
    const own = change(quick, "{ preset: audio-visual }", "{ layers: [{ linear: 12 }] }");
    layers = await runExperiment([writeExperiment(place.path, own, "own.yaml"), "--out", place.file("runs"), "--name", "own"], { env });
  });

  it("writes a trained run in the authors' layout, which imports to the same projectors", async () => {
    const { stdout } = await succeed(["export", trained, "--format", "torch", "--out", place.file("t"), "--json"], { env });
    expect(jsonLines(stdout)).toEqual([
      { event: "exported", folder: place.file("t"), format: "torch", files: { "clap_clip.pt": sha256(place.file("t", "clap_clip.pt")), "projectors.json": sha256(place.file("t", "projectors.json")) } },
    ]);
    const shapes = new Map((await tensorsOf(place.file("t", "clap_clip.pt"))).map(([name, , shape]) => [name, shape]));
    // Head_A is the sounds', whichever side of the file they are.
    expect([shapes.get("Head_A.net1.0.weight"), shapes.get("Head_B.net1.0.weight")]).toEqual([[32, 16], [48, 24]]);
    const described = JSON.parse(readFileSync(place.file("t", "projectors.json"), "utf8")) as { spaces: unknown };
    expect(described.spaces).toMatchObject([{ space: "sight", tensors: "Head_B." }, { space: "hearing", tensors: "Head_A." }]);

    await succeed(importing("../t/clap_clip.pt", "audio-visual", "back"), { env });
    for (const [space, name] of [["sight", "clip"], ["hearing", "clap"]] as const) {
      const source = place.file("emb", space === "sight" ? "test-images.npy" : "test-sounds.npy");
      await succeed(["project", trained, source, "--space", space, "--out", place.file("one.npy")], { env });
      await succeed(["project", place.file("back"), source, "--space", name, "--out", place.file("other.npy")], { env });
      expect(readFileSync(place.file("one.npy"))).toEqual(readFileSync(place.file("other.npy")));
    }
  });

  it("writes safetensors: the run's own file, and what is in it", async () => {
    await succeed(["export", layers, "--format", "safetensors", "--out", place.file("s")], { env });
    expect(sha256(place.file("s", "projectors.safetensors"))).toBe(projectorsOf(layers));
    const described = JSON.parse(readFileSync(place.file("s", "projectors.json"), "utf8")) as unknown;
    expect(described).toMatchObject({
      jointDimension: 12,
      exportedAs: "safetensors",
      spaces: [
        { space: "sight", preset: "layers", inputDim: 24, layers: [{ kind: "linear", outputs: 12 }], tensors: "sight." },
        { space: "hearing", preset: "layers", inputDim: 16, tensors: "hearing." },
      ],
    });
  });

  it("takes the base that it is told", async () => {
    await succeed(["export", trained, "--format", "torch", "--base", "hearing", "--out", place.file("b")], { env });
    const shapes = new Map((await tensorsOf(place.file("b", "clap_clip.pt"))).map(([name, , shape]) => [name, shape]));
    expect(shapes.get("Head_B.net1.0.weight")).toEqual([32, 16]);
  });

  it.each([
    ["a format that is not there yet", () => [trained, "--format", "onnx"], 2, "onnx cannot be written yet. Formats that can: safetensors, torch."],
    ["another format that is not there yet", () => [trained, "--format", "huggingface"], 2, "Formats that can: safetensors, torch."],
    ["a format that is none", () => [trained, "--format", "pytorch"], 2, 'found "pytorch"'],
    ["layers of one's own in the authors' layout", () => [layers, "--format", "torch"], 2, "Use --format safetensors."],
    ["a base that is no space", () => [trained, "--format", "torch", "--base", "smell"], 2, '--base: the run has no space "smell"'],
    ["a folder that is no run", () => [place.file("files"), "--format", "torch"], 2, "is not a run"],
  ] as const)("refuses %s", async (_what, args, code, words) => {
    expectRefusal(await cmcr(["export", ...args(), "--out", place.file("no")], { env }), code, words);
    expect(existsSync(place.file("no"))).toBe(false);
    nothingHalf();
  });

  it("refuses a folder that is there, and projectors that were changed", async () => {
    expectRefusal(await cmcr(["export", trained, "--format", "torch", "--out", place.file("files")], { env }), 2, "is there already, and is left as it is");
    const path = join(layers, "projectors.safetensors");
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(path, bytes);
    for (const format of ["safetensors", "torch"]) {
      expectRefusal(await cmcr(["export", layers, "--format", format, "--out", place.file("no")], { env }), 3, "does not match the manifest");
    }
  });
});
