import { describe, expect, it } from "vitest";

import { CASES } from "./mistakeCases.js";
import { change, DIGITS, MINIMAL, refusal } from "./samples.js";

describe("a mistake in an experiment file", () => {
  it.each(CASES)("$what", ({ from, to, reason, path, message }) => {
    const error = refusal(change(DIGITS, from, to));
    expect({ message: error.message, reason: error.reason, path: error.path, code: error.code }).toEqual({ message, reason, path, code: 2 });
    expect(error.details).toEqual([message]);
  });

  it("is reported together with all others, in the order of the file", () => {
    let text = change(DIGITS, "device: auto", "device: tpu");
    text = change(text, "{ space: clap, memory: sounds }", "{ space: clap, memory: noises }");
    text = change(text, "batchSize: 512", "batchsize: 512");
    text = change(text, "ks: [1, 5, 10]", "ks: []");
    const error = refusal(text);
    expect(error.details.map((line) => line.slice(0, line.indexOf(": ")))).toEqual([
      "digits.yaml:4:19 worker.device",
      "digits.yaml:21:30 connect.sides.1.memory",
      "digits.yaml:30:3 connect.batchsize",
      "digits.yaml:38:9 evaluate.0.ks",
    ]);
    expect(error.message).toBe(error.details[0]);
  });

  it("in one entry does not make references to that entry wrong", () => {
    const error = refusal(change(DIGITS, "sounds:      { modality: audio,", "sounds:      { modality: sound,"));
    expect(error.details).toHaveLength(1);
    expect(error.path).toBe("data.sounds.modality");
  });
});

describe("what is no experiment at all", () => {
  it.each([
    ["a map that is not closed", change(DIGITS, "worker: { device: auto }", "worker: { device: auto"), /^digits\.yaml:5:1: expected YAML, found a mistake in it: /],
    ["a field twice", change(DIGITS, "epochs: 36", "epochs: 36\n  epochs: 37"), /^digits\.yaml:32:3: expected each field once, found a second one of this name$/],
    ["a tab", change(DIGITS, "  epochs", "\tepochs"), /^digits\.yaml:31:1: expected spaces for indentation, found a tab$/],
    ["two documents", `${MINIMAL}---\na: 1\n`, /^digits\.yaml:9:1: expected one document, found another after ---$/],
    ["a tag that asks for code", change(DIGITS, "seed: 0", "seed: !!python/object/apply:os.system [ls]"), /^digits\.yaml:3:7: expected YAML, .*tag/],
    ["an alias of nothing", change(DIGITS, "seed: 0", "seed: *unknown"), /^digits\.yaml: expected YAML with usable aliases, .*unknown/],
    ["an alias inside of itself", change(DIGITS, "worker: { device: auto }", "worker: &w { device: *w }"), /^digits\.yaml: .*an alias stands inside of what it names/],
    ["lists nested without end", "[".repeat(50_000), /^digits\.yaml:1:\d+: /],
  ])("%s", (_what, text, message) => {
    const error = refusal(text);
    expect(error).toMatchObject({ code: 2, reason: "BAD_YAML" });
    expect(error.message).toMatch(message);
    expect(error.details.length).toBeLessThanOrEqual(20);
  });

  it("aliases that multiply", () => {
    const levels = Array.from({ length: 9 }, (_, level) => `l${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join(", ")}]`);
    expect(refusal(`l0: &l0 [x]\n${levels.join("\n")}\n`)).toMatchObject({ code: 2, reason: "BAD_YAML" });
  });

  it.each([
    ["an empty file", "", "an empty file"],
    ["only a comment", "# nothing\n", "an empty file"],
    ["a text", "hello\n", '"hello"'],
    ["a list", "- 1\n", "a list of 1 item"],
  ])("%s", (_what, text, found) => {
    expect(refusal(text).message).toBe(`digits.yaml:1:1: expected an experiment, a map with version, name, spaces, data and connect, found ${found}`);
  });

  it("a file of more than a mebibyte", () => {
    expect(refusal("#".repeat(1024 * 1024 + 1))).toMatchObject({ code: 2, reason: "BAD_YAML" });
  });
});
