import type { GeneratedDescription, GeneratedSource } from "../bridge/types.js";
import type { CompiledCollection } from "../config/compiled.js";
import { dataError, usageError } from "../errors.js";
import { readLabels } from "./npyContents.js";

/** A collection's labels, and what they are called where that is known. */
export interface Labels {
  readonly values: Int32Array;
  readonly names: readonly string[] | null;
}

/**
 * Labels of a collection of `rows` items: from a file, or an attribute of generated
 * items. Rejects with exit 3 when there are more or fewer than items.
 */
export async function labelsOf(
  collection: CompiledCollection,
  rows: number,
  describeGenerated: (source: GeneratedSource, count: number) => Promise<GeneratedDescription>,
): Promise<Labels> {
  const { labels, source, name } = collection;
  const place = `data.${name}.labels`;
  if (labels === null) {
    throw usageError(`${place}: expected labels, since a task compares by them; found none.`, { reason: "MISSING_FIELD", path: place });
  }
  if (labels.kind === "file") {
    const values = await readLabels(labels.path);
    if (values.length !== rows) {
      throw dataError(`${place}: ${labels.path} has ${values.length} labels for ${rows} items. Give one for each.`, {
        reason: "SHAPE_MISMATCH",
        path: labels.path,
      });
    }
    return { values, names: null };
  }
  if (source?.type !== "builtin") throw new Error(`${place}: only generated items have attributes`);
  const { attributes } = await describeGenerated(source, rows);
  const column = attributes.find((attribute) => attribute.name === labels.attribute);
  if (column === undefined) {
    throw usageError(`${place}.attribute: expected one of ${attributes.map((attribute) => attribute.name).join(", ")}; found "${labels.attribute}".`, {
      reason: "UNKNOWN_NAME",
      path: `${place}.attribute`,
    });
  }
  return { values: Int32Array.from(column.labels), names: column.values };
}
