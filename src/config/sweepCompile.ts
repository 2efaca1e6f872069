import { dirname } from "node:path";

import { CmcrError } from "../errors.js";
import { changedText } from "./changedText.js";
import type { CompiledExperiment } from "./compiled.js";
import { readDocument, type SourceDocument } from "./document.js";
import { parseDocument, type ParsedExperiment } from "./load.js";
import { type Locate, type Mistake, mistakesError, pathText, type Place } from "./mistake.js";
import { applyOverrides, locateWithOverrides, type Override, readOverride } from "./overrides.js";
import type { SweepFields } from "./sweep.js";
import { type SweepMetric, sweepMetrics } from "./sweepMetrics.js";
import { type Change, changesOf, expandVariants, folderNames, MANY_VARIANTS, referenceName, type VariantSpec } from "./sweepVariants.js";

/** A variant, compiled. */
export interface SweepVariant {
  /** As the table shows it. */
  readonly name: string;
  /** Name of its run's folder. */
  readonly folder: string;
  /** Its own changes, without those of every variant. */
  readonly changes: readonly { readonly path: string; readonly value: unknown }[];
  readonly experiment: CompiledExperiment;
  /** The text of its experiment file. */
  readonly source: string;
}

/** A sweep with all its variants. */
export interface CompiledSweep {
  readonly name: string;
  readonly parallel: SweepFields["parallel"];
  readonly variants: readonly SweepVariant[];
  /** The name of the variant that the others are compared with. */
  readonly reference: string;
  readonly metrics: readonly SweepMetric[];
}

/** A sweep file that is right in itself. */
export interface SweepFile {
  readonly fields: SweepFields;
  readonly locate: Locate;
}

/** A sweep that is right, as are all its variants. */
export interface ParsedSweep {
  readonly sweep: CompiledSweep;
  /** The experiment with the changes of every variant alone. */
  readonly base: ParsedExperiment;
  /** What is odd but no mistake. One line each. */
  readonly warnings: readonly string[];
  /** The places of each variant's fields, and its named folders. */
  readonly places: ReadonlyMap<SweepVariant, Pick<ParsedExperiment, "locate" | "folders">>;
}

/** Many variants may have the same mistake. */
const MOST_REPORTED = 20;

/**
 * Compiles every variant of a sweep, without a look at the disk. `set` changes the experiment
 * that is varied: after the sweep's own changes to all, and before those of a variant.
 * @throws CmcrError (exit 2) that lists the mistakes of all variants.
 */
export function compileSweep({ fields, locate }: SweepFile, experiment: { readonly text: string; readonly path: string }, set: readonly string[]): ParsedSweep {
  const document = readDocument(experiment.text, experiment.path);
  const folder = dirname(experiment.path);
  const mistakes: Mistake[] = [];
  const report = (mistake: Mistake): void => void mistakes.push(mistake);
  const toOverride = ({ path, value, at }: Change): Override => ({ path, value, place: locate(at, "value") });

  const seeds: readonly Change[] = fields.seeds === undefined ? [] : [{ path: ["seeds"], value: fields.seeds, at: ["seeds"] }];
  const own = [...changesOf(fields.set, ["set"], document.value, report), ...seeds].map(toOverride);
  if (mistakes.length > 0) throw mistakesError(mistakes, locate);
  const given = set.map(readOverride);
  const shared = [...own, ...given];
  const base = parseDocument(document, shared, folder);
  const varied = applyOverrides(document.value, own, document.locate).value;
  const { value, warnings: replaced } = applyOverrides(varied, given, locateWithOverrides(document.locate, own, document.value));

  const specs = expandVariants(fields, value, report);
  const reference = referenceName(fields.reference, specs, report);
  const metrics = sweepMetrics(fields.metrics, base.experiment, report);
  if (mistakes.length > 0) throw mistakesError(mistakes, locate);

  const compiled = compileVariants(specs, { document, folder, text: experiment.text, shared, value, toOverride });
  return {
    sweep: { name: fields.name, parallel: fields.parallel, variants: compiled.map(({ variant }) => variant), reference, metrics },
    base,
    warnings: [...replaced, ...base.oddities, ...oddVariants(compiled, base)],
    places: new Map(compiled.map(({ variant, parsed }) => [variant, parsed])),
  };
}

