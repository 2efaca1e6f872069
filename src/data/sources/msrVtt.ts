import { dirname } from "node:path";

import type { CompiledSource, TableFormat, TableLayout } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { jsonListRows } from "../tables/jsonList.js";
import { fieldText, missingColumn, type Row } from "../tables/row.js";
import { openTable } from "../tables/table.js";
import { Root } from "./belowRoot.js";
import { fileStamp } from "./fileStamp.js";
import { partJson } from "./folder.js";
import { endingOf } from "./mediaKinds.js";
import type { Oddity, SourceItem, SourceReader } from "./items.js";
import { fileItems } from "./tableFiles.js";
import { textItems } from "./tableTexts.js";
import { folderTimes } from "./walk.js";

type MsrVtt = Extract<CompiledSource, { readonly type: "msr-vtt" }>;

const CSV: TableFormat = { kind: "csv", delimiter: ",", quote: '"', columns: null, comment: null, skipSpace: false };

/**
 * MSR-VTT as CLIP4Clip uses it: MSRVTT_data.json has `videos` and `sentences`; a list such as
 * MSRVTT_train.9k.csv (`video_id`) says which videos; MSRVTT_JSFUSION_test.csv (`key, vid_key,
 * video_id, sentence`) is the test 1k-A by itself, one sentence a video. Videos come in the list's
 * order where there is one.
 */
export const readMsrVtt: SourceReader<"msr-vtt"> = async (source, { modality, signal }) => {
  const { path, list, missing, part } = source;
  const isList = endingOf(path) !== ".json";
  const own = isList ? await columnsOf(path, modality === "text" ? ["video_id", "sentence"] : ["video_id"], signal) : null;
  const listed = list === null ? null : await columnsOf(list, ["video_id"], signal);
  const root = modality === "text" ? null : await Root.open(source.root ?? dirname(path));
  const layout: TableLayout = {
    needs: [],
    texts: [isList ? "sentence" : "caption"],
    file: source.file,
    id: isList ? "{video_id}" : "{video_id}:{sen_id}",
    fileId: null,
    attributes: { media: "{video_id}" },
    cut: null,
    oncePerFile: true,
  };
  async function* scan(onOddity: (oddity: Oddity) => void): AsyncGenerator<SourceItem> {
    const chosen = listed === null ? null : await videoIds(listed());
    const rows = modality === "text" ? sentenceRows(source, own, chosen, signal) : videoRows(source, own, listed, signal);
    const options = { source: { missing, part }, layout, onOddity };
    let count = 0;
    for await (const item of root === null ? textItems(rows, options) : fileItems(rows, { ...options, modality, root })) {
      count += 1;
      yield item;
    }
    if (count === 0) throw dataError(`${path} has no ${modality} items${list === null ? "" : ` of the videos in ${list}`}.`, { reason: "NO_ITEMS", path });
  }
  return {
    identity: { type: "msr-vtt", list: list !== null, file: source.file, missing, part: partJson(part) },
    roots: root === null ? [] : [root.path],
    attributes: ["media"],
    async fingerprint() {
      const looks = root !== null && (missing === "leave-out" || source.file.endsWith(".*"));
      return [await fileStamp(path), list === null ? "" : await fileStamp(list), looks ? await folderTimes(root.path, signal) : ""].join(" ");
    },
    scan,
  };
};

type Rows = () => AsyncIterable<Row>;

async function columnsOf(path: string, needed: readonly string[], signal: AbortSignal | undefined): Promise<Rows> {
  const table = await openTable(path, CSV, signal);
  for (const column of needed) if (!table.columns.includes(column)) throw missingColumn(path, column, table.columns);
  return () => table.rows();
}

async function videoIds(rows: AsyncIterable<Row>): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const { values } of rows) ids.push(fieldText(values.get("video_id")) ?? "");
  return ids;
}

function sentenceRows({ path }: MsrVtt, own: Rows | null, chosen: readonly string[] | null, signal: AbortSignal | undefined): AsyncIterable<Row> {
  const rows = own === null ? jsonListRows(path, "sentences", signal) : own();
  return chosen === null ? rows : onlyVideos(rows, new Set(chosen));
}

async function* onlyVideos(rows: AsyncIterable<Row>, chosen: ReadonlySet<string>): AsyncGenerator<Row> {
  for await (const row of rows) if (chosen.has(fieldText(row.values.get("video_id")) ?? "")) yield row;
}

function videoRows({ path }: MsrVtt, own: Rows | null, listed: Rows | null, signal: AbortSignal | undefined): AsyncIterable<Row> {
  if (listed !== null) return listed();
  return own === null ? jsonListRows(path, "videos", signal) : own();
}
