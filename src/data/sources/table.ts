import { dirname } from "node:path";

import type { Modality } from "../../config/compiled.js";
import type { CompiledTable, TableLayout } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import type { Json } from "../../store/checksums.js";
import { missingColumn, type Row } from "../tables/row.js";
import { openTable } from "../tables/table.js";
import { Root } from "./belowRoot.js";
import { fileStamp } from "./fileStamp.js";
import { partJson } from "./folder.js";
import type { ItemSource, Oddity, SourceContext, SourceItem, SourceReader } from "./items.js";
import { readLabelNames, withLabels } from "./labelColumns.js";
import { pairsJson, SEGMENT } from "./recordingPairs.js";
import { readRowNumbers } from "./rowNumbers.js";
import { keepRows, rowsInOrder } from "./rows.js";
import { fileItems } from "./tableFiles.js";
import { textItems } from "./tableTexts.js";
import { Template } from "./template.js";
import { folderTimes } from "./walk.js";

/** The rows of a table of any format: its captions as texts, or the files that it names. */
export const readTable: SourceReader<"table"> = async (source, context) => {
  const { modality, signal } = context;
  const table = await openTable(source.path, source.format, signal);
  const columns = source.labels === null ? table.columns : [...table.columns, "label", "labels"];
  const layout = chooseLayout(source, columns, context);
  const names = source.labels?.names ?? null;
  const labelNames = names === null ? null : await readLabelNames(names, signal);
  const root = modality === "text" ? null : await Root.open(source.root ?? dirname(source.path));
  const wanted = wantedColumns(source, layout, modality);
  for (const column of wanted) if (!columns.includes(column)) throw missingColumn(source.path, column, columns);

  async function* scan(onOddity: (oddity: Oddity) => void): AsyncGenerator<SourceItem> {
    let rows: AsyncIterable<Row> = table.rows(wanted);
    if (source.labels !== null) rows = withLabels(rows, source.labels.column, labelNames);
    if (source.rows !== null) rows = rowsInOrder(rows, await readRowNumbers(source.rows, signal), source);
    rows = keepRows(rows, source.where);
    const options = { source, layout, modality, onOddity };
    let count = 0;
    for await (const item of root === null ? textItems(rows, options) : fileItems(rows, { ...options, root })) {
      count += 1;
      yield item;
    }
    if (count === 0) throw noItems(source, modality);
  }
  return {
    identity: identityOf(source, layout),
    roots: root === null ? [] : [root.path],
    attributes: Object.keys(layout.attributes),
    async fingerprint() {
      const lists = [source.path, source.rows, source.labels?.names ?? null].filter((path) => path !== null);
      const stamps = await Promise.all(lists.map(fileStamp));
      // Which items there are depends on the files where those that are missing are left out, or their ending is looked for.
      const looks = root !== null && (source.missing === "leave-out" || layout.file?.endsWith(".*") === true);
      return [...stamps, looks ? await folderTimes(root.path, signal) : ""].join(" ");
    },
    scan,
  } satisfies ItemSource;
};

/** The first layout that has what the modality needs, and whose columns are all there. */
function chooseLayout(source: CompiledTable, columns: readonly string[], { modality, place }: SourceContext): TableLayout {
  const fitting = source.layouts.filter(({ texts, file }) => (modality === "text" ? texts.length > 0 : file !== null));
  const [first] = fitting;
  if (first === undefined) {
    const hint = modality === "text" ? "name the column of the texts: text" : "name the column of the files, or the pattern of their names: file";
    throw dataError(`${place}: it has no ${modality}; ${hint}.`, { reason: "WRONG_MODALITY", path: place });
  }
  const found = fitting.find(({ needs }) => needs.every((column) => columns.includes(column)));
  if (found !== undefined) return found;
  const missing = first.needs.find((column) => !columns.includes(column)) ?? "";
  if (fitting.length === 1) throw missingColumn(source.path, missing, columns);
  const layouts = fitting.map(({ needs }) => needs.join(", ")).join("; or ");
  throw dataError(`${source.path}: expected the columns ${layouts}; found ${columns.join(", ")}.`, { reason: "MISSING_COLUMN", path: source.path });
}

/** The columns that are read, for formats that keep them apart. */
function wantedColumns({ where, labels, pairs }: CompiledTable, { texts, file, id, fileId, attributes, cut }: TableLayout, modality: Modality): readonly string[] {
  const templates = [...(modality === "text" ? [id] : [file, fileId]), ...Object.values(attributes)].filter((text) => text !== null);
  const columns = [
    ...(modality === "text" ? texts : []),
    ...templates.flatMap((text) => new Template(text).columns),
    ...Object.keys(where),
    ...(cut === null || modality === "text" ? [] : [cut.start, cut.end]),
    labels?.column ?? null,
  ];
  // Pairs number their parts themselves.
  return [...new Set(columns.filter((column) => column !== null && (pairs === null || column !== SEGMENT)))] as readonly string[];
}

function identityOf({ origin, where, rows, labels, missing, part, pairs, format }: CompiledTable, layout: TableLayout): Json {
  return {
    type: origin,
    format: format as Json,
    layout: layout as unknown as Json,
    where: where as Json,
    rows: rows !== null,
    labels: labels === null ? null : labels.column,
    missing,
    part: partJson(part),
    ...(pairs === null ? {} : { pairs: pairsJson(pairs) }),
  };
}

function noItems({ path, where, root }: CompiledTable, modality: Modality): Error {
  const conditions = Object.entries(where).map(([column, values]) => `${column}: ${values.join(" or ")}`);
  const which = conditions.length === 0 ? "" : ` where ${conditions.join(", ")}`;
  const below = modality === "text" || root === null ? "" : ` below ${root}`;
  return dataError(`${path} has no ${modality} items${which}${below}.`, { reason: "NO_ITEMS", path });
}

