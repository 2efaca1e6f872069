import { dirname } from "node:path";

import type { TableFormat, TableLayout } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { fieldText, missingColumn, type Row } from "../tables/row.js";
import { openTable } from "../tables/table.js";
import { Root } from "./belowRoot.js";
import { fileStamp } from "./fileStamp.js";
import { partJson } from "./folder.js";
import type { Oddity, SourceItem, SourceReader } from "./items.js";
import { partnerOf, rootOf, soundingFingerprint, soundingIdentity, soundingItems } from "./sounding.js";
import { fileItems } from "./tableFiles.js";
import { UniqueIds } from "./uniqueIds.js";
import { folderTimes } from "./walk.js";

const CSV: TableFormat = { kind: "csv", delimiter: ",", quote: '"', columns: null, comment: null, skipSpace: false };
const COLUMNS = ["video", "audio", "label"] as const;
/** The label of every row of the published lists. */
const SILENT = "non-sounding";
const ATTRIBUTES = ["label", "media", "boxes"] as const;

/**
 * The extended VGG-SS and Flickr-SoundNet: first the items of the test set, then the rows of the list, each an image with a
 * sound that nothing in it makes, without boxes. A file may be in several pairs; each pair is an item of its own, and item i of
 * the images belongs to item i of the sounds.
 */
export const readExtended: SourceReader<"extended"> = async (source, { modality, signal }) => {
  const { path, positives, missing, part, image, audio } = source;
  const table = await openTable(path, CSV, signal);
  for (const column of COLUMNS) if (!table.columns.includes(column)) throw missingColumn(path, column, table.columns);
  const root = await Root.open(source.root ?? dirname(path));
  const positiveRoot = await Root.open(rootOf(positives));
  const layout: TableLayout = {
    needs: [],
    texts: [],
    file: modality === "image" ? image : audio,
    id: null,
    fileId: "{pair}",
    attributes: { label: "{label}", media: "{pair}", boxes: "{boxes}" },
    cut: null,
    oncePerFile: false,
  };
  async function* scan(onOddity: (oddity: Oddity) => void): AsyncGenerator<SourceItem> {
    const ids = new UniqueIds();
    let count = 0;
    for await (const item of soundingItems(positives, { modality, root: positiveRoot, onOddity, signal, ids, attributes: { label: "sounding", media: "{file}", boxes: "{boxes}" } })) {
      count += 1;
      yield item;
    }
    const silent = silentRows(table.rows(), onOddity);
    for await (const item of fileItems(silent, { source: { missing, part }, layout, modality, root, onOddity, ids, partner: partnerOf(modality, { image, audio }) })) {
      count += 1;
      yield item;
    }
    if (count === 0) throw dataError(`${path} and ${positives.path} have no ${modality} items.`, { reason: "NO_ITEMS", path });
  }
  return {
    identity: { type: "extended", positives: soundingIdentity(positives), image, audio, missing, part: partJson(part) },
    roots: [...new Set([root.path, positiveRoot.path])],
    attributes: ATTRIBUTES,
    async fingerprint() {
      const looks = missing === "leave-out" || [image, audio].some((file) => file.endsWith(".*"));
      return [await fileStamp(path), looks ? await folderTimes(root.path, signal) : "", await soundingFingerprint(positives, positiveRoot, signal)].join(" ");
    },
    scan,
  };
};

async function* silentRows(rows: AsyncIterable<Row>, onOddity: (oddity: Oddity) => void): AsyncGenerator<Row> {
  for await (const row of rows) {
    const [video, audio, label] = COLUMNS.map((column) => fieldText(row.values.get(column))?.trim() ?? "");
    if (label !== SILENT) {
      onOddity({ reason: "UNKNOWN_LABEL", place: row.place, message: `${row.place}: its label is ${JSON.stringify(label)}, and not ${SILENT}; it is left out` });
      continue;
    }
    yield { ...row, values: new Map([["video", video], ["audio", audio], ["label", label], ["pair", `${video ?? ""}+${audio ?? ""}`], ["boxes", "[]"]]) };
  }
}
