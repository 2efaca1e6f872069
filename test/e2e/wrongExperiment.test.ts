import { existsSync, mkdirSync, writeFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { cmcr, expectRefusal, jsonLines, Workplace } from "./support/cli.js";
import { change, EXPERIMENT, writeExperiment, writeWorld } from "./support/world.js";

const place = new Workplace();
const out = place.file("runs");
const { env } = place;
const options = { env, cwd: place.path };

beforeAll(async () => {
  await writeWorld(place.folder("emb"));
  writeExperiment(place.path);
});
afterAll(() => {
  place.remove();
});

/** A mistake in the file: what is put in place of what, and what the one message must say. */
const MISTAKES: readonly (readonly [what: string, text: string, ...said: readonly string[]])[] = [
  ["an open bracket", change(EXPERIMENT, "{ device: cpu }", "{ device: cpu"), "wrong.yaml:", "expected YAML"],
  ["a tab", change(EXPERIMENT, "  method: cmcr", "\tmethod: cmcr"), "wrong.yaml:18:", "expected spaces for indentation, found a tab"],
  ["nothing", "", "wrong.yaml:1:1", "expected an experiment", "found an empty file"],
  ["a list", "- version: 1\n", "wrong.yaml:1:1", "expected an experiment, a map", "found a list of 1 item"],
  ["a text", "hello\n", "wrong.yaml:1:1", "expected an experiment, a map", 'found "hello"'],
  ["the same field twice", change(EXPERIMENT, "seed: 3", "seed: 3\nseed: 4"), "wrong.yaml:4:1", "expected each field once"],
  ["an unknown field", change(EXPERIMENT, "batchSize: 150", "batchsize: 150"), "wrong.yaml:31:3 connect.batchsize", 'Did you mean "batchSize"?'],
  ["a missing field", change(EXPERIMENT, "  overlap: captions\n", ""), "wrong.yaml:17:", "connect.overlap: expected a name, found nothing"],
  ["a text for a number", change(EXPERIMENT, "epochs: 10", "epochs: many"), "wrong.yaml:32:11 connect.epochs", "expected a whole number of at least 1", 'found "many"'],
  ["a fraction for a count", change(EXPERIMENT, "epochs: 10", "epochs: 1.5"), "wrong.yaml:32:11 connect.epochs", "expected a whole number", "found 1.5"],
  ["a negative temperature", change(EXPERIMENT, "temperature: 0.05", "temperature: -1"), "wrong.yaml:23:31 connect.consistency.temperature", "expected a number above 0", "found -1"],
  ["a rate that is not a number", change(EXPERIMENT, "from: 3e-3", "from: .nan"), "wrong.yaml:30:", "connect.optimizer.lr.from"],
  ["an unknown schedule", change(EXPERIMENT, "schedule: cosine", "schedule: cosin"), "wrong.yaml:30:", "connect.optimizer.lr", 'Did you mean "cosine"?'],
  ["an unknown version", change(EXPERIMENT, "version: 1", "version: 2"), "wrong.yaml:1:10 version", "found 2"],
  ["an unknown space", change(EXPERIMENT, "{ space: hearing, memory: sounds }", "{ space: haering, memory: sounds }"), "wrong.yaml:22:", "connect.sides.1.space", 'Did you mean "hearing"?'],
  ["an unknown collection", change(EXPERIMENT, "  overlap: captions", "  overlap: caption"), "wrong.yaml:19:12 connect.overlap", 'Did you mean "captions"?'],
  ["an unknown method", change(EXPERIMENT, "method: cmcr", "method: c-mcr"), "wrong.yaml:18:11 connect.method", 'found "c-mcr"'],
  ["an unknown task", change(EXPERIMENT, "task: retrieval", "task: retreival"), "wrong.yaml:35:", "evaluate.0.task", 'Did you mean "retrieval"?'],
  ["an unknown provider", change(EXPERIMENT, "sight:   { provider: precomputed }", "sight:   { provider: precompute }"), "wrong.yaml:6:", "spaces.sight.provider", 'Did you mean "precomputed"?'],
  ["an unknown baseline", change(EXPERIMENT, "pivot-soft, procrustes+gap", "pivot-soft, procrusts"), "wrong.yaml:40:", "evaluate.0.baselines.2", 'Did you mean "procrustes"?'],
  ["an unknown preset", change(EXPERIMENT, "preset: audio-visual", "preset: audiovisual"), "wrong.yaml:25:24 connect.projector.preset", 'Did you mean "audio-visual"?'],
  ["an unknown device", change(EXPERIMENT, "device: cpu", "device: gpu"), "wrong.yaml:4:19 worker.device", "expected auto, cpu, cuda or cuda:N"],
  ["a batch larger than the overlap", change(EXPERIMENT, "batchSize: 150", "batchSize: 601"), "wrong.yaml:31:14 connect.batchSize", "expected at most 600", "found 601", "Set connect.batchSize to that number or less"],
  ["a baseline's unsuitable parameter", change(EXPERIMENT, "baselines: [chance, procrustes]", "baselines: [{ name: procrustes, temperature: 1 }]"), "wrong.yaml:46:", "evaluate.1.baselines.0.temperature"],
  ["a collection that has no way into the space", change(EXPERIMENT, "query:   { data: test_sounds, space: hearing }\n    gallery", "query:   { data: test_sounds, space: sight }\n    gallery"), "wrong.yaml:36:", "evaluate.0.query.data", "Give data.test_sounds.embeddings.sight."],
  ["a space of one's own as both sides", change(EXPERIMENT, "{ space: hearing, memory: sounds }", "{ space: sight, memory: images }"), "wrong.yaml:22:", "connect.sides.1.space"],
];

describe("a mistake in the experiment file is exit 2, with its line and what was expected, before anything is made", () => {
  it.each(MISTAKES.map(([what, text, ...said]) => ({ what, text, said })))("$what", async ({ text, said }) => {
    writeExperiment(place.path, text, "wrong.yaml");
    // The check is the first thing that a run does; by itself it is quicker.
    expectRefusal(await cmcr(["validate", "wrong.yaml"], options), 2, ...said);
  });

  it("and so it is to a run, which makes nothing", async () => {
    writeExperiment(place.path, change(EXPERIMENT, "method: cmcr", "method: c-mcr"), "wrong.yaml");
    expectRefusal(await cmcr(["run", "wrong.yaml", "--out", out], options), 2, "wrong.yaml:18:11 connect.method");
    expect(existsSync(out)).toBe(false);
  });

  it("tells all mistakes at once, the first of them in the one JSON line", async () => {
    writeExperiment(place.path, change(change(EXPERIMENT, "epochs: 10", "epochs: 0"), "overlap: captions", "overlap: x"), "wrong.yaml");
    const person = await cmcr(["validate", "wrong.yaml"], options);
    expectRefusal(person, 2, "wrong.yaml:19:12 connect.overlap", "wrong.yaml:32:11 connect.epochs");
    const { exitCode, stdout, stderr } = await cmcr(["validate", "wrong.yaml", "--json"], options);
    expect(exitCode).toBe(2);
    expect(stderr).toBe("");
    const lines = jsonLines(stdout);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ event: "error", code: 2, path: "connect.overlap", message: expect.stringContaining("wrong.yaml:19:12") as string });
    expect(lines[0]?.["details"]).toHaveLength(2);
  });
});

