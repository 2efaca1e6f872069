import type { CompiledTable, TableLayout } from "../../config/compiledSource.js";
import { fieldText, type Row } from "../tables/row.js";
import type { Oddity, SourceItem } from "./items.js";
import { Template } from "./template.js";
import { UniqueIds } from "./uniqueIds.js";

export interface RowOptions {
  readonly source: Pick<CompiledTable, "missing" | "part"> & Partial<Pick<CompiledTable, "pairs">>;
  readonly layout: TableLayout;
  readonly onOddity: (oddity: Oddity) => void;
}

/** The captions of rows: one of each caption column, and each entry where a field is a list. Empty ones are left out. */
export async function* textItems(rows: AsyncIterable<Row>, { layout, onOddity }: RowOptions): AsyncGenerator<SourceItem> {
  const idTemplate = layout.id === null ? null : new Template(layout.id);
  const attributes = attributeReader(layout);
  // Row numbers are unique; what a file calls its rows may not be.
  const ids = idTemplate === null ? null : new UniqueIds();
  for await (const { values, place, number } of rows) {
    const given = idTemplate?.fill(values, number) ?? String(number);
    const unique = ids?.of(given) ?? { id: given, repeated: false };
    if (unique.repeated) onOddity({ reason: "DUPLICATE_ID", place, message: `${place}: ${given} is there again, and is called ${unique.id}` });
    const several = layout.texts.length > 1 || layout.texts.some((column) => Array.isArray(values.get(column)));
    const own = attributes(values, number);
    let caption = 0;
    for (const column of layout.texts) {
      const value = values.get(column);
      for (const entry of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
        caption += 1;
        const text = fieldText(entry);
        if (text === null || text.trim() === "") {
          onOddity({ reason: "EMPTY_CAPTION", place, message: `${place}: ${column} is ${text === null ? "missing, or no text" : "empty"}, and is left out` });
          continue;
        }
        yield { id: several ? `${unique.id}#${caption}` : unique.id, content: { kind: "text", text }, ...(own === undefined ? {} : { attributes: own }) };
      }
    }
  }
}

/** Reads a layout's attributes from a row; a field that is missing gives an empty text. Undefined where the layout has none. */
export function attributeReader({ attributes }: TableLayout): (values: Row["values"], number: number) => Readonly<Record<string, string>> | undefined {
  const templates = Object.entries(attributes).map(([name, text]) => [name, new Template(text)] as const);
  if (templates.length === 0) return () => undefined;
  return (values, number) => Object.fromEntries(templates.map(([name, template]) => [name, template.fill(values, number) ?? ""]));
}
