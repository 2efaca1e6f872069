import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";
import { parse } from "yaml";

import { changedText } from "../../../src/config/changedText.js";
import { parseExperiment } from "../../../src/config/load.js";
import { fieldTable } from "../../../src/config/reference.js";
import { sweepJsonSchema } from "../../../src/config/sweep.js";
import { compileSweep, type ParsedSweep } from "../../../src/config/sweepCompile.js";
import { readSweepFile } from "../../../src/config/sweepLoad.js";
import { changesOf, changeText, folderNames } from "../../../src/config/sweepVariants.js";
import { CmcrError } from "../../../src/errors.js";
import { DIGITS } from "./samples.js";

/** What the checks say of the variant without pseudo pairs. */
const NO_EFFECT = 'connect.consistency: has no effect on the projectors, as loss.pseudo and loss.intra are off (variant "only overlap")';

/** Its line numbers count in the tests. */
const ABLATIONS = `version: 1
name: ablations
experiment: digits.yaml
seeds: [0, 1]
set: { connect.epochs: 4 }
variants:
  - { name: full }
  - { name: no completion, set: { connect.completion: false } }
  - name: only overlap
    set: { connect.loss.pseudo: false, connect: { loss: { intra: false } } }
`;

const sweepOf = (text: string, set: readonly string[] = [], experiment = DIGITS): ParsedSweep =>
  compileSweep(readSweepFile(text, "ablations.yaml"), { text: experiment, path: "/place/digits.yaml" }, set);