/** One error for those of several variants; none: nothing is thrown. */
export function refuseAny(errors: readonly CmcrError[]): void {
  const [first] = errors;
  if (first === undefined) return;
  const lines = [...new Set(errors.flatMap(({ message, details }) => (details.length === 0 ? [message] : details)))];
  const { message, code, reason, path } = first;
  throw new CmcrError(message, { code, reason, ...(path === undefined ? {} : { path }), details: lines.slice(0, MOST_REPORTED), cause: first });
}

interface CompiledVariant {
  readonly spec: VariantSpec;
  readonly variant: SweepVariant;
  readonly parsed: ParsedExperiment;
}

interface Base {
  readonly document: SourceDocument;
  readonly text: string;
  readonly folder: string;
  /** Changes to every variant. */
  readonly shared: readonly Override[];
  /** The experiment's value with them. */
  readonly value: unknown;
  readonly toOverride: (change: Change) => Override;
}

function compileVariants(specs: readonly VariantSpec[], base: Base): readonly CompiledVariant[] {
  const folders = folderNames(specs.map(({ name }) => name));
  const compiled: CompiledVariant[] = [];
  const faults: CmcrError[] = [];
  for (const [index, spec] of specs.entries()) {
    try {
      compiled.push(compileVariant(spec, folders[index] ?? "", base));
    } catch (error) {
      if (!(error instanceof CmcrError)) throw error;
      faults.push(error);
    }
  }
  refuseAny(faults);
  return compiled;
}

function compileVariant(spec: VariantSpec, folder: string, { document, text, folder: from, shared, value, toOverride }: Base): CompiledVariant {
  const named = (place: Place): Place => ({ ...place, text: `${place.text} (variant ${JSON.stringify(spec.name)})` });
  const name: Override = { path: ["name"], value: folder, place: document.locate(["name"], "value") };
  const own = [...spec.changes.map(toOverride), name].map((override) => ({ ...override, place: named(override.place) }));
  const changes = [...shared.map((override) => ({ ...override, place: named(override.place) })), ...own];
  const parsed = parseDocument({ ...document, locate: (path, part) => named(document.locate(path, part)) }, changes, from);
  const head = `# The variant ${JSON.stringify(spec.name)} of a sweep. Relative paths start from ${from}.\n`;
  return {
    spec,
    parsed,
    variant: {
      name: spec.name,
      folder,
      changes: spec.changes.map((change) => ({ path: pathText(change.path), value: change.value })),
      experiment: parsed.experiment,
      source: head + changedText(text, changes, applyOverrides(value, own, document.locate).value),
    },
  };
}

/** What of the variants is odd: too many, the same twice, changes that change nothing, names that nothing uses. */
function oddVariants(variants: readonly CompiledVariant[], base: ParsedExperiment): readonly string[] {
  const essence = (experiment: CompiledExperiment): string => JSON.stringify({ ...experiment, name: "" });
  const warnings: string[] = [];
  if (variants.length > MANY_VARIANTS) warnings.push(`there are ${variants.length} variants: is the grid meant to be that large?`);
  const unchanged = essence(base.experiment);
  const seen = new Map<string, string>();
  for (const { spec, parsed } of variants) {
    const found = essence(parsed.experiment);
    const before = seen.get(found);
    const named = spec.changes.some(({ path }) => pathText(path) === "name");
    if (named) warnings.push(`the variant ${JSON.stringify(spec.name)} sets name, which is ignored: a variant's name is the one that the sweep gives it`);
    if (named && spec.changes.length === 1) continue;
    if (found === unchanged && spec.from === "list" && spec.changes.length > 0) {
      warnings.push(`the variant ${JSON.stringify(spec.name)} changes nothing: the experiment has ${listed(spec.changes)} already, or a default that is the same`);
    } else if (before !== undefined) warnings.push(`the variant ${JSON.stringify(spec.name)} is the same experiment as ${JSON.stringify(before)}`);
    if (before === undefined) seen.set(found, spec.name);
    warnings.push(...parsed.oddities.filter((oddity) => !base.oddities.includes(oddity)).map((oddity) => `${oddity} (variant ${JSON.stringify(spec.name)})`));
  }
  return warnings;
}

function listed(changes: readonly Change[]): string {
  return changes.map(({ path }) => pathText(path)).join(" and ");
}
