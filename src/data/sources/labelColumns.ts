import { fieldText, missingColumn, type Row } from "../tables/row.js";
import { openTable } from "../tables/table.js";

/** The header of AudioSet's class_labels_indices.csv: `index,mid,display_name`. */
const [ID, NAME] = ["mid", "display_name"] as const;

/** Names of labels by their ids. Rejects with exit 3 when the file has not those columns. */
export async function readLabelNames(path: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const format = { kind: "csv", delimiter: ",", quote: '"', columns: null, comment: null, skipSpace: false } as const;
  const table = await openTable(path, format, signal);
  for (const column of [ID, NAME]) if (!table.columns.includes(column)) throw missingColumn(path, column, table.columns);
  const names = new Map<string, string>();
  for await (const { values } of table.rows()) names.set(fieldText(values.get(ID)) ?? "", fieldText(values.get(NAME)) ?? "");
  return names;
}

/** Adds `label` and `labels` to rows whose `column` has ids with commas between them; an id without a name stays as it is. */
export async function* withLabels(rows: AsyncIterable<Row>, column: string, names: ReadonlyMap<string, string> | null): AsyncGenerator<Row> {
  for await (const row of rows) {
    const ids = (fieldText(row.values.get(column)) ?? "").split(",").map((id) => id.trim());
    const labels = ids.map((id) => names?.get(id) ?? id);
    yield { ...row, values: new Map([...row.values, ["label", labels[0] ?? ""], ["labels", labels.join("; ")]]) };
  }
}
