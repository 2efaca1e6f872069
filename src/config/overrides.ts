import { parse } from "yaml";

import { usageError, type CmcrError } from "../errors.js";
import { describeValue, pathText, valueAt, type FieldPath, type Locate, type Place } from "./mistake.js";

/** One change of a field of an experiment file: `--set path.to.field=value`, or a line of a sweep. */
export interface Override {
  /** Where it stands: the option as written, or a place in the sweep's file. */
  readonly place: Place;
  readonly path: FieldPath;
  readonly value: unknown;
}

type Container = Record<string, unknown> | unknown[];

/**
 * Reads `path.to.field=value`; the value is a YAML scalar, or a list or map in flow style.
 * @throws CmcrError (exit 2) when there is no `=`, no path, or no YAML after it.
 */
export function readOverride(text: string): Override {
  const place = { text: `--set ${text}`, offset: Number.MAX_SAFE_INTEGER };
  const equals = text.indexOf("=");
  const path = equals < 0 ? [] : text.slice(0, equals).trim().split(".");
  if (path.length === 0 || path.some((step) => step === "")) {
    throw refused(place, "expected path.to.field=value, such as connect.epochs=12", { reason: "BAD_OVERRIDE", path: "--set" });
  }
  try {
    const value: unknown = parse(text.slice(equals + 1), { strict: true, uniqueKeys: true, logLevel: "error", prettyErrors: false, maxAliasCount: 0 });
    JSON.stringify(value);
    return { place, path, value };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw refused(place, `expected a YAML value after =, found a mistake in it: ${why}`, { reason: "BAD_YAML", path: path.join("."), cause: error });
  }
}

function refused(place: Place, why: string, options: { readonly reason: string; readonly path: string; readonly cause?: unknown }): CmcrError {
  const message = `${place.text}: ${why}`;
  return usageError(message, { ...options, details: [message] });
}

/**
 * The file's value with the overrides in it, later ones last, and a warning for
 * each value that another one replaces. The file's own value stays as it is.
 * @throws CmcrError (exit 2) when a path leads into something that is no map or list.
 */
export function applyOverrides(value: unknown, overrides: readonly Override[], locate: Locate): { value: unknown; warnings: string[] } {
  const root: unknown = structuredClone(value);
  const warnings: string[] = [];
  const done: Override[] = [];
  for (const override of overrides) {
    const replaced = setAt(root, override);
    if (replaced !== undefined) {
      const before = overridingAt(done, override.path);
      const place = before?.place.text ?? locate(override.path, "value").text;
      warnings.push(`${pathText(override.path)}: --set replaces ${briefly(replaced)} (${place}) by ${briefly(override.value)}`);
    }
    const rival = removeRival(root, override, done);
    if (rival !== undefined) warnings.push(`${rival}: --set ${pathText(override.path)} takes its place (${locate([rival], "value").text})`);
    done.push(override);
  }
  return { value: root, warnings };
}

/** Fields of which a file has one or the other. */
const RIVALS: Readonly<Record<string, string>> = { seed: "seeds", seeds: "seed" };

/** Takes out what the file has where its rival is set now: its name, if it was there and no override has set it too. */
function removeRival(root: unknown, { path: [field = ""] }: Override, done: readonly Override[]): string | undefined {
  const rival = Object.hasOwn(RIVALS, field) ? RIVALS[field] : undefined;
  if (rival === undefined || typeof root !== "object" || root === null || !Object.hasOwn(root, rival) || done.some(({ path }) => path[0] === rival)) return undefined;
  Reflect.deleteProperty(root, rival);
  return rival;
}

function briefly(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : describeValue(value);
}

/** Puts the value in its place and gives back what stood there. */
function setAt(root: unknown, override: Override): unknown {
  let here: Container = asContainer(root, override, 0);
  for (const [depth, step] of override.path.entries()) {
    const key = keyOf(here, step, override, depth);
    const before = read(here, key);
    if (depth === override.path.length - 1) {
      write(here, key, override.value);
      return before;
    }
    // What is absent or switched off can be switched on by setting a field of it.
    if (before === undefined || before === null || before === false) {
      const fresh = {};
      write(here, key, fresh);
      here = fresh;
    } else {
      here = asContainer(before, override, depth + 1);
    }
  }
  return undefined;
}

function asContainer(value: unknown, override: Override, depth: number): Container {
  if (typeof value === "object" && value !== null) return value as Container;
  const parent = pathText(override.path.slice(0, depth));
  throw refused(override.place, `expected a map or a list at ${parent === "" ? "the root" : parent}, found ${describeValue(value)}`, {
    reason: "UNKNOWN_FIELD",
    path: pathText(override.path),
  });
}

function keyOf(container: Container, step: string | number, override: Override, depth: number): string | number {
  if (!Array.isArray(container)) return step;
  const index = /^\d+$/.test(String(step)) ? Number(step) : -1;
  if (index >= 0 && index < container.length) return index;
  const parent = pathText(override.path.slice(0, depth));
  const range = container.length === 0 ? "an empty list has none" : `0 to ${container.length - 1}`;
  throw refused(override.place, `expected an index into ${parent} (${range}), found "${step}"`, {
    reason: "UNKNOWN_FIELD",
    path: pathText(override.path),
  });
}

function read(container: Container, key: string | number): unknown {
  return Object.hasOwn(container, key) ? (container as Readonly<Record<string | number, unknown>>)[key] : undefined;
}

function write(container: Container, key: string | number, value: unknown): void {
  // Not by assignment, to which a key such as __proto__ would mean something else.
  Object.defineProperty(container, key, { value, enumerable: true, configurable: true, writable: true });
}

function overridingAt(overrides: readonly Override[], path: FieldPath): Override | undefined {
  return overrides.findLast((override) => override.path.every((step, index) => step === String(path[index])));
}

/** Places of a file with overrides: what was set, or came to be by it, points to where that stands; all else to its line. */
export function locateWithOverrides(locate: Locate, overrides: readonly Override[], original: unknown): Locate {
  return (path, part) => {
    const override = overridingAt(overrides, path) ?? creatingAt(overrides, path, original);
    return override?.place ?? locate(path, part);
  };
}

/** The override that made a map which the file does not have, to put its value into. */
function creatingAt(overrides: readonly Override[], path: FieldPath, original: unknown): Override | undefined {
  const within = overrides.findLast((override) => path.every((step, index) => String(step) === override.path[index]));
  return within === undefined || valueAt(original, path) !== undefined ? undefined : within;
}
