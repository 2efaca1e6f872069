import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { readNpy, writeNpy } from "../../src/data/npy.js";
import { cmcr, expectRefusal, run, runNames, Workplace } from "./support/cli.js";
import { npyBytes, npyHeader } from "./support/npyBytes.js";
import { startWorker, type SharedWorker } from "./support/sharedWorker.js";
import { COUNTS, writeExperiment, writeWorld } from "./support/world.js";

const place = new Workplace();
const out = place.file("runs");
const { env } = place;
let experiment = "";
let worker: SharedWorker;

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  experiment = writeExperiment(place.path);
  worker = await startWorker(place, `unix:${place.file("worker.sock")}`, [place.path]);
});
afterAll(async () => {
  await worker.stop();
  place.remove();
});

/** Runs the experiment with fields changed. */
function runWith(name: string, ...fields: readonly string[]) {
  return cmcr(["run", experiment, "--out", out, "--name", name, ...worker.use, ...fields.flatMap((field) => ["--set", field])], { env });
}

/** The check of the same, which is the first thing that a run does; it is quicker. */
function validateWith(...fields: readonly string[]) {
  return cmcr(["validate", experiment, ...fields.flatMap((field) => ["--set", field])], { env });
}

/** No folder at all, or one that says it failed and has nothing that only a finished run has. */
function expectNoFinishedRun(name: string): void {
  const folder = join(out, name);
  if (!existsSync(folder)) return;
  for (const file of ["manifest.json", "metrics.json"]) expect(existsSync(join(folder, file)), file).toBe(false);
  expect(JSON.parse(readFileSync(join(folder, "state.json"), "utf8"))).toMatchObject({ status: "failed" });
}

const [rows, dim] = [COUNTS.images, 24];
const zeros = (bytes: number) => Buffer.alloc(bytes);

/** Files that hold no embeddings of the images: what they are, and what is said of them. */
const MALFORMED: readonly (readonly [what: string, bytes: () => Buffer, said: string])[] = [
  ["empty", () => zeros(0), "this is not a .npy file (it is empty"],
  ["a text", () => Buffer.from("0.1, 0.2, 0.3\n"), "this is not a .npy file (it begins with"],
  ["truncated", () => readFileSync(place.file("emb", "images.npy")).subarray(0, 20_000), "the file is truncated: float32 of shape (400, 24) needs 38400 bytes"],
  ["cut within its header", () => readFileSync(place.file("emb", "images.npy")).subarray(0, 40), "the file ends within its header"],
  ["longer than it says", () => Buffer.concat([readFileSync(place.file("emb", "images.npy")), zeros(4)]), "the header and the data do not belong together"],
  ["pickled objects", () => npyBytes(npyHeader("'|O'", [rows]), Buffer.from("\x80\x04cos\nsystem\n.")), "pickled Python objects, which are never loaded"],
  ["a structured array", () => npyBytes(npyHeader("[('a', '<f4')]", [rows]), zeros(rows * 4)), "named fields"],
  ["an array by columns", () => npyBytes(npyHeader("'<f4'", [rows, dim], true), zeros(rows * dim * 4)), "numpy.ascontiguousarray"],
  ["float64", () => npyBytes(npyHeader("'<f8'", [rows, dim]), zeros(rows * dim * 8)), 'expected float16 or float32, found float64. Write it with array.astype("float32")'],
  ["big-endian", () => npyBytes(npyHeader("'>f4'", [rows, dim]), zeros(rows * dim * 4)), "big-endian"],
  ["a row of numbers", () => npyBytes(npyHeader("'<f4'", [rows]), zeros(rows * 4)), "expected embeddings of shape (n, d), one row for each item, found shape (400,)"],
  ["of three dimensions", () => npyBytes(npyHeader("'<f4'", [rows, 4, 6]), zeros(rows * dim * 4)), "found shape (400, 4, 6)"],
  ["without rows", () => npyBytes(npyHeader("'<f4'", [0, dim]), zeros(0)), "found shape (0, 24)"],
  ["of impossible shape", () => npyBytes(npyHeader("'<f4'", [2 ** 40, 2 ** 40]), zeros(64)), "impossibly large"],
  ["of other dimensions", () => npyBytes(npyHeader("'<f4'", [rows, 20]), Buffer.from(new Float32Array(rows * 20).fill(1).buffer)), "expected 24 dimensions"],
];

describe("embeddings that cannot be read are exit 3 before a run begins, with the field, the file and the remedy", () => {
  it.each(MALFORMED.map(([what, bytes, said]) => ({ what, bytes, said })))("$what", async ({ bytes, said }) => {
    writeFileSync(place.file("wrong.npy"), bytes());
    expectRefusal(await validateWith("data.images.embeddings.sight=wrong.npy"), 3, "data.images.embeddings.sight: ", place.file("wrong.npy"), said);
  });

  it.each([
    ["missing", "nowhere.npy", "expected a readable file, found none at"],
    ["a folder", "folder.npy", "expected a file, found something else at"],
  ])("%s", async (_what, name, said) => {
    mkdirSync(place.file("folder.npy"), { recursive: true });
    expectRefusal(await runWith("malformed", `data.images.embeddings.sight=${name}`), 3, "data.images.embeddings.sight: ", said, name);
    expect(runNames(out)).not.toContain("malformed");
  });

  it("with the line that names the file", async () => {
    writeFileSync(place.file("emb", "broken.npy"), "");
    const wrong = writeExperiment(place.path, readFileSync(experiment, "utf8").replace("emb/images.npy", "emb/broken.npy"), "wrong.yaml");
    expectRefusal(await cmcr(["validate", wrong], { env }), 3, "wrong.yaml:12:56 data.images.embeddings.sight: ", "it is empty");
  });

  it("and so are two sides of the overlap with other numbers of rows", async () => {
    expectRefusal(await validateWith("data.captions.embeddings.hearing=emb/sounds.npy"), 3, "data.captions.embeddings.hearing: ", "expected 600 rows, one for each item of captions", "found 400");
  });
});