describe("the experiment file itself", () => {
  it.each([
    ["is missing", ["run", "nowhere.yaml"], "nowhere.yaml: expected an experiment file, but there is no such file"],
    ["is a folder", ["run", "emb"], "emb: expected an experiment file, but this is a folder"],
    ["is no text", ["validate", "emb/images.npy"], "emb/images.npy"],
    ["is missing for validate", ["validate", "nowhere.yaml"], "nowhere.yaml: expected an experiment file"],
  ])("%s: exit 2", async (_what, args, said) => {
    expectRefusal(await cmcr(args, options), 2, said);
    expect(existsSync(out)).toBe(false);
  });

  it("is endlessly nested, or multiplies itself: exit 2 all the same, in no time", async () => {
    writeExperiment(place.path, `version: ${"[".repeat(50_000)}`, "wrong.yaml");
    expectRefusal(await cmcr(["validate", "wrong.yaml"], options), 2, "wrong.yaml");
    const laughs = Array.from({ length: 12 }, (_, level) => `a${level + 1}: &a${level + 1} [${Array.from({ length: 10 }, () => `*a${level}`).join(", ")}]`);
    writeExperiment(place.path, `a0: &a0 [ha]\n${laughs.join("\n")}\n`, "wrong.yaml");
    expectRefusal(await cmcr(["validate", "wrong.yaml"], options), 2, "wrong.yaml");
  });
});

