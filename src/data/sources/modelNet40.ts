import { join } from "node:path";

import type { TableLayout } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { linesOf } from "../tables/lines.js";
import type { Row } from "../tables/row.js";
import { Root } from "./belowRoot.js";
import { className } from "./className.js";
import { fileStamp } from "./fileStamp.js";
import type { Oddity, SourceItem, SourceReader } from "./items.js";
import { followingLook } from "./look.js";
import { CLOUD_CLASSES, cloudFile } from "./modelNet40Files.js";
import { fileItems } from "./tableFiles.js";
import { filesBelow, folderTimes } from "./walk.js";

/**
 * ModelNet40. As text files: a cloud `CLASS/ID.txt` for each id of modelnet40_{split}.txt, whose class is all of it before its last
 * underscore (`night_stand_0001` is a night_stand, and no night). Unpacked: 000000.npy and so on, whose classes are the lines of
 * classes.txt beside them, or without that those of the same list, in whose order the pickled caches are.
 */
export const readModelNet40: SourceReader<"modelnet40"> = async (source, { signal }) => {
  const { split, clouds, missing } = source;
  const root = await Root.open(clouds ?? source.root);
  const own = clouds === null ? null : join(clouds, CLOUD_CLASSES);
  const list = own !== null && (await followingLook().at(own)) !== null ? own : join(source.root, `modelnet40_${split}.txt`);
  const layout: TableLayout = {
    needs: [],
    texts: [],
    file: clouds === null ? "{folder}/{id}.txt" : "{cloud}",
    id: null,
    fileId: null,
    attributes: { class: "{class}", media: "{id}" },
    cut: null,
    oncePerFile: false,
  };
  async function* scan(onOddity: (oddity: Oddity) => void): AsyncGenerator<SourceItem> {
    if (clouds !== null) await checkCount(root, list, signal);
    let count = 0;
    for await (const item of fileItems(rowsOf(list, list === own, signal), { source: { missing, part: null }, layout, modality: "pointcloud", root, onOddity })) {
      count += 1;
      yield item;
    }
    if (count === 0) throw dataError(`${list} names no clouds below ${root.path}.`, { reason: "NO_ITEMS", path: list });
  }
  return {
    identity: { type: "modelnet40", split, unpacked: clouds !== null, missing },
    roots: [root.path],
    attributes: ["class", "media"],
    fingerprint: async () => `${await fileStamp(list)} ${clouds !== null || missing === "leave-out" ? await folderTimes(root.path, signal) : ""}`,
    scan,
  };
};

/** A row for each line: of a list of ids, or of the classes of unpacked clouds. */
async function* rowsOf(list: string, ofClasses: boolean, signal: AbortSignal | undefined): AsyncGenerator<Row> {
  let number = 0;
  for await (const { text, number: line } of linesOf(list, signal)) {
    const id = text.trim();
    if (id === "") continue;
    const place = `${list}:${line}`;
    const end = ofClasses ? id.length : id.lastIndexOf("_");
    if (end <= 0) throw dataError(`${place}: expected an id such as night_stand_0001, found ${JSON.stringify(id.slice(0, 60))}.`, { reason: "BAD_TABLE", path: place });
    const folder = id.slice(0, end);
    const cloud = cloudFile(number);
    yield { values: new Map([["id", ofClasses ? cloud : id], ["folder", folder], ["class", className(folder)], ["cloud", cloud]]), place, number };
    number += 1;
  }
}

/** Rejects with exit 3 when there are more clouds than classes: they would be another split's, or another order's. */
async function checkCount(root: Root, list: string, signal: AbortSignal | undefined): Promise<void> {
  let clouds = 0;
  for await (const name of filesBelow(root.path, { accept: (file) => /^\d{6}\.npy$/.test(file), depth: 0, signal, onOddity: () => undefined })) clouds += name === "" ? 0 : 1;
  let classes = 0;
  for await (const { text } of linesOf(list, signal)) classes += text.trim() === "" ? 0 : 1;
  if (clouds <= classes) return;
  throw dataError(`${root.path} has ${clouds} clouds, and ${list} tells the classes of ${classes}. Are they of the same split?`, { reason: "SHAPE_MISMATCH", path: root.path });
}