function refusal(text: string, set: readonly string[] = []): CmcrError {
  try {
    sweepOf(text, set);
  } catch (error) {
    if (error instanceof CmcrError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

const connectOf = (parsed: ParsedSweep, name: string) => parsed.sweep.variants.find((variant) => variant.name === name)?.experiment.connect;
const grid = (text: string): string => ABLATIONS.replace(/variants:[^]*/, "") + text;

describe("a sweep's variants", () => {
  it("are the experiment with the changes of all and their own, in the order of the file", () => {
    const parsed = sweepOf(ABLATIONS);
    expect(parsed.sweep.variants.map(({ name, folder }) => [name, folder])).toEqual([
      ["full", "full"],
      ["no completion", "no-completion"],
      ["only overlap", "only-overlap"],
    ]);
    for (const { experiment } of parsed.sweep.variants) expect(experiment).toMatchObject({ seeds: [0, 1], seed: 0, connect: { epochs: 4, batchSize: 512 } });
    expect(connectOf(parsed, "full")).toMatchObject({ completion: { variance: { from: 0.004 } }, loss: { intra: { weight: { from: 0.1 } } } });
    expect(connectOf(parsed, "no completion")).toMatchObject({ completion: null });
    expect(connectOf(parsed, "only overlap")).toMatchObject({ loss: { overlap: { weight: { from: 1 } }, pseudo: null, intra: null } });
    expect(parsed.sweep).toMatchObject({ name: "ablations", reference: "full", parallel: "auto", metrics: [{ task: "sound-image", metric: "mAP", reverse: false }] });
    expect(parsed.sweep.variants[2]?.changes).toEqual([
      { path: "connect.loss.pseudo", value: false },
      { path: "connect.loss.intra", value: false },
    ]);
    expect(parsed.warnings).toEqual([NO_EFFECT]);
  });

  it("are every combination of a grid, named by its values, after those of the list", () => {
    const parsed = sweepOf(`${ABLATIONS}grid: { connect.loss.intra.weight: [0.01, 1], connect.completion.variance: [0.001, 0.02] }\n`);
    expect(parsed.sweep.variants.slice(3).map(({ name, folder }) => [name, folder])).toEqual([
      ["loss.intra.weight=0.01, completion.variance=0.001", "loss.intra.weight-0.01-completion.variance-0.001"],
      ["loss.intra.weight=0.01, completion.variance=0.02", "loss.intra.weight-0.01-completion.variance-0.02"],
      ["loss.intra.weight=1, completion.variance=0.001", "loss.intra.weight-1-completion.variance-0.001"],
      ["loss.intra.weight=1, completion.variance=0.02", "loss.intra.weight-1-completion.variance-0.02"],
    ]);
    expect(parsed.sweep.variants.at(-1)?.experiment.connect).toMatchObject({ loss: { intra: { weight: { from: 1 } } }, completion: { variance: { from: 0.02 } } });
  });

  it("come after --set, which comes after the changes of all", () => {
    const parsed = sweepOf(ABLATIONS, ["connect.epochs=1", "connect.completion.variance=0.5"]);
    expect(connectOf(parsed, "full")).toMatchObject({ epochs: 1, completion: { variance: { from: 0.5 } } });
    expect(connectOf(parsed, "no completion")).toMatchObject({ epochs: 1, completion: null });
    expect(parsed.warnings).toEqual([
      "connect.epochs: --set replaces 4 (ablations.yaml:5:24) by 1",
      "connect.completion.variance: --set replaces 0.004 (/place/digits.yaml:23:27) by 0.5",
      NO_EFFECT,
    ]);
  });

  it("have an experiment file each, with the comments of the first, that gives the same again", () => {
    const parsed = sweepOf(ABLATIONS, ["connect.batchSize=64"], DIGITS.replace("connect:", "# how they are connected\nconnect:"));
    for (const { source, experiment, name } of parsed.sweep.variants) {
      expect(source).toContain(`# The variant "${name}" of a sweep. Relative paths start from /place.`);
      expect(source).toContain("# how they are connected");
      expect(parseExperiment(source, "/place/again.yaml").experiment).toEqual(experiment);
    }
  });

  it("are told of that are the same twice, change nothing or are too many to be meant", () => {
    const same = `${ABLATIONS}  - { name: same, set: { connect.batchSize: 512 } }\n  - { name: twin, set: { connect.completion: false } }\n`;
    expect(sweepOf(same).warnings).toEqual([
      NO_EFFECT,
      'the variant "same" changes nothing: the experiment has connect.batchSize already, or a default that is the same',
      'the variant "twin" is the same experiment as "no completion"',
    ]);
    const named = `${ABLATIONS}  - { name: own, set: { name: zzz } }\n  - { name: both, set: { name: zzz, connect.epochs: 9 } }\n`;
    expect(sweepOf(named).warnings).toEqual([
      NO_EFFECT,
      'the variant "own" sets name, which is ignored: a variant\'s name is the one that the sweep gives it',
      'the variant "both" sets name, which is ignored: a variant\'s name is the one that the sweep gives it',
    ]);
    const values = Array.from({ length: 21 }, (_, index) => index + 1).join(", ");
    const many = grid(`grid: { connect.epochs: [${values}], connect.batchSize: [${Array.from({ length: 10 }, (_, index) => index + 64).join(", ")}] }\n`);
    expect(sweepOf(many).warnings).toEqual(["there are 210 variants: is the grid meant to be that large?"]);
  });

  it("may name metrics both ways round, and another reference", () => {
    const parsed = sweepOf(`${ABLATIONS}reference: no completion\nmetrics: [{ task: sound-image, metric: R@5 }, { task: sound-image, metric: mAP, reverse: true }]\n`);
    expect(parsed.sweep.reference).toBe("no completion");
    expect(parsed.sweep.metrics).toEqual([
      { task: "sound-image", metric: "R@5", reverse: false },
      { task: "sound-image", metric: "mAP", reverse: true },
    ]);
  });
});

const variant = (change: string): string => `${ABLATIONS}  - { name: odd, set: { ${change} } }\n`;

describe("a mistake in a sweep", () => {
  it.each([
    ["an unknown field of the experiment", variant("connect.completon: false"), 'ablations.yaml:11:44 (variant "odd") connect.completon: expected one of the fields'],
    ["a value that cannot be", variant("connect.epochs: 0"), 'ablations.yaml:11:41 (variant "odd") connect.epochs: expected a whole number of at least 1, found 0'],
    ["a path through a number", variant("connect.epochs.more: 0"), 'ablations.yaml:11:46 (variant "odd"): expected a map or a list at connect.epochs, found 4'],
    ["a change that makes another line wrong", variant("spaces.clap: { provider: precomputed }, data.captions: { modality: text, embeddings: { clip: a.npy } }"), '(variant "odd")'],
    ["a mistake in the changes of all", ABLATIONS.replace("epochs: 4", "epoch: 4"), "ablations.yaml:5:23 connect.epoch: expected one of the fields"],
    ["a value in a grid", grid("grid: { connect.batchSize: [64, -1] }\n"), 'ablations.yaml:6:33 (variant "batchSize=-1") connect.batchSize: expected a whole number'],
    ["a key that is no path", variant('"connect..epochs": 1'), 'variants.3.set.connect..epochs: expected the path of a field'],
    ["a name given twice", `${ABLATIONS}  - { name: full }\n`, 'ablations.yaml:11:13 variants.3.name: expected a name of its own for each variant, found "full" again'],
    ["a value given twice", grid("grid: { connect.epochs: [1, 2, 1] }\n"), "grid.connect.epochs.2: expected each value once, found 1 again"],
    ["nothing to vary", grid(""), "ablations.yaml:1:1: expected variants, a grid or both, found neither"],
    ["an unknown reference", `${ABLATIONS}reference: ful\n`, 'reference: expected the name of a variant, found "ful". Did you mean "full"?'],
    ["an unknown task", `${ABLATIONS}metrics: [{ task: sound-imag, metric: mAP }]\n`, 'metrics.0.task: expected the name of a task under evaluate, found "sound-imag". Did you mean "sound-image"?'],
    ["an unknown metric", `${ABLATIONS}metrics: [{ task: sound-image, metric: R@2 }]\n`, 'metrics.0.metric: expected a metric of sound-image, which is retrieval, found "R@2". Did you mean "R@1"?'],
    ["a metric given twice", `${ABLATIONS}metrics: [{ task: sound-image, metric: mAP }, { task: sound-image, metric: mAP }]\n`, "metrics.1: expected each metric once"],
    ["an unknown field of the sweep", `${ABLATIONS}seed: 1\n`, 'ablations.yaml:11:1 seed: expected one of the fields version, name, experiment, seeds, set, variants, grid, reference, metrics, parallel, found "seed". Did you mean "seeds"?'],
    ["a grid without a list", grid("grid: { connect.epochs: 3 }\n"), "grid.connect.epochs: expected a list, found 3"],
    ["parallel: none", `${ABLATIONS}parallel: 0\n`, "parallel: expected auto or a whole number of at least 1, found 0"],
    ["an experiment", DIGITS, "ablations.yaml:1:1: expected a sweep, which names an experiment to vary, found an experiment. Run it with: cmcr run ablations.yaml"],
    ["a name of two lines", `${ABLATIONS}  - { name: "a\\nb" }\n`, "variants.3.name: expected a name of up to 100 characters on one line"],
  ])("%s is refused with its place", (_what, text, message) => {
    const error = refusal(text);
    expect(error.code).toBe(2);
    expect(error.message).toContain(message);
  });

  it("of several variants is told of each, once", () => {
    const error = refusal(`${ABLATIONS}  - { name: a, set: { connect.epochs: x } }\n  - { name: b, set: { connect.batchSize: y } }\n`);
    expect(error.details).toHaveLength(2);
    expect(error.details[0]).toContain('(variant "a") connect.epochs');
    expect(error.details[1]).toContain('(variant "b") connect.batchSize');
  });

  it("of --set is the command line's", () => {
    expect(refusal(ABLATIONS, ["connect.epoch=1"]).message).toContain("--set connect.epoch=1 connect.epoch: expected one of the fields");
  });

  it("is a grid of more combinations than anybody waits for", () => {
    const values = JSON.stringify(Array.from({ length: 50 }, (_, index) => index + 1));
    expect(refusal(grid(`grid: { connect.epochs: ${values}, connect.batchSize: ${values} }\n`)).message).toContain("grid: expected at most 2000 combinations, found 2500");
  });

  it("is a sweep that is given as an experiment", () => {
    expect(() => parseExperiment(ABLATIONS, "ablations.yaml")).toThrow("ablations.yaml:1:1: expected an experiment, found a sweep. Run it with: cmcr sweep ablations.yaml");
  });
});

describe("the changes of a set", () => {
  const base = { connect: { completion: false, lr: 0.1, loss: { intra: { weight: 1 } } }, evaluate: [{ ks: [1] }] };
  const changes = (set: Record<string, unknown>) => changesOf(set, [], base, (mistake) => expect.fail(mistake.expected)).map(({ path, value }) => [path.join("."), value]);

  it("replace with a dotted key what it names, and go with plain keys into what is there", () => {
    expect(changes({ "connect.loss": { intra: false } })).toEqual([["connect.loss", { intra: false }]]);
    expect(changes({ connect: { loss: { intra: { weight: 2 } }, completion: { variance: 1 } } })).toEqual([
      ["connect.loss.intra.weight", 2],
      ["connect.completion.variance", 1],
    ]);
    expect(changes({ connect: { "loss.intra": { weight: 2 } } })).toEqual([["connect.loss.intra", { weight: 2 }]]);
    expect(changes({ connect: { lr: { schedule: "cosine" } } })).toEqual([["connect.lr", { schedule: "cosine" }]]);
    expect(changes({ evaluate: { 0: { ks: [5] } } })).toEqual([["evaluate.0.ks", [5]]]);
  });

  it("have names of a few words", () => {
    expect(changeText({ path: ["connect", "lr"], value: { schedule: "cosine", from: 0.1, to: 0 } })).toBe("lr={schedule: cosine, from: 0.1, to: 0}");
    expect(changeText({ path: ["seed"], value: null })).toBe("seed=none");
    expect(changeText({ path: ["data", "a"], value: "x".repeat(60) })).toHaveLength(2 + 40);
  });
});

describe("the folders of variants", () => {
  it("are named after them in letters that any file system has, each once", () => {
    expect(folderNames(["no completion", "No Completion", "λ = 0.1", "…", "été/1", "..", "-x-", "a".repeat(100)])).toEqual([
      "no-completion",
      "No-Completion-2",
      "0.1",
      "variant",
      "ete-1",
      "variant-2",
      "x",
      "a".repeat(80),
    ]);
  });
});

describe("a changed text", () => {
  it("keeps comments, makes maps of what is switched off, and counts lists from 0", () => {
    const text = "# head\na: { b: 1 } # one\nc: false\nd:\n  - { e: 1 }\n";
    const value = { a: { b: 2 }, c: { x: { y: [1] } }, d: [{ e: 3 }], f: { g: 1 } };
    const changes = [
      { path: ["a", "b"], value: 2 },
      { path: ["c", "x", "y"], value: [1] },
      { path: ["d", "0", "e"], value: 3 },
      { path: ["f", "g"], value: 1 },
    ];
    const changed = changedText(text, changes, value);
    expect(parse(changed)).toEqual(value);
    expect(changed).toContain("# head\n");
    expect(changed).toContain("# one\n");
  });

  it("is written anew where it cannot be changed in place", () => {
    const text = "a: &x { b: 1 }\nc: *x\n";
    const value = { a: { b: 1 }, c: { b: 2 } };
    expect(parse(changedText(text, [{ path: ["c", "b"], value: 2 }], value))).toEqual(value);
  });
});

describe("the page on sweeps", () => {
  const page = readFileSync(new URL("../../../docs/sweeps.md", import.meta.url), "utf8");

  it("has every field: renew its table with `cmcr schema --sweep --markdown`", () => {
    expect(page).toContain(`\n${fieldTable(sweepJsonSchema())}\n`);
  });

  it("has an example that is right", () => {
    const [, example = ""] = /```yaml\n([^]*?)```/.exec(page) ?? [];
    const tasks = DIGITS.replace("name: sound-image", "name: sound-to-image");
    const { sweep } = compileSweep(readSweepFile(example, "sweep.yaml"), { text: tasks, path: "/place/audio-visual.yaml" }, []);
    expect(sweep.variants).toHaveLength(9);
  });

  it("describes each field of the schema that editors use", () => {
    const described = (node: unknown): boolean => {
      const { properties = {}, items, additionalProperties } = node as { properties?: Record<string, { description?: string }>; items?: unknown; additionalProperties?: unknown };
      return (
        Object.values(properties).every((field) => (field.description ?? "") !== "" && described(field)) &&
        [items, additionalProperties].every((inner) => typeof inner !== "object" || inner === null || described(inner))
      );
    };
    expect(sweepJsonSchema()).toMatchObject({ $schema: "https://json-schema.org/draft/2020-12/schema", title: "cmcr sweep", additionalProperties: false, required: ["version", "name", "experiment"] });
    expect(described(sweepJsonSchema())).toBe(true);
  });
});

describe("the sweeps that come with cmcr", () => {
  it("vary the quickstart in every part of the method", () => {
    const folder = new URL("../../../experiments/", import.meta.url);
    const text = readFileSync(new URL("builtin/ablations.yaml", folder), "utf8");
    const path = fileURLToPath(new URL("quickstart.yaml", folder));
    const { sweep } = compileSweep(readSweepFile(text, "ablations.yaml"), { text: readFileSync(path, "utf8"), path }, []);
    const changed = new Set(sweep.variants.flatMap(({ changes }) => changes.map((change) => change.path)));
    for (const field of ["consistency", "completion", "completion.variance", "loss.overlap", "loss.pseudo", "loss.intra", "loss.intra.weight", "consistency.temperature", "loss.overlap.temperature", "projector"]) {
      expect(changed).toContain(`connect.${field}`);
    }
    for (const data of ["images", "sounds", "captions"]) expect(changed).toContain(`data.${data}.sample.count`);
    expect(sweep.variants.every(({ experiment }) => experiment.seeds.length === 3)).toBe(true);
  });
});
