import type { ResolvePath } from "../providers/definition.js";

/** A path that may go on as a pattern: what is literal, absolute, and the rest. */
export interface PathPattern {
  readonly path: string;
  /** Relative to `path`, with braces or wildcards; null where the path is literal. */
  readonly pattern: string | null;
}

const MAGIC = /[*?[{]/;

/**
 * Splits what a user writes at the first part that has a wildcard or a brace: the folders
 * before it are taken as they are, whatever characters the experiment's own folder has.
 */
export function splitPattern(written: string, resolve: ResolvePath): PathPattern {
  const parts = written.split("/");
  const first = parts.findIndex((part) => MAGIC.test(part));
  if (first < 0) return { path: resolve(written), pattern: null };
  const literal = parts.slice(0, first).join("/");
  return { path: resolve(literal === "" ? (written.startsWith("/") ? "/" : ".") : literal), pattern: parts.slice(first).join("/") };
}

/** More is a mistake in the pattern. */
const MOST_NAMES = 100_000;

/**
 * The names that a pattern with braces stands for: `{a,b}` and `{000..012}`, which keeps its
 * zeros; null when they are more than 100,000. Wildcards stay as they are.
 */
export function expandBraces(pattern: string): readonly string[] | null {
  const open = pattern.indexOf("{");
  const close = open < 0 ? -1 : closingBrace(pattern, open);
  if (close < 0) return [pattern];
  const choices = choicesOf(pattern.slice(open + 1, close));
  if (choices === null) return null;
  const rest = expandBraces(pattern.slice(close + 1));
  if (rest === null || choices.length * rest.length > MOST_NAMES) return null;
  const names: string[] = [];
  for (const choice of choices) {
    const inner = expandBraces(choice);
    if (inner === null || names.length + inner.length * rest.length > MOST_NAMES) return null;
    for (const middle of inner) for (const end of rest) names.push(pattern.slice(0, open) + middle + end);
  }
  return names;
}

function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === "{") depth += 1;
    else if (text[at] === "}") depth -= 1;
    if (depth === 0) return at;
  }
  return -1;
}

function choicesOf(inside: string): readonly string[] | null {
  const range = /^(\d+)\.\.(\d+)$/.exec(inside);
  if (range === null) return splitAtCommas(inside);
  const [, first = "", last = ""] = range;
  const [from, to] = [Number(first), Number(last)];
  const count = Math.abs(to - from) + 1;
  if (count > MOST_NAMES) return null;
  const width = first.startsWith("0") || last.startsWith("0") ? Math.max(first.length, last.length) : 0;
  const step = from <= to ? 1 : -1;
  return Array.from({ length: count }, (_, index) => String(from + step * index).padStart(width, "0"));
}

function splitAtCommas(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "{") depth += 1;
    else if (text[at] === "}") depth -= 1;
    else if (text[at] === "," && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)];
}
