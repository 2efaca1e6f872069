import { readCoco } from "./coco.js";
import { readExtended } from "./extended.js";
import { readClassFolder, readFolder, readGlob } from "./folder.js";
import type { ItemSource, ListedSource, SourceContext, SourceReader } from "./items.js";
import { readJoined } from "./joined.js";
import { readModelNet40 } from "./modelNet40.js";
import { readMsrVtt } from "./msrVtt.js";
import { readPrompts } from "./prompts.js";
import { readFlickrSoundnet, readMusicSolo, readVggSs } from "./sounding.js";
import { readTable } from "./table.js";
import { readInline, readLines } from "./texts.js";
import { readWebDataset } from "./webdataset.js";

/** What opens each type of source; a type without a line here does not compile. */
const READERS: { readonly [T in ListedSource["type"]]: SourceReader<T> } = {
  inline: readInline,
  lines: readLines,
  folder: readFolder,
  glob: readGlob,
  "class-folder": readClassFolder,
  webdataset: readWebDataset,
  table: readTable,
  coco: readCoco,
  "msr-vtt": readMsrVtt,
  "vgg-ss": readVggSs,
  "flickr-soundnet": readFlickrSoundnet,
  "music-solo": readMusicSolo,
  extended: readExtended,
  prompts: readPrompts,
  modelnet40: readModelNet40,
  joined: (source, context) => readJoined(source, context, openSource),
};

/** Opens a source whose items are named one by one. Rejects with exit 3 when it is not there. */
export function openSource(source: ListedSource, context: SourceContext): Promise<ItemSource> {
  const read = READERS[source.type] as SourceReader<ListedSource["type"]>;
  return read(source, context);
}