describe("values that have no direction are exit 3, with file and row", () => {
  it.each([
    ["NaN", 7, NaN, "row 7, column 5 is NaN"],
    ["infinite", 9, -Infinity, "row 9, column 5 is infinite"],
    ["a row of zeros", 11, 0, "row 11 is all zeros"],
  ])("%s", async (_what, row, value, said) => {
    const { data, shape } = await readNpy(place.file("emb", "images.npy"));
    const changed = Float32Array.from(data as Float32Array);
    if (value === 0) changed.fill(0, row * dim, (row + 1) * dim);
    else changed[row * dim + 5] = value;
    await writeNpy(place.file("wrong.npy"), changed, shape);
    expectRefusal(await runWith("worthless", "data.images.embeddings.sight=wrong.npy"), 3, place.file("wrong.npy"), said, "Remove that item or embed it again");
    expectNoFinishedRun("worthless");
  });
});

describe("labels and relevance that do not fit are exit 3", () => {
  const integers = Int32Array.from({ length: COUNTS.test }, (_, row) => row % 10);

  it.each([
    ["too few", () => writeNpy(place.file("labels.npy"), integers.subarray(0, 150), [150]), "expected 200 labels, one for each row of", "found 150"],
    ["no integers", () => writeNpy(place.file("labels.npy"), Float32Array.from(integers), [200]), "expected integer labels, found float32", 'array.astype("int64")'],
    ["of two dimensions", () => writeNpy(place.file("labels.npy"), integers, [200, 1]), "expected labels of shape (n,), found shape (200, 1)", "labels.npy"],
  ] as const)("labels that are %s, before a run begins", async (_what, write, ...said) => {
    await write();
    expectRefusal(await validateWith("data.test_images.labels=labels.npy"), 3, "data.test_images.labels: ", ...said);
  });

  it.each([
    ["beyond 32 bits", BigInt64Array.from(integers, (label) => BigInt(label) + 2n ** 40n), "row 0 has the label 1099511627776, beyond 32 bits"],
    ["that no query has", BigInt64Array.from(integers, (label) => BigInt(label) + 100n), "sound-image: no query has a relevant item in the gallery"],
  ])("labels %s", async (_what, labels, said) => {
    await writeNpy(place.file("labels.npy"), labels, [200]);
    expectRefusal(await runWith("mislabelled", "data.test_images.labels=labels.npy"), 3, said);
    expectNoFinishedRun("mislabelled");
  });

  it.each([
    ["is no JSON", "[[0], [1", "relevance.json is not JSON"],
    ["is no list", '{"0": [1]}', "relevance is a list that holds, for each query, a list of relevant columns"],
    ["has too few rows", "[[0], [1]]", "relevance has 2 rows, and there are 200 queries"],
    ["names a column that is not there", JSON.stringify(Array.from({ length: 200 }, () => [200])), "row 0 names column 200; columns are integers from 0 to 199"],
  ])("a relevance file that %s", async (_what, text, said) => {
    writeFileSync(place.file("relevance.json"), text);
    expectRefusal(await runWith("irrelevant", "evaluate.0.relevance=relevance.json"), 3, place.file("relevance.json"), said);
    expectNoFinishedRun("irrelevant");
  });
});

describe("numbers that leave their range are exit 5, with the step", () => {
  it.each(["1e30", "1000"])("a learning rate of %s", async (rate) => {
    const outcome = await runWith("diverged", `connect.optimizer.lr=${rate}`);
    expectRefusal(outcome, 5, /(loss|gradient norm of \w+) is not finite \((nan|inf)\) at step \d+/, "Lower the learning rate");
    expectNoFinishedRun("diverged");
    expect(existsSync(join(out, "diverged", "projectors.safetensors"))).toBe(false);
  });

  it("and the worker serves on", async () => {
    expect(await run([experiment, "--out", out, "--name", "after", ...worker.use], { env })).toBe(join(out, "after"));
  });
});

describe("a worker that is not there is exit 4", () => {
  it("for want of CUDA, where there is none", async () => {
    const outcome = await cmcr(["run", experiment, "--out", out, "--name", "deviceless", "--set", "worker.device=cuda:99"], { env });
    expectRefusal(outcome, 4, "the device cuda:99 is not on this machine", "Use device: auto or device: cpu");
    expectNoFinishedRun("deviceless");
    expect(place.left()).toEqual([]);
  });

  it("at an address where nobody listens, within 15 seconds", async () => {
    const outcome = await cmcr(["run", experiment, "--out", out, "--name", "alone", "--set", 'worker={address: "127.0.0.1:9"}'], { env });
    expectRefusal(outcome, 4, "no worker answers at 127.0.0.1:9. Is it running, and is the address right?");
    expect(outcome.seconds).toBeLessThan(15);
    expectNoFinishedRun("alone");
  });

  it("and exit 3 where it may not use the files", async () => {
    const strict = await startWorker(place, `unix:${place.file("strict.sock")}`, [place.folder("other")]);
    try {
      const outcome = await cmcr(["run", experiment, "--out", out, "--name", "forbidden", "--fresh", ...strict.use], { env });
      expectRefusal(outcome, 3, "is not below a folder that this worker may use", "--root");
      expectNoFinishedRun("forbidden");
    } finally {
      await strict.stop();
    }
  });
});
