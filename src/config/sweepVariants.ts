import type { FieldPath, Mistake } from "./mistake.js";
import { describeValue, valueAt } from "./mistake.js";
import { suggestion } from "./nearest.js";
import type { SweepFields } from "./sweep.js";

/** One field that a variant changes. */
export interface Change {
  /** Of the experiment. */
  readonly path: readonly string[];
  readonly value: unknown;
  /** Where the sweep's file says so. */
  readonly at: FieldPath;
}

/** A variant before it is compiled. */
export interface VariantSpec {
  /** As the table shows it; no two have the same. */
  readonly name: string;
  /** Where the sweep's file has it. */
  readonly at: FieldPath;
  /** Its own changes, without those of every variant. */
  readonly changes: readonly Change[];
  readonly from: "list" | "grid";
}

/** More combinations than this are taken for a mistake. */
export const MOST_VARIANTS = 2_000;
/** From so many on it is said how many there are. */
export const MANY_VARIANTS = 200;

type Report = (mistake: Mistake) => void;
type Map = Readonly<Record<string, unknown>>;

/**
 * The single changes of a `set`. A dotted key sets exactly what it names; a map below a plain
 * key goes into what `base`, the experiment so far, has there, field by field.
 */
export function changesOf(set: Map, at: FieldPath, base: unknown, report: Report): readonly Change[] {
  const changes: Change[] = [];
  const visit = (map: Map, path: readonly string[], place: FieldPath): void => {
    for (const [key, value] of Object.entries(map)) {
      const steps = key.split(".");
      const here = [...path, ...steps];
      const there = [...place, key];
      if (steps.some((step) => step.trim() === "")) {
        report({ path: there, reason: "IMPOSSIBLE_VALUE", expected: "the path of a field, such as connect.epochs", found: JSON.stringify(key) });
      } else if (steps.length === 1 && isMap(value) && Object.keys(value).length > 0 && goesInto(valueAt(base, here))) visit(value, here, there);
      else changes.push({ path: here, value, at: there });
    }
  };
  visit(set, [], at);
  return changes;
}

/** Whether fields can be set within a value: a map or list, or what is absent or switched off. */
function goesInto(value: unknown): boolean {
  return value === undefined || value === null || value === false || typeof value === "object";
}

function isMap(value: unknown): value is Map {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The variants of the list, and then those of the grid. */
export function expandVariants(fields: Pick<SweepFields, "variants" | "grid">, base: unknown, report: Report): readonly VariantSpec[] {
  const { variants = [], grid = {} } = fields;
  if (variants.length === 0 && Object.keys(grid).length === 0) {
    report({ path: [], reason: "MISSING_FIELD", expected: "variants, a grid or both", found: "neither" });
    return [];
  }
  const listed = variants.map(({ name, set }, index): VariantSpec => {
    const at = ["variants", index];
    return { name, at, changes: changesOf(set, [...at, "set"], base, report), from: "list" };
  });
  const specs = [...listed, ...expandGrid(grid, report)];
  const seen = new Set<string>();
  for (const { name, at, from } of specs) {
    if (seen.has(name)) {
      report({ path: from === "list" ? [...at, "name"] : at, reason: "IMPOSSIBLE_VALUE", expected: "a name of its own for each variant", found: `${JSON.stringify(name)} again` });
    }
    seen.add(name);
  }
  return specs;
}

/** Every combination of the grid's values, the last field changing fastest. */
function expandGrid(grid: Readonly<Record<string, readonly unknown[]>>, report: Report): readonly VariantSpec[] {
  const axes = Object.entries(grid);
  if (axes.length === 0) return [];
  for (const [field, values] of axes) {
    const texts = values.map((value) => JSON.stringify(value));
    const again = texts.findIndex((text, index) => texts.indexOf(text) < index);
    if (again >= 0) report({ path: ["grid", field, again], reason: "IMPOSSIBLE_VALUE", expected: "each value once", found: `${describeValue(values[again])} again` });
  }
  const count = axes.reduce((product, [, values]) => product * values.length, 1);
  if (count > MOST_VARIANTS) {
    report({ path: ["grid"], reason: "IMPOSSIBLE_VALUE", expected: `at most ${MOST_VARIANTS} combinations`, found: `${count}` });
    return [];
  }
  let points: readonly (readonly Change[])[] = [[]];
  for (const [field, values] of axes) {
    points = points.flatMap((point) => values.map((value, index) => [...point, { path: field.split("."), value, at: ["grid", field, index] }]));
  }
  const names = numbered(points.map((changes) => changes.map(changeText).join(", ")));
  return points.map((changes, index) => ({ name: names[index] ?? "", at: ["grid"], changes, from: "grid" as const }));
}

const LONGEST_VALUE = 40;

/** A change in a few words, such as `loss.intra.weight=0.1`: the path without its section. */
export function changeText({ path, value }: Pick<Change, "path" | "value">): string {
  return `${(path.length > 1 ? path.slice(1) : path).join(".")}=${valueText(value)}`;
}

/** A value as a name has it; long ones cut. */
export function valueText(value: unknown): string {
  const text = plain(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text;
}

function plain(value: unknown): string {
  if (typeof value === "string") return value.replaceAll(/\s+/g, " ");
  if (Array.isArray(value)) return `[${value.map(plain).join(", ")}]`;
  if (isMap(value)) return `{${Object.entries(value).map(([key, item]) => `${key}: ${plain(item)}`).join(", ")}}`;
  return value === null || value === undefined ? "none" : JSON.stringify(value);
}

/** Cut names may be the same: the second one gets a number, and so on. */
function numbered(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let number = 2; taken.has(own); number += 1) own = `${name} (${number})`;
    taken.add(own);
    return own;
  });
}

const LONGEST_FOLDER = 80;

/** A name for each variant's folder: letters, digits, dots, - and _ alone, each once, on any file system. */
export function folderNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const ascii = name.normalize("NFKD").replaceAll(/\p{M}/gu, "");
    const words = ascii.replaceAll(/[^A-Za-z0-9._]+/g, "-").replaceAll(/^[-._]+|[-._]+$/g, "").slice(0, LONGEST_FOLDER);
    const base = words === "" ? "variant" : words;
    let own = base;
    for (let number = 2; taken.has(own.toLowerCase()); number += 1) own = `${base}-${number}`;
    taken.add(own.toLowerCase());
    return own;
  });
}

/** The name of the variant that the others are compared with. */
export function referenceName(reference: string | undefined, specs: readonly VariantSpec[], report: Report): string {
  const names = specs.map(({ name }) => name);
  if (reference === undefined || names.includes(reference)) return reference ?? names[0] ?? "";
  report({ path: ["reference"], reason: "UNKNOWN_NAME", expected: "the name of a variant", found: JSON.stringify(reference), hint: suggestion(reference, names) });
  return reference;
}
