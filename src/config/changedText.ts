import { isDeepStrictEqual } from "node:util";

import { isCollection, isMap, isScalar, parse, parseDocument, stringify } from "yaml";

import type { FieldPath } from "./mistake.js";

/**
 * The text of an experiment file with fields changed, its comments kept. `value` is what the
 * changed file must say; where the text cannot be changed in place, as within an alias, it is
 * written anew without comments.
 */
export function changedText(text: string, changes: readonly { readonly path: FieldPath; readonly value: unknown }[], value: unknown): string {
  try {
    const document = parseDocument(text, { logLevel: "error" });
    for (const { path, value: changed } of changes) {
      for (let depth = 1; depth < path.length; depth += 1) {
        const parent = document.getIn(path.slice(0, depth), true);
        // What is switched off, or left to its default, becomes a map to put the field into.
        if (!isCollection(parent)) document.setIn(path.slice(0, depth), document.createNode({}));
      }
      document.setIn(path, document.createNode(changed));
    }
    // A field may have given way to another, as seed does to seeds.
    if (isMap(document.contents)) {
      const kept = typeof value === "object" && value !== null ? Object.keys(value) : [];
      for (const { key } of [...document.contents.items]) if (isScalar(key) && !kept.includes(String(key.value))) document.delete(key.value);
    }
    const written = document.toString({ lineWidth: 0 });
    if (isDeepStrictEqual(parse(written), value)) return written;
  } catch {
    // Written anew below.
  }
  return stringify(value, { lineWidth: 0 });
}
