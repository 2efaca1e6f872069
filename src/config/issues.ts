import type { z } from "zod";

import { knownFields } from "./knownFields.js";
import { alternatives, describeValue, valueAt, type Mistake } from "./mistake.js";
import { nearestHint } from "./nearest.js";

type Issue = z.core.$ZodIssue;
type Path = (string | number)[];

/** What zod found wrong with a value, in this project's words: expected, found, and the nearest known name. */
export function mistakesOf(issues: readonly Issue[], schema: z.ZodType, value: unknown): Mistake[] {
  return issues.flatMap((issue) => translate(issue, [], { schema, value }));
}

interface Whole {
  readonly schema: z.ZodType;
  readonly value: unknown;
}

function translate(issue: Issue, prefix: Path, whole: Whole): Mistake[] {
  const path = [...prefix, ...issue.path.map((step) => (typeof step === "symbol" ? String(step) : step))];
  const found = valueAt(whole.value, path);
  if (found === undefined && issue.code !== "custom") {
    return [{ path, reason: "MISSING_FIELD", expected: phrase(issue), found: "nothing" }];
  }
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownFields(whole.schema, path, whole.value);
      return issue.keys.map((key) => ({
        path: [...path, key],
        reason: "UNKNOWN_FIELD",
        expected: known.length === 0 ? "no field" : `one of the fields ${known.join(", ")}`,
        found: JSON.stringify(key),
        ...nearestHint(key, known),
      }));
    }
    case "invalid_union":
      return translateUnion(issue, path, whole);
    case "invalid_value":
      return [wrongChoice(issue.values.map(String), phrase(issue), path, found)];
    case "invalid_key": {
      const [first] = issue.issues;
      return [{ path, reason: "IMPOSSIBLE_VALUE", expected: first === undefined ? "a name" : phrase(first), found: JSON.stringify(path.at(-1)) }];
    }
    case "invalid_type":
      return [wrongType(phrase(issue), path, found)];
    default:
      return [{ path, reason: "IMPOSSIBLE_VALUE", expected: phrase(issue), found: issue.code === "custom" ? describeFully(found) : describeValue(found) }];
  }
}

function wrongType(expected: string, path: Path, found: unknown): Mistake {
  const notFinite = typeof found === "number" && !Number.isFinite(found);
  const mistake: Mistake = { path, reason: notFinite ? "IMPOSSIBLE_VALUE" : "WRONG_TYPE", expected, found: describeValue(found) };
  if (describeValue(found) !== "a schedule") return mistake;
  return { ...mistake, hint: "This field cannot change over time." };
}

function wrongChoice(choices: readonly string[], expected: string, path: Path, found: unknown): Mistake {
  if (typeof found === "string" && choices.length > 1) {
    return { path, reason: "UNKNOWN_NAME", expected, found: describeValue(found), ...nearestHint(found, choices) };
  }
  const sameType = typeof found === "string" || typeof found === "number";
  return { path, reason: sameType ? "IMPOSSIBLE_VALUE" : "WRONG_TYPE", expected, found: describeValue(found) };
}

function translateUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, whole: Whole): Mistake[] {
  const found = valueAt(whole.value, path);
  if (issue.discriminator !== undefined && issue.errors.length === 0) {
    const names = "options" in issue ? (issue.options ?? []).map(String) : [];
    if (typeof found !== "string") return [{ path, reason: "WRONG_TYPE", expected: choice(names), found: describeValue(found) }];
    return [{ path, reason: "UNKNOWN_NAME", expected: choice(names), found: describeValue(found), ...nearestHint(found, names) }];
  }
  // The option that is meant is the one whose kind of value this is, whatever is wrong inside of it.
  const meant = issue.errors.find((branch) => branch.length > 0 && !branch.some(refusesKind));
  if (meant !== undefined) return meant.flatMap((inner) => translate(inner, path, whole));
  const expected = alternatives([...new Set(issue.errors.flatMap((branch) => branch.filter(refusesKind).map(phrase)))]);
  const values = issue.errors.flatMap((branch) => branch.flatMap((inner) => (inner.code === "invalid_value" ? inner.values.map(String) : [])));
  if (values.length > 1 && typeof found === "string") return [wrongChoice(values, expected, path, found)];
  return [wrongType(expected, path, found)];
}

/** Whether an issue of a union's option says that the value is of another kind altogether. */
function refusesKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");
}

const KINDS: Readonly<Record<string, string>> = {
  object: "a map",
  record: "a map",
  array: "a list",
  tuple: "a list",
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

/** What an issue says was expected, without the word itself. */
function phrase(issue: Issue): string {
  const own = /^expected (.*)$/s.exec(issue.message);
  if (own?.[1] !== undefined) return own[1];
  switch (issue.code) {
    case "invalid_type":
      return KINDS[issue.expected] ?? issue.expected;
    case "too_small":
      return limit(issue.origin, issue.inclusive === false ? "above" : "of at least", issue.minimum);
    case "too_big":
      return limit(issue.origin, issue.inclusive === false ? "below" : "of at most", issue.maximum);
    case "invalid_value":
      return choice(issue.values.map(String));
    case "invalid_union": {
      if (issue.discriminator !== undefined && "options" in issue) return choice((issue.options ?? []).map(String));
      return alternatives([...new Set(issue.errors.flatMap((branch) => branch.filter(refusesKind).map(phrase)))]);
    }
    default:
      return issue.message;
  }
}

function limit(origin: string, relation: string, bound: number | bigint): string {
  if (origin === "array" || origin === "tuple") return `a list ${relation} ${bound} items`;
  if (origin === "string") return bound === 1 ? "some text" : `text ${relation} ${bound} characters`;
  return `a ${origin === "int" ? "whole number" : "number"} ${relation} ${bound}`;
}

function choice(names: readonly string[]): string {
  return names.length > 1 ? `one of ${names.join(", ")}` : names.join("");
}

/** Short lists with their items: the order may be what is wrong. */
function describeFully(value: unknown): string {
  const scalars = Array.isArray(value) && value.length <= 10 && value.every((item) => typeof item !== "object");
  return scalars ? JSON.stringify(value) : describeValue(value);
}
