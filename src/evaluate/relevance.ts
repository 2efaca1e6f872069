import { type CmcrError, dataError } from "../errors.js";

/**
 * Which gallery items are relevant to which queries, in compressed rows: those
 * of query i are `columns[offsets[i]]` to `columns[offsets[i + 1] - 1]`,
 * ascending and without repeats.
 */
export interface Relevance {
  /** Length queries + 1. */
  readonly offsets: Uint32Array;
  readonly columns: Uint32Array;
  readonly queries: number;
  readonly gallery: number;
}

/** More relevant pairs than this are refused: the ranks of each would be held at once. */
export const MAX_RELEVANT_PAIRS = 1 << 27;

/**
 * Item i belongs to item i. Thrown (exit 3) when the two sides differ in size.
 *
 * @param place names the data in an error, such as `evaluate[0].relevance`
 */
export function relevanceFromRows(queries: number, gallery: number, place: string): Relevance {
  if (queries !== gallery) {
    throw invalid(place, `relevance by rows pairs item i with item i, but there are ${queries} queries and ${gallery} gallery items. Give labels or a file of relevant items.`);
  }
  return {
    offsets: Uint32Array.from({ length: queries + 1 }, (_, i) => i),
    columns: Uint32Array.from({ length: queries }, (_, i) => i),
    queries,
    gallery,
  };
}

/** A gallery item is relevant to a query when their labels are equal. Labels that the gallery lacks leave a query without relevant items. */
export function relevanceFromLabels(queryLabels: ArrayLike<number>, galleryLabels: ArrayLike<number>, place: string): Relevance {
  const columnsOf = new Map<number, number[]>();
  for (let column = 0; column < galleryLabels.length; column += 1) {
    const label = galleryLabels[column] ?? 0;
    const known = columnsOf.get(label);
    if (known === undefined) columnsOf.set(label, [column]);
    else known.push(column);
  }
  const rows = Array.from({ length: queryLabels.length }, (_, row) => columnsOf.get(queryLabels[row] ?? 0) ?? []);
  return compress(rows, galleryLabels.length, place);
}

/**
 * An explicit list: for each query, the columns of its relevant items; the
 * parsed content of a relevance file. Thrown (exit 3) with the row that is at
 * fault when it is no list of lists, has other than `queries` rows, or a column
 * is no integer from 0 to gallery - 1 or occurs twice.
 */
export function relevanceFromLists(lists: unknown, queries: number, gallery: number, place: string): Relevance {
  if (!Array.isArray(lists)) throw invalid(place, "relevance is a list that holds, for each query, a list of relevant columns, such as [[0], [2, 5]].");
  if (lists.length !== queries) throw invalid(place, `relevance has ${lists.length} rows, and there are ${queries} queries. Give one row for each, [] where nothing is relevant.`);
  const rows = lists.map((row: unknown, index) => {
    if (!Array.isArray(row)) throw invalid(place, `row ${index} is not a list of columns. Write [3] where one item is relevant.`);
    const columns = row.map((column: unknown) => {
      if (typeof column !== "number" || !Number.isInteger(column) || column < 0 || column >= gallery) {
        throw invalid(place, `row ${index} names column ${JSON.stringify(column)}; columns are integers from 0 to ${gallery - 1}.`);
      }
      return column;
    });
    columns.sort((a, b) => a - b);
    const repeated = columns.find((column, i) => column === columns[i + 1]);
    if (repeated !== undefined) throw invalid(place, `row ${index} names column ${repeated} twice. Remove one.`);
    return columns;
  });
  return compress(rows, gallery, place);
}

/**
 * The same pairs among the items that are left: `queries` and `gallery` hold, ascending, the
 * numbers of those that are, and a pair of which one is missing goes.
 */
export function restrictRelevance(relevance: Relevance, queries: Uint32Array, gallery: Uint32Array): Relevance {
  if (queries.length === relevance.queries && gallery.length === relevance.gallery) return relevance;
  const rowOf = new Int32Array(relevance.gallery).fill(-1);
  gallery.forEach((item, row) => {
    rowOf[item] = row;
  });
  const offsets = new Uint32Array(queries.length + 1);
  const columns = new Uint32Array(relevance.columns.length);
  let end = 0;
  queries.forEach((item, row) => {
    for (let k = relevance.offsets[item] ?? 0; k < (relevance.offsets[item + 1] ?? 0); k += 1) {
      const column = rowOf[relevance.columns[k] ?? 0] ?? -1;
      if (column >= 0) columns[end++] = column;
    }
    offsets[row + 1] = end;
  });
  return { offsets, columns: columns.slice(0, end), queries: queries.length, gallery: gallery.length };
}

/** The same pairs the other way round: which queries are relevant to each gallery item. */
export function reverseRelevance({ offsets, columns, queries, gallery }: Relevance): Relevance {
  const reversed = new Uint32Array(gallery + 1);
  for (const column of columns) reversed[column + 1] = (reversed[column + 1] ?? 0) + 1;
  for (let i = 0; i < gallery; i += 1) reversed[i + 1] = (reversed[i + 1] ?? 0) + (reversed[i] ?? 0);
  const next = reversed.slice();
  const rows = new Uint32Array(columns.length);
  for (let query = 0; query < queries; query += 1) {
    for (let k = offsets[query] ?? 0; k < (offsets[query + 1] ?? 0); k += 1) {
      const column = columns[k] ?? 0;
      const at = next[column] ?? 0;
      rows[at] = query;
      next[column] = at + 1;
    }
  }
  return { offsets: reversed, columns: rows, queries: gallery, gallery: queries };
}

function compress(rows: readonly (readonly number[])[], gallery: number, place: string): Relevance {
  const pairs = rows.reduce((sum, row) => sum + row.length, 0);
  if (pairs > MAX_RELEVANT_PAIRS) {
    throw invalid(place, `there are ${pairs} relevant pairs, more than the ${MAX_RELEVANT_PAIRS} that can be ranked at once. Use finer labels, or fewer queries.`);
  }
  const offsets = new Uint32Array(rows.length + 1);
  const columns = new Uint32Array(pairs);
  rows.forEach((row, i) => {
    const start = offsets[i] ?? 0;
    columns.set(row, start);
    offsets[i + 1] = start + row.length;
  });
  return { offsets, columns, queries: rows.length, gallery };
}

function invalid(place: string, message: string): CmcrError {
  return dataError(`${place}: ${message}`, { reason: "RELEVANCE_INVALID", path: place });
}
