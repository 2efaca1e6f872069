import { dataError } from "../../errors.js";
import { fieldText, type Row } from "../tables/row.js";

/** Rows that are picked are held; a larger list is no split of a dataset. */
const MOST_PICKED = 2_000_000;

/** The rows whose columns have one of the values asked for. */
export async function* keepRows(rows: AsyncIterable<Row>, where: Readonly<Record<string, readonly string[]>>): AsyncGenerator<Row> {
  const conditions = Object.entries(where);
  for await (const row of rows) {
    if (conditions.every(([column, values]) => values.includes(fieldText(row.values.get(column)) ?? ""))) yield row;
  }
}

/** The rows with these numbers, in the numbers' order. Rejects with exit 3 when the table has no such row. */
export async function* rowsInOrder(rows: AsyncIterable<Row>, numbers: readonly number[], { path, rows: list }: { readonly path: string; readonly rows: string | null }): AsyncGenerator<Row> {
  if (numbers.length > MOST_PICKED) throw dataError(`${list ?? ""} picks ${numbers.length} rows; at most ${MOST_PICKED} can be picked.`, { reason: "TOO_LARGE", path: list ?? path });
  const wanted = new Set(numbers);
  const found = new Map<number, Row>();
  let count = 0;
  for await (const row of rows) {
    count += 1;
    if (wanted.has(row.number)) found.set(row.number, row);
  }
  for (const number of numbers) {
    const row = found.get(number);
    if (row === undefined) {
      throw dataError(`${list ?? ""} picks the row ${number}; ${path} has the rows 0 to ${count - 1}. Do they belong together?`, { reason: "NO_SUCH_ROW", path: list ?? path });
    }
    yield row;
  }
}
