import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node, type Pair, type YAMLError } from "yaml";

import { usageError, type CmcrError } from "../errors.js";
import type { FieldPath, Locate, Place } from "./mistake.js";

/** An experiment file as read: its plain value, and where everything in it stands. */
export interface SourceDocument {
  readonly value: unknown;
  readonly locate: Locate;
}

/** Larger files are refused: an experiment is written by hand. */
export const LARGEST_FILE_BYTES = 1024 * 1024;
const MOST_ALIASES = 100;
const MOST_REPORTED = 20;

/**
 * Reads one strict YAML 1.2 document and keeps the positions.
 * @throws CmcrError with reason BAD_YAML that lists every syntax error.
 */
export function readDocument(text: string, fileName: string): SourceDocument {
  if (text.length > LARGEST_FILE_BYTES) {
    throw badYaml([`${fileName}: expected at most ${LARGEST_FILE_BYTES} characters, found ${text.length}. Is this an experiment file?`]);
  }
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    strict: true,
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: "error",
  });
  const place = (offset: number): Place => {
    const { line, col } = counter.linePos(offset);
    return { text: `${fileName}:${Math.max(line, 1)}:${Math.max(col, 1)}`, offset };
  };
  // An unknown tag is only a warning to the parser, but its value would not be what was meant.
  const errors: YAMLError[] = [...document.errors, ...document.warnings];
  if (errors.length > 0) {
    const ordered = errors.sort((left, right) => left.pos[0] - right.pos[0]).slice(0, MOST_REPORTED);
    throw badYaml(ordered.map((error) => `${place(error.pos[0]).text}: ${explain(error)}`));
  }
  return {
    value: plainValue(document, fileName),
    locate: (path, part) => place(offsetOf(document, path, part)),
  };
}

function badYaml(lines: readonly string[]): CmcrError {
  const [first = ""] = lines;
  return usageError(first, { reason: "BAD_YAML", path: first.slice(0, first.indexOf(": ")), details: [...new Set(lines)] });
}

const EXPLANATIONS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "expected each field once, found a second one of this name",
  TAB_AS_INDENT: "expected spaces for indentation, found a tab",
  MULTIPLE_DOCS: "expected one document, found another after ---",
  RESOURCE_EXHAUSTION: "expected an experiment, found lists or maps nested too deeply",
};

function explain(error: YAMLError): string {
  return EXPLANATIONS[error.code] ?? `expected YAML, found a mistake in it: ${error.message}`;
}

function plainValue(document: Document.Parsed, fileName: string): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MOST_ALIASES });
    // An alias inside of what it names makes a cycle, which has no JSON.
    JSON.stringify(value);
    return value;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const cause = error instanceof TypeError ? "an alias stands inside of what it names" : message;
    throw badYaml([`${fileName}: expected YAML with usable aliases, found a mistake: ${cause}`]);
  }
}

/**
 * Where the value at `path` starts, or its key. Of a field that is missing: the
 * key of the nearest parent that is there.
 */
function offsetOf(document: Document.Parsed, path: FieldPath, part: "key" | "value"): number {
  let node: Node | null | undefined = document.contents;
  let keyOffset = 0;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap<Node, Node | null>(node)) {
      const pair: Pair<Node, Node | null> | undefined = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) return keyOffset;
      keyOffset = pair.key.range?.[0] ?? keyOffset;
      node = pair.value;
    } else if (isSeq<Node>(node)) {
      const item: Node | undefined = node.items[Number(step)];
      if (item === undefined) return keyOffset;
      keyOffset = item.range?.[0] ?? keyOffset;
      node = item;
    } else {
      return keyOffset;
    }
  }
  // An empty value has no place of its own worth pointing at.
  if (part === "key" || (isScalar(node) && node.source === "")) return keyOffset;
  // A block map or list starts on a later line than its key: the key is what a reader looks for.
  if ((isMap(node) || isSeq(node)) && node.flow !== true) return keyOffset;
  return node?.range?.[0] ?? keyOffset;
}
