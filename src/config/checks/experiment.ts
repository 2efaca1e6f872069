import { collectionSchema, GENERATED_BOXES, type UserCollection } from "../collection.js";
import type { ConnectedSpaces } from "../methods/definition.js";
import { methods } from "../methods/registry.js";
import type { Mistake } from "../mistake.js";
import { nearestHint } from "../nearest.js";
import { providers, spaceSchema, type UserSpace } from "../providers/registry.js";
import { rawField, rawItems, salvageEntries } from "../salvage.js";
import { checkGeneratedBoxes } from "../sources/builtin.js";
import { sources } from "../sources/registry.js";
import { tasks } from "../tasks/registry.js";
import { checkWorker, workerSchema } from "../worker.js";
import type { CheckContext } from "./context.js";
import { checkName } from "./references.js";

/** What the checks across sections found. */
export interface Findings {
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly string[];
}

/**
 * Checks what no section can know alone: names, ways into a space, labels,
 * baselines. Works on the raw value, so that all mistakes come at once; parts
 * that are wrong in themselves are left to the schema.
 */
export function checkExperiment(raw: unknown): Findings {
  const mistakes: Mistake[] = [];
  const warnings: string[] = [];
  const used = { spaces: new Set<string>(), data: new Set<string>() };
  const context: CheckContext = {
    spaces: salvageEntries<typeof spaceSchema>(spaceSchema, rawField(raw, "spaces")),
    data: salvageEntries<typeof collectionSchema>(collectionSchema, rawField(raw, "data")),
    report: (mistake) => mistakes.push(mistake),
    warn: (warning) => warnings.push(warning),
    use: (kind, name) => used[kind].add(name),
  };
  const worker = workerSchema.safeParse(rawField(raw, "worker") ?? {});
  if (worker.success) checkWorker(worker.data, context);
  for (const [name, space] of context.spaces) checkSpace(name, space, context);
  for (const [name, collection] of context.data) checkCollection(name, collection, context);
  checkSeeds(raw, context);
  const connected = checkConnect(rawField(raw, "connect"), context);
  checkTasks(rawItems(rawField(raw, "evaluate")), connected, context);
  for (const kind of ["spaces", "data"] as const) {
    for (const name of context[kind].keys()) {
      if (!used[kind].has(name)) warnings.push(`${kind}.${name}: nothing uses it`);
    }
  }
  return { mistakes, warnings };
}

/** One seed or several, and several only where something is drawn. */
function checkSeeds(raw: unknown, context: CheckContext): void {
  const seeds = rawField(raw, "seeds");
  if (seeds === undefined) return;
  if (rawField(raw, "seed") !== undefined) {
    context.report({
      path: ["seeds"],
      reason: "IMPOSSIBLE_VALUE",
      expected: "either seed or seeds",
      found: "both",
      hint: "Leave seed out: the first of the seeds takes its place.",
    });
  }
  if (Array.isArray(seeds) && seeds.length > 1 && rawField(rawField(raw, "connect"), "method") === "imported") {
    context.report({
      path: ["seeds"],
      reason: "IMPOSSIBLE_VALUE",
      expected: "one seed, as imported projectors are the same with each",
      found: `${seeds.length} seeds`,
    });
  }
}

function checkSpace(name: string, space: UserSpace | null, context: CheckContext): void {
  if (space !== null) providers.get(space.provider).check(space, ["spaces", name], context);
}

function checkCollection(name: string, collection: UserCollection | null, context: CheckContext): void {
  if (collection === null) return;
  const path = ["data", name];
  for (const space of Object.keys(collection.embeddings)) checkEmbeddingsKey(space, [...path, "embeddings", space], context);
  const { source, labels, boxes, modality } = collection;
  if (source !== undefined) sources.get(source.type).check(source, [...path, "source"], context);
  const delivered = source === undefined ? undefined : sources.get(source.type).delivers(source);
  if (source !== undefined && delivered !== undefined && !delivered.includes(modality)) {
    context.report({
      path: [...path, "source"],
      reason: "IMPOSSIBLE_VALUE",
      expected: `a source that delivers ${modality}`,
      found: `${source.type}, which delivers ${delivered.join(", ")}`,
    });
  }
  const attributes = source === undefined ? [] : sources.get(source.type).attributes(source);
  if (labels !== undefined && typeof labels !== "string") checkAttribute(labels.attribute, attributes, "a .npy file of labels", [...path, "labels", "attribute"], context);
  if (boxes === undefined || typeof boxes === "string") return;
  const known = source?.type === "builtin" ? [GENERATED_BOXES] : attributes;
  checkAttribute(boxes.attribute, known, "a .json file of boxes", [...path, "boxes", "attribute"], context);
  if (source?.type === "builtin") checkGeneratedBoxes(source, [...path, "boxes"], context);
}

function checkAttribute(attribute: string, known: readonly string[], otherwise: string, path: readonly string[], context: CheckContext): void {
  if (known.includes(attribute)) return;
  context.report({
    path,
    reason: "UNKNOWN_NAME",
    expected: known.length === 0 ? `${otherwise}, as these items have no attributes` : `one of ${known.join(", ")}`,
    found: JSON.stringify(attribute),
    ...nearestHint(attribute, known),
  });
}

/** Embeddings under a space's name do not make the space used. */
function checkEmbeddingsKey(space: string, path: readonly string[], context: CheckContext): void {
  checkName("spaces", space, path, { ...context, use: () => undefined });
}

function checkConnect(raw: unknown, context: CheckContext): ConnectedSpaces {
  const method = rawField(raw, "method");
  if (typeof method !== "string" || !methods.names.includes(method)) return { spaces: undefined, pseudoPairs: undefined, fits: undefined };
  return methods.get(method).check(raw, context);
}

function checkTasks(items: readonly unknown[], connected: ConnectedSpaces, context: CheckContext): void {
  const seen = new Set<string>();
  for (const [index, raw] of items.entries()) {
    const path = ["evaluate", index];
    const name = rawField(raw, "name");
    if (typeof name === "string" && seen.has(name)) {
      context.report({ path: [...path, "name"], reason: "IMPOSSIBLE_VALUE", expected: "a name of its own for each task", found: `${JSON.stringify(name)} again` });
    }
    if (typeof name === "string") seen.add(name);
    const kind = rawField(raw, "task");
    if (typeof kind === "string" && tasks.names.includes(kind)) tasks.get(kind).check(raw, { path, connected, context });
  }
}
