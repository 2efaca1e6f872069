/** Which of a collection's items its rows are: all in their order, but for some that were left out. */
export interface KeptItems {
  /** Of the collection, those left out among them. */
  readonly count: number;
  /** Numbers of the items that have no row, ascending. */
  readonly skipped: readonly number[];
  /** Of those, how many can be read, and were only not drawn into a sample. Left out: none. */
  readonly notDrawn?: number;
}

/** Every item has a row. */
export function allItems(count: number): KeptItems {
  return { count, skipped: [] };
}

/** The item number of each row. */
export function itemOfRows({ count, skipped }: KeptItems): Uint32Array {
  const items = new Uint32Array(count - skipped.length);
  let row = 0;
  let next = 0;
  for (let item = 0; item < count; item += 1) {
    if (skipped[next] === item) next += 1;
    else items[row++] = item;
  }
  return items;
}

/** The items that each of several views of one collection has kept; their counts are equal. */
export function keptByAll(views: readonly KeptItems[]): KeptItems {
  const skipped = new Set(views.flatMap((view) => view.skipped));
  const notDrawn = Math.max(0, ...views.map((view) => view.notDrawn ?? 0));
  return { count: views[0]?.count ?? 0, skipped: [...skipped].sort((a, b) => a - b), ...(notDrawn === 0 ? {} : { notDrawn }) };
}

/** Rows of a view that belong to the items of `kept`, which it has all. */
export function rowsOf(view: KeptItems, kept: KeptItems): Uint32Array {
  const wanted = new Set(kept.skipped);
  const items = itemOfRows(view);
  const rows = new Uint32Array(kept.count - kept.skipped.length);
  let next = 0;
  items.forEach((item, row) => {
    if (!wanted.has(item)) rows[next++] = row;
  });
  return rows;
}

/** Of values that each item has, those of the items that have a row. */
export function valuesOfRows<T extends Int32Array | Uint32Array>(values: T, kept: KeptItems): T {
  if (kept.skipped.length === 0) return values;
  return itemOfRows(kept).reduce((rows, item, row) => {
    rows[row] = values[item] ?? 0;
    return rows;
  }, values.slice(0, kept.count - kept.skipped.length) as T);
}
