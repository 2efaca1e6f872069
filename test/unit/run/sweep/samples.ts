import type { CompiledExperiment } from "../../../../src/config/compiled.js";
import { compileSweep, type CompiledSweep } from "../../../../src/config/sweepCompile.js";
import { readSweepFile } from "../../../../src/config/sweepLoad.js";
import { randomSource } from "../../../../src/connect/random.js";
import { bootstrap, estimateOf, meanStatistic, pairedDifference } from "../../../../src/evaluate/bootstrap.js";
import type { VariantResult } from "../../../../src/run/sweep/table.js";
import { DIGITS } from "../../config/samples.js";

/** A sweep of three variants, compiled. */
export function threeVariants(more = ""): CompiledSweep {
  const text = `version: 1
name: ablations
experiment: digits.yaml
variants:
  - { name: full }
  - { name: no completion, set: { connect.completion: false } }
  - { name: "other | test", set: { data.test_sounds.embeddings.clap: emb/others.npy } }
${more}`;
  return compileSweep(readSweepFile(text, "ablations.yaml"), { text: DIGITS, path: "/place/digits.yaml" }, []).sweep;
}

/** An experiment that was compiled. */
export function experimentOf(sweep: CompiledSweep, name: string): CompiledExperiment {
  const variant = sweep.variants.find((one) => one.name === name);
  if (variant === undefined) throw new Error(`there is no variant ${name}`);
  return variant.experiment;
}

/** Values of so many items that depend on the seed alone, their mean near `level`. */
export function values(level: number, count = 200, seed = 1): Float64Array {
  const random = randomSource(seed);
  return Float64Array.from({ length: count }, () => Math.min(1, Math.max(0, level + (random.nextBelow(1001) - 500) / 2500)));
}

export interface Measured {
  readonly own: Float64Array;
  /** Of each seed, where there are several: the differences of the values from `own`. */
  readonly seeds?: readonly number[];
  readonly baselines?: Readonly<Record<string, Float64Array>>;
  readonly resamples?: number;
}

/** What a run writes of a retrieval with mAP and medianRank, both ways round alike. */
export function result({ own, seeds, baselines = {}, resamples = 200 }: Measured, run = "run"): VariantResult {
  const options = { resamples, seed: 0 };
  const drawn = bootstrap(own.length, { cmcr: meanStatistic(own), ...Object.fromEntries(Object.entries(baselines).map(([name, of]) => [name, meanStatistic(of)])) }, options);
  const mine = drawn.cmcr;
  const perSeed = seeds?.map((shift) => mine.value + shift);
  const spread = perSeed === undefined ? {} : { std: 0.01, seeds: perSeed };
  const rank = { ...mine, value: 1 / mine.value };
  const others = Object.entries(drawn).filter(([name]) => name !== "cmcr");
  const results = {
    cmcr: { mAP: { ...estimateOf(mine), ...spread }, medianRank: estimateOf(rank) },
    ...Object.fromEntries(others.map(([name, estimate]) => [name, { mAP: estimateOf(estimate) }])),
  };
  const differences = Object.fromEntries(others.map(([name, estimate]) => [name, { mAP: estimateOf(pairedDifference(mine, estimate)) }]));
  const replicates = { mAP: Array.from(mine.replicates), medianRank: Array.from(mine.replicates, (value) => 1 / value) };
  const each = { mAP: perSeed ?? [mine.value], medianRank: [rank.value] };
  return {
    metrics: {
      schemaVersion: 1,
      run,
      seed: 0,
      tasks: [
        {
          name: "sound-image",
          task: "retrieval",
          queries: own.length,
          gallery: own.length,
          leftOut: { queries: 0, gallery: 0 },
          results,
          reverse: results,
          differences: { results: differences, reverse: differences },
          notes: [],
        },
      ],
    },
    bootstrap: {
      schemaVersion: 1,
      run,
      seeds: [0],
      tasks: { "sound-image": { task: "retrieval", truth: "t", draws: mine.draws, results: replicates, reverse: replicates, reverseDraws: mine.draws, values: { results: each, reverse: each } } },
    },
  };
}