describe("the command line", () => {
  it.each([
    ["no command", [], "Name a command."],
    ["an unknown command", ["frobnicate"], "Unknown command: frobnicate"],
    ["a mistyped command", ["rnu", "tiny.yaml"], "Did you mean run?"],
    ["an unknown option", ["run", "tiny.yaml", "--epochs", "3"], "Unknown option: --epochs"],
    ["one argument too many", ["run", "tiny.yaml", "tiny.yaml"], "tiny.yaml"],
    ["no experiment", ["run"], "name an experiment file. One to start from: cmcr init"],
    ["no experiment to validate", ["validate"], "EXPERIMENT is missing. See: cmcr validate --help"],
    ["a missing option", ["project", "run", "emb/images.npy", "--space", "sight"], "Missing required argument: out"],
    ["an option without its value", ["run", "tiny.yaml", "--out"], "Not enough arguments following: out"],
    ["an empty value", ["run", "tiny.yaml", "--out", ""], "--out: expected a value, found nothing"],
    ["an option that can only stand once", ["run", "tiny.yaml", "--out", "a", "--out", "b"], "--out: expected once, found 2 times"],
    ["a name that leads elsewhere", ["run", "tiny.yaml", "--name", "../x"], "--name: expected letters"],
    ["--set without a value", ["run", "tiny.yaml", "--set", "connect.epochs"], "--set connect.epochs: expected path.to.field=value"],
    ["--set of an unknown field", ["run", "tiny.yaml", "--set", "connect.epoch=3"], '--set connect.epoch=3 connect.epoch: expected one of the fields'],
    ["--set of a wrong value", ["run", "tiny.yaml", "--set", "connect.epochs=x"], "--set connect.epochs=x connect.epochs: expected a whole number"],
    ["--set into a value", ["run", "tiny.yaml", "--set", "seed.x=1"], "--set seed.x=1"],
    ["--resume beside an experiment", ["run", "tiny.yaml", "--resume", "runs/tiny"], "--resume goes on with a run as it was begun"],
    ["--resume of no run", ["run", "--resume", "emb"], "emb is not a run: it has no state.json"],
    ["--resume of nothing", ["run", "--resume", "nowhere"], "nowhere is not a run"],
    ["a misspelt option", ["encode", "--encodr", "builtin"], "Unknown option: --encodr. Did you mean --encoder? See: cmcr encode --help"],
    ["a misspelt option of an action", ["data", "inspect", ".", "--limt", "3"], "Unknown option: --limt. Did you mean --limit? See: cmcr data inspect --help"],
    ["a provider's setting as an option", ["encode", "--encoder", "open-clip", "--pretrained", "openai"], "--option pretrained=openai"],
    ["a misspelt command", ["encod"], "Unknown command: encod. Did you mean encode? See: cmcr --help"],
    ["an unknown template", ["init", "--template", "quickstat"], 'Did you mean "quickstart"?'],
    ["a file that is there already", ["init", "--out", "tiny.yaml"], "tiny.yaml is there already, and is left as it is"],
    ["an unknown action", ["worker", "fly"], 'unknown action "fly", expected one of install, start, info.'],
    ["threads that are none", ["worker", "start", "--threads", "0"], "--threads: expected a whole number from 1 on"],
    ["an address beyond this machine", ["worker", "start", "--listen", "0.0.0.0:50000"], "--listen: expected unix:/path or a loopback address"],
    ["an address that is none", ["worker", "info", "--address", "somewhere"], "--address: expected unix:/path or host:port"],
  ] as const)("%s: exit 2", async (_what, args, said) => {
    expectRefusal(await cmcr(args, options), 2, said);
    for (const made of ["runs", "a", "b"]) expect(existsSync(place.file(made))).toBe(false);
  });

  it("is answered in JSON where that is asked for", async () => {
    const { exitCode, stdout, stderr } = await cmcr(["run", "tiny.yaml", "--bogus", "--json"], options);
    expect([exitCode, stderr]).toEqual([2, ""]);
    expect(jsonLines(stdout)).toEqual([{ event: "error", code: 2, reason: "BAD_COMMAND_LINE", message: "Unknown option: --bogus. See: cmcr run --help" }]);
  });
});

describe("--out that cannot be made is exit 3", () => {
  it.each(["tiny.yaml", "tiny.yaml/below", "/proc/nowhere"])("%s", async (path) => {
    expectRefusal(await cmcr(["run", "tiny.yaml", "--out", path], options), 3, `the folder ${path} cannot be made (`, "Choose another with --out.");
  });

  it("nor where a file of it is in the way of the store", async () => {
    mkdirSync(place.file("blocked"));
    writeFileSync(place.file("blocked", ".store"), "");
    expectRefusal(await cmcr(["run", "tiny.yaml", "--out", "blocked"], options), 3, `${place.file("blocked", ".store", "pending")}: not a directory (ENOTDIR)`);
    expect(existsSync(place.file("blocked", "tiny", "manifest.json"))).toBe(false);
  });
});
