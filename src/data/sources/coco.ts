import { dirname } from "node:path";

import type { CompiledSource, TableLayout } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { jsonListRows } from "../tables/jsonList.js";
import { fieldText, type Row } from "../tables/row.js";
import { Root } from "./belowRoot.js";
import { fileStamp } from "./fileStamp.js";
import type { Oddity, SourceItem, SourceReader } from "./items.js";
import { fileItems } from "./tableFiles.js";
import { textItems } from "./tableTexts.js";
import { folderTimes } from "./walk.js";

type Coco = Extract<CompiledSource, { readonly type: "coco" }>;

/** Rows are made with these columns, whichever of the two layouts the file has. */
const LAYOUT: TableLayout = {
  needs: [],
  texts: ["caption"],
  file: "{image}",
  id: "{id}",
  fileId: null,
  attributes: { media: "{image}" },
  cut: null,
  oncePerFile: true,
};

/**
 * COCO's caption files, which torchvision's CocoCaptions reads too: `images` with id and file_name,
 * `annotations` with image_id and caption. Karpathy's splits come in that form, or as his own
 * dataset_coco.json, whose images hold their `sentences` and name their split. Images come in the
 * order of their ids, as torchvision has them; captions in the file's order.
 */
export const readCoco: SourceReader<"coco"> = async (source, { modality, signal }) => {
  const { path, split, captions, missing } = source;
  const root = modality === "text" ? null : await Root.open(source.root ?? dirname(path));
  const karpathy = await isKarpathy(path, signal);
  if (split !== null && !karpathy) {
    throw dataError(`${path}: its images name no split; split is for Karpathy's own files, such as dataset_coco.json. Leave it out.`, { reason: "WRONG_FORMAT", path });
  }
  async function* scan(onOddity: (oddity: Oddity) => void): AsyncGenerator<SourceItem> {
    const options = { source: { missing, part: null }, layout: LAYOUT, onOddity };
    const rows = karpathy ? karpathyRows(source, modality === "text", signal) : modality === "text" ? captionRows(path, onOddity, signal) : imageRows(path, signal);
    let count = 0;
    for await (const item of root === null ? textItems(captions === null ? rows : firstOfEach(rows, captions), options) : fileItems(rows, { ...options, modality, root })) {
      count += 1;
      yield item;
    }
    if (count === 0) throw dataError(`${path} has no ${modality} items${split === null ? "" : ` of the split ${split}`}.`, { reason: "NO_ITEMS", path });
  }
  return {
    identity: { type: "coco", split, ...(captions === null ? {} : { captions }), missing },
    roots: root === null ? [] : [root.path],
    attributes: ["media"],
    fingerprint: async () => `${await fileStamp(path)} ${root !== null && missing === "leave-out" ? await folderTimes(root.path, signal) : ""}`,
    scan,
  };
};

/** At most `most` captions of each image. */
async function* firstOfEach(rows: AsyncIterable<Row>, most: number): AsyncGenerator<Row> {
  const given = new Map<unknown, number>();
  for await (const row of rows) {
    const image = row.values.get("image");
    const count = (given.get(image) ?? 0) + 1;
    given.set(image, count);
    if (count <= most) yield row;
  }
}

async function isKarpathy(path: string, signal: AbortSignal | undefined): Promise<boolean> {
  for await (const { values } of jsonListRows(path, "images", signal)) return values.has("sentences");
  throw dataError(`${path} has no images.`, { reason: "NO_ITEMS", path });
}

async function* imageRows(path: string, signal: AbortSignal | undefined): AsyncGenerator<Row> {
  const images: { readonly id: number; readonly row: Row }[] = [];
  for await (const row of jsonListRows(path, "images", signal)) {
    images.push({ id: Number(row.values.get("id")), row: { ...row, values: new Map([["image", row.values.get("file_name")]]) } });
  }
  images.sort((a, b) => a.id - b.id);
  for (const { row } of images) yield row;
}

async function* captionRows(path: string, onOddity: (oddity: Oddity) => void, signal: AbortSignal | undefined): AsyncGenerator<Row> {
  const names = new Map<string, unknown>();
  for await (const { values } of jsonListRows(path, "images", signal)) names.set(fieldText(values.get("id")) ?? "", values.get("file_name"));
  for await (const row of jsonListRows(path, "annotations", signal)) {
    const image = names.get(fieldText(row.values.get("image_id")) ?? "");
    if (image === undefined) {
      onOddity({ reason: "NO_IMAGE", place: row.place, message: `${row.place}: its image_id is that of no image; it is left out` });
      continue;
    }
    yield { ...row, values: new Map([["caption", row.values.get("caption")], ["image", image], ["id", row.values.get("id")]]) };
  }
}

async function* karpathyRows({ path, split }: Coco, captions: boolean, signal: AbortSignal | undefined): AsyncGenerator<Row> {
  for await (const row of jsonListRows(path, "images", signal)) {
    if (split !== null && row.values.get("split") !== split) continue;
    const folder = fieldText(row.values.get("filepath"));
    const name = fieldText(row.values.get("filename"));
    const image = name === null || folder === null ? name : `${folder}/${name}`;
    if (!captions) {
      yield { ...row, values: new Map([["image", image]]) };
      continue;
    }
    const sentences = row.values.get("sentences");
    for (const sentence of Array.isArray(sentences) ? (sentences as readonly unknown[]) : []) {
      const { raw, sentid } = typeof sentence === "object" && sentence !== null ? (sentence as { raw?: unknown; sentid?: unknown }) : {};
      yield { ...row, values: new Map([["caption", raw], ["image", image], ["id", sentid]]) };
    }
  }
}
