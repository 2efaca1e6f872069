import { describe, expect, it } from "vitest";

import { parseExperiment } from "../../../src/config/load.js";
import { compile, DIGITS, refusal } from "./samples.js";

describe("--set", () => {
  it("changes numbers, maps, lists and entries of lists", () => {
    const { connect, evaluate, name } = compile(DIGITS, [
      "name=other",
      "connect.epochs=12",
      "connect.optimizer.lr=3e-3",
      "connect.loss.overlap.temperature={ schedule: linear, from: 0.2, to: 0.1 }",
      "connect.consistency=false",
      "evaluate.0.ks=[1, 2]",
      "evaluate.0.baselines.1=relative",
      "connect.sides.0.memory=images",
    ]);
    expect(name).toBe("other");
    expect(connect).toMatchObject({ epochs: 12, consistency: { mode: "random" }, optimizer: { lr: { kind: "constant", from: 0.003 } } });
    expect(connect.loss.overlap?.temperature).toEqual({ kind: "linear", from: 0.2, to: 0.1 });
    expect(evaluate[0]?.ks).toEqual([1, 2]);
    expect(evaluate[0]?.baselines[1]?.name).toBe("relative");
  });

  it("adds what the file leaves to its default, and switches on what it switches off", () => {
    const off = compile(DIGITS, ["connect.loss.intra=false", "connect.loss.intra.weight=0.5", "connect.optimizer.maxGradientNorm=1"]);
    expect(off.connect.loss.intra?.weight).toEqual({ kind: "constant", from: 0.5 });
    expect(off.connect.optimizer.maxGradientNorm).toBe(1);
  });

  it("puts seeds in the place of a seed, and a seed in that of seeds", () => {
    const several = parseExperiment(DIGITS, "digits.yaml", { set: ["seeds=[0,1,2]"] });
    expect(several.experiment).toMatchObject({ seed: 0, seeds: [0, 1, 2] });
    expect(several.warnings).toEqual(["seed: --set seeds takes its place (digits.yaml:3:7)"]);
    const one = parseExperiment(DIGITS.replace("seed: 0", "seeds: [4, 5]"), "digits.yaml", { set: ["seed=9"] });
    expect(one.experiment).toMatchObject({ seed: 9, seeds: [9] });
    expect(refusal(DIGITS, ["seed=1", "seeds=[1, 2]"]).message).toContain("expected either seed or seeds, found both");
  });

  it("warns of each value that it replaces, with the place of the old one", () => {
    const { warnings } = parseExperiment(DIGITS, "digits.yaml", { set: ["connect.epochs=12", "connect.epochs=13", "connect.lastBatch=keep"] });
    expect(warnings).toEqual([
      "connect.epochs: --set replaces 36 (digits.yaml:31:11) by 12",
      "connect.epochs: --set replaces 12 (--set connect.epochs=12) by 13",
    ]);
  });

  it.each([
    ["connect.epochs=many", "WRONG_TYPE", '--set connect.epochs=many connect.epochs: expected a whole number of at least 1, found "many"'],
    ["connect.bathcSize=3", "UNKNOWN_FIELD", /^--set connect\.bathcSize=3 connect\.bathcSize: expected one of the fields .*, found "bathcSize"\. Did you mean "batchSize"\?$/],
    ["conect.epochs=3", "UNKNOWN_FIELD", /^--set conect\.epochs=3 conect: .*Did you mean "connect"\?$/],
    ["connect.sides.1.space=clop", "UNKNOWN_NAME", /^--set connect\.sides\.1\.space=clop connect\.sides\.1\.space: .*found "clop"/],
    ["connect.loss.overlap={ wait: 1 }", "UNKNOWN_FIELD", /^--set connect\.loss\.overlap=\{ wait: 1 \} connect\.loss\.overlap\.wait: /],
    ["evaluate.1.ks=[1]", "UNKNOWN_FIELD", '--set evaluate.1.ks=[1]: expected an index into evaluate (0 to 0), found "1"'],
    ["evaluate.first.ks=[1]", "UNKNOWN_FIELD", '--set evaluate.first.ks=[1]: expected an index into evaluate (0 to 0), found "first"'],
    ["connect.epochs.more=1", "UNKNOWN_FIELD", "--set connect.epochs.more=1: expected a map or a list at connect.epochs, found 36"],
    ["connect.epochs", "BAD_OVERRIDE", "--set connect.epochs: expected path.to.field=value, such as connect.epochs=12"],
    ["=3", "BAD_OVERRIDE", "--set =3: expected path.to.field=value, such as connect.epochs=12"],
    ["connect..epochs=3", "BAD_OVERRIDE", "--set connect..epochs=3: expected path.to.field=value, such as connect.epochs=12"],
    ["evaluate.0.ks=[1, 2", "BAD_YAML", /^--set evaluate\.0\.ks=\[1, 2: expected a YAML value after =, found a mistake in it: /],
    ["__proto__.polluted=1", "UNKNOWN_FIELD", /^--set __proto__\.polluted=1 __proto__: /],
  ])("%s is refused", (set, reason, message) => {
    const error = refusal(DIGITS, [set]);
    expect(error).toMatchObject({ code: 2, reason });
    if (typeof message === "string") expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
    expect(Object.prototype).not.toHaveProperty("polluted");
  });

  it("leaves other mistakes at their lines", () => {
    const error = refusal(DIGITS.replace("batchSize: 512", "batchSize: 0"), ["connect.epochs=0"]);
    expect(error.details).toEqual([
      "digits.yaml:30:14 connect.batchSize: expected a whole number of at least 2, found 0",
      "--set connect.epochs=0 connect.epochs: expected a whole number of at least 1, found 0",
    ]);
  });
});
