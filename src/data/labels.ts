import type { CompiledCollection } from "../config/compiled.js";
import { type CmcrError, dataError, usageError } from "../errors.js";
import type { ItemList } from "./itemList.js";
import { type KeptItems, valuesOfRows } from "./keptItems.js";
import { readLabels } from "./npyContents.js";
import type { DescribeGenerated } from "./sources/builtin.js";

/** Labels of a collection's rows, and what they are called where that is known: name i is that of label i. */
export interface Labels {
  readonly values: Int32Array;
  readonly names: readonly string[] | null;
}

/** Where labels come from that are no file. */
export interface LabelSources {
  readonly describeGenerated: DescribeGenerated;
  readonly list: (collection: CompiledCollection) => Promise<ItemList>;
}

/**
 * Labels of a collection's rows: from a file, or an attribute of its items, whose values are
 * sorted and numbered from 0. Files have a label for each item, those without a row among
 * them. Rejects with exit 3 when there are more or fewer than items.
 */
export async function labelsOf(collection: CompiledCollection, kept: KeptItems, sources: LabelSources): Promise<Labels> {
  const { labels, source, name } = collection;
  const place = `data.${name}.labels`;
  if (labels === null) {
    throw usageError(`${place}: expected labels, since a task compares by them; found none.`, { reason: "MISSING_FIELD", path: place });
  }
  if (labels.kind === "file") {
    const values = await readLabels(labels.path);
    if (values.length !== kept.count) {
      const unreadable = kept.skipped.length === 0 ? "" : `, the ${kept.skipped.length} that cannot be read among them`;
      throw dataError(`${place}: ${labels.path} has ${values.length} labels for ${kept.count} items${unreadable}. Give one for each.`, {
        reason: "SHAPE_MISMATCH",
        path: labels.path,
      });
    }
    return { values: valuesOfRows(values, kept), names: null };
  }
  if (source === null) throw new Error(`${place}: only the items of a source have attributes`);
  if (source.type !== "builtin") return attributeLabels(await sources.list(collection), kept, labels.attribute, place);
  const { attributes } = await sources.describeGenerated(source, kept.count);
  const column = attributes.find((attribute) => attribute.name === labels.attribute);
  if (column === undefined) throw unknownAttribute(labels.attribute, attributes.map((attribute) => attribute.name), place);
  return { values: valuesOfRows(Int32Array.from(column.labels), kept), names: column.values };
}

/**
 * Labels of two collections in one numbering: where both know what their labels are called,
 * equal names get equal numbers, although each may lack values that the other has.
 */
export function inOneNumbering(first: Labels, second: Labels): readonly [Labels, Labels] {
  if (first.names === null || second.names === null || sameNames(first.names, second.names)) return [first, second];
  const names = [...new Set([...first.names, ...second.names])].sort(byUnits);
  const numbers = new Map(names.map((name, number) => [name, number]));
  const renumbered = ({ values, names: own }: Labels): Labels => {
    const numberOf = (own ?? []).map((name) => numbers.get(name) ?? -1);
    return { values: values.map((label) => numberOf[label] ?? -1), names };
  };
  return [renumbered(first), renumbered(second)];
}

async function attributeLabels(items: ItemList, kept: KeptItems, attribute: string, place: string): Promise<Labels> {
  if (!items.attributes.includes(attribute)) throw unknownAttribute(attribute, items.attributes, place);
  if (items.count !== kept.count) {
    throw dataError(`${place}: the source has ${items.count} items, and the embeddings have ${kept.count}. They must be of the same items.`, {
      reason: "SHAPE_MISMATCH",
      path: place,
    });
  }
  const found = new Map<string, number>();
  const values = new Int32Array(items.count);
  for await (const block of items.describe({ from: 0, to: items.count })) {
    for (const { item, id, attributes } of block) {
      const value = attributes[attribute];
      if (value === undefined) {
        throw dataError(`${place}: the item ${id} has no ${attribute}. Give it one, or leave it out.`, { reason: "MISSING_ATTRIBUTE", path: place });
      }
      const known = found.get(value) ?? found.size;
      found.set(value, known);
      values[item] = known;
    }
  }
  const names = [...found.keys()].sort(byUnits);
  const sorted = new Map(names.map((name, number) => [name, number]));
  const numberOf = Int32Array.from(found.keys(), (name) => sorted.get(name) ?? -1);
  return { values: valuesOfRows(values.map((first) => numberOf[first] ?? -1), kept), names };
}

/** The order of UTF-16 units: the same everywhere, whatever the language. */
function byUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

function unknownAttribute(attribute: string, known: readonly string[], place: string): CmcrError {
  const expected = known.length === 0 ? "a .npy file of labels, as the source's items have no attributes" : `one of ${known.join(", ")}`;
  return usageError(`${place}.attribute: expected ${expected}; found "${attribute}".`, { reason: "UNKNOWN_NAME", path: `${place}.attribute` });
}
