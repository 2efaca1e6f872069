import type { CompiledCollection, CompiledExperiment } from "./compiled.js";
import type { FieldPath } from "./mistake.js";
import type { NamedFile } from "./namedFiles.js";

/** Counts and dimensions, as far as the experiment and its files tell them. */
export interface DataFacts {
  /** Items of each collection; absent where only encoding will tell. */
  readonly rows: ReadonlyMap<string, number>;
  /** Dimension of each space of which embeddings are given. */
  readonly dimensions: ReadonlyMap<string, number>;
}

/** Something wrong with a named file, or with how files fit together. */
export interface FileFault {
  readonly field: FieldPath;
  readonly reason: string;
  readonly message: string;
  /** Whether data are at fault, or else a setting. */
  readonly inFile: boolean;
  /** The path where nothing was found. */
  readonly missing?: string;
}

/** A file that was opened, with its array's header where it has an array. */
export interface OpenedFile extends NamedFile {
  readonly header: ArrayHeader | null;
}

export interface ArrayHeader {
  readonly dtype: string;
  readonly shape: readonly number[];
}

type Report = (fault: FileFault) => void;

const FLOATS = ["float16", "float32"];
const INTEGER = /^u?int(8|16|32|64)$/;

/**
 * Holds the headers of arrays against each other: embeddings (n, d) of one d in
 * each space, one n in each collection, labels (n,). Returns the counts and
 * dimensions; those of a file at fault are left out.
 */
export function checkFit(experiment: CompiledExperiment, files: readonly OpenedFile[], report: Report): DataFacts {
  const rows = new Map<string, Known>();
  for (const collection of Object.values(experiment.data)) {
    const count = countWithoutFiles(collection);
    if (count !== null) rows.set(collection.name, { value: count, by: `data.${collection.name}.source` });
  }
  const dimensions = new Map<string, Known>();
  for (const { path, field, use, header } of files) {
    if (use.kind !== "embeddings" || header === null || !isMatrix(header, path, field, report)) continue;
    const [n = 0, d = 0] = header.shape;
    agree(dimensions, use.space, d, path, (known) => {
      report(shapeFault(field, `${path}: expected ${known.value} dimensions, as ${known.by} has them in the space ${use.space}, found ${d}`));
    });
    agree(rows, use.collection, n, path, (known) => {
      report(shapeFault(field, `${path}: expected ${known.value} rows, one for each item of ${use.collection}, as ${known.by} has them, found ${n}`));
    });
  }
  for (const { path, field, use, header } of files) {
    if (use.kind === "labels" && header !== null) checkLabels(header, rows.get(use.collection), path, field, report);
    if (use.kind === "boxes" && header !== null) checkLists("boxes", header, rows.get(use.collection), path, field, report);
    if (use.kind === "regions" && header !== null) checkLists("regions", header, rows.get(use.collection), path, field, report);
  }
  const facts = { rows: values(rows), dimensions: values(dimensions) };
  checkRowPairs(experiment, facts, report);
  checkBatch(experiment, facts, report);
  return facts;
}

/** A number, and what said it first. */
interface Known {
  readonly value: number;
  readonly by: string;
}

function values(known: ReadonlyMap<string, Known>): Map<string, number> {
  return new Map([...known].map(([name, { value }]) => [name, value]));
}

function agree(known: Map<string, Known>, name: string, value: number, by: string, disagree: (known: Known) => void): void {
  const before = known.get(name);
  if (before === undefined) known.set(name, { value, by });
  else if (before.value !== value) disagree(before);
}

function countWithoutFiles({ source }: CompiledCollection): number | null {
  if (source?.type === "inline") return source.items.length;
  return source?.type === "builtin" ? source.count : null;
}

function shapeFault(field: FieldPath, message: string): FileFault {
  return { field, reason: "SHAPE_MISMATCH", message, inFile: true };
}

function dtypeFault(field: FieldPath, message: string): FileFault {
  return { field, reason: "DTYPE_MISMATCH", message, inFile: true };
}

function shapeText(shape: readonly number[]): string {
  return `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
}

function isMatrix({ dtype, shape }: ArrayHeader, path: string, field: FieldPath, report: Report): boolean {
  if (!FLOATS.includes(dtype)) {
    report(dtypeFault(field, `${path}: expected float16 or float32, found ${dtype}. Write it with array.astype("float32")`));
    return false;
  }
  const [n = 0, d = 0] = shape;
  if (shape.length === 2 && n > 0 && d > 0) return true;
  report(shapeFault(field, `${path}: expected embeddings of shape (n, d), one row for each item, found shape ${shapeText(shape)}`));
  return false;
}

function checkLabels({ dtype, shape }: ArrayHeader, rows: Known | undefined, path: string, field: FieldPath, report: Report): void {
  if (!INTEGER.test(dtype)) {
    report(dtypeFault(field, `${path}: expected integer labels, found ${dtype}. Write it with array.astype("int64")`));
  } else if (shape.length !== 1) {
    report(shapeFault(field, `${path}: expected labels of shape (n,), found shape ${shapeText(shape)}`));
  } else if (rows !== undefined && shape[0] !== rows.value) {
    report(shapeFault(field, `${path}: expected ${rows.value} labels, one for each row of ${rows.by}, found ${shape[0] ?? 0}`));
  }
}

/** A file of lists of boxes, whose shape is their number. */
function checkLists(what: string, { shape }: ArrayHeader, rows: Known | undefined, path: string, field: FieldPath, report: Report): void {
  if (rows === undefined || shape[0] === rows.value) return;
  report(shapeFault(field, `${path}: expected ${what} of ${rows.value} items, a list for each item of ${rows.by}, found ${shape[0] ?? 0}`));
}

function checkRowPairs(experiment: CompiledExperiment, { rows }: DataFacts, report: Report): void {
  for (const [index, task] of experiment.evaluate.entries()) {
    if (task.task === "localization" || task.task === "counterfactual") {
      const [sounds, images] = [rows.get(task.query.data), rows.get(task.image.data)];
      if (sounds === undefined || images === undefined || sounds === images) continue;
      report(shapeFault(["evaluate", index, "image"], `expected as many images as sounds, as sound i belongs to image i, found ${sounds} items of ${task.query.data} and ${images} of ${task.image.data}`));
      continue;
    }
    if (task.task !== "retrieval" || task.relevance.kind !== "rows") continue;
    const queries = rows.get(task.query.data);
    const gallery = rows.get(task.gallery.data);
    if (queries === undefined || gallery === undefined || queries === gallery) continue;
    const found = `${queries} rows of ${task.query.data} and ${gallery} of ${task.gallery.data}`;
    report(shapeFault(["evaluate", index, "relevance"], `expected as many queries as gallery items for relevance: rows, found ${found}`));
  }
}

function checkBatch({ connect }: CompiledExperiment, { rows }: DataFacts, report: Report): void {
  if (connect.method === "imported") return;
  const queries = rows.get(connect.overlap);
  if (queries === undefined || queries >= connect.batchSize || (connect.lastBatch === "keep" && queries >= 2)) return;
  const hint = "Set connect.batchSize to that number or less, set connect.lastBatch to keep, or give more overlap items";
  report({
    field: ["connect", "batchSize"],
    reason: "IMPOSSIBLE_VALUE",
    message: `expected at most ${queries}, the number of items of ${connect.overlap}, found ${connect.batchSize}. ${hint}`,
    inFile: false,
  });
}
