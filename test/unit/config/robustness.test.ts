import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify, parse } from "yaml";

import { parseExperiment } from "../../../src/config/load.js";
import { CmcrError } from "../../../src/errors.js";
import { DIGITS, shipped } from "./samples.js";

/** Parses, and lets nothing through but an experiment or an error that a user can act on. */
function outcome(text: string, set: readonly string[] = []): "accepted" | "refused" {
  try {
    parseExperiment(text, "digits.yaml", { folder: "/study", set });
    return "accepted";
  } catch (error) {
    expect(error).toBeInstanceOf(CmcrError);
    expect(error).toMatchObject({ code: 2 });
    expect((error as CmcrError).message).toMatch(/digits\.yaml|--set/);
    expect((error as CmcrError).details.length).toBeGreaterThan(0);
    expect((error as CmcrError).message).not.toMatch(/undefined|\[object/);
    return "refused";
  }
}

type Path = (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const steps = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return [path, ...steps.flatMap((step) => pathsOf((value as Record<string | number, unknown>)[step], [...path, step]))];
}

function replaceAt(value: unknown, path: Path, change: (old: unknown) => unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return change(value);
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  const next = replaceAt(copy[step], rest, change);
  if (next === REMOVE) Reflect.deleteProperty(copy, step);
  else Object.defineProperty(copy, step, { value: next, enumerable: true, configurable: true, writable: true });
  return copy;
}

const REMOVE = Symbol("remove");
const SAMPLES = [parse(DIGITS) as unknown, parse(shipped("quickstart")) as unknown];

const oddValue = fc.oneof(
  fc.constantFrom<unknown>(null, false, true, 0, -1, 0.5, 1e300, NaN, Infinity, "", "clip", "labels", "constructor", "__proto__", "../..", [], {}, [[]], { schedule: "linear" }, REMOVE),
  fc.anything({ maxDepth: 2, withBigInt: false, values: [fc.integer(), fc.string(), fc.boolean(), fc.constant(null)] }),
);

describe("parseExperiment", () => {
  it("refuses, and never breaks on, a file with values replaced by anything", () => {
    for (const sample of SAMPLES) expect(outcome(stringify(sample))).toBe("accepted");
    fc.assert(
      fc.property(fc.constantFrom(...SAMPLES), fc.array(fc.tuple(fc.nat(), oddValue), { minLength: 1, maxLength: 3 }), (sample, changes) => {
        let value = sample;
        for (const [pick, odd] of changes) {
          const paths = pathsOf(value);
          value = replaceAt(value, paths[pick % paths.length] ?? [], () => odd);
        }
        outcome(stringify(value === REMOVE ? null : value, { aliasDuplicateObjects: false }));
      }),
      { numRuns: 120 },
    );
  });

  it("refuses, and never breaks on, a text with pieces cut out or put in", () => {
    const piece = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom("\n", "  ", "\t", ": ", "- ", "{", "]", "&a ", "*a", "!!set", "---\n", "? ", "<<: ", "|\n", "\u0000", "\uFEFF"));
    fc.assert(
      fc.property(fc.nat(DIGITS.length), fc.nat(30), piece, (start, length, put) => {
        outcome(DIGITS.slice(0, start) + put + DIGITS.slice(start + length));
      }),
      { numRuns: 120 },
    );
  });

  it("refuses, and never breaks on, any --set", () => {
    const steps = fc.constantFrom("connect", "loss", "intra", "weight", "evaluate", "0", "1", "spaces", "clip", "data", "__proto__", "constructor", "x");
    const value = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("[", "{ a: 1 }", "*a", "&a [*a]", "1", "false", "!!js/function x"));
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 4 }), value, (path, text) => {
        outcome(DIGITS, [`${path.join(".")}=${text}`]);
      }),
      { numRuns: 100 },
    );
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});
