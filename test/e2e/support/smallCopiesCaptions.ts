import { CopyWriter, type SmallCopyOptions, upTo, videoId } from "./smallCopiesMedia.js";

/** Small copies of the data sets of captions. */

const THINGS = ["dog", "train", "piano", "bell", "crowd", "engine"] as const;
/** With commas, quotes and spaces, which lists of captions have. */
const caption = (item: number, number = 0): string => `A ${THINGS[item % THINGS.length] ?? ""} is heard, and "${number === 0 ? "something" : `thing ${number}`}" ${item} follows`;
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const FIVE = [1, 2, 3, 4, 5] as const;
const FIVE_COLUMNS = FIVE.map((number) => `caption_${number}`).join(",");

/** AudioCaps' own lists: one caption a row in train.csv, five rows for each sound in val.csv and test.csv. */
export function writeAudioCaps(root: string, { items = 12, media = true }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const lists = [
    { name: "train", first: 0, sounds: items, captions: 1 },
    { name: "val", first: 300, sounds: Math.max(1, items >> 2), captions: 5 },
    { name: "test", first: 600, sounds: Math.max(2, items >> 1), captions: 5 },
  ];
  for (const { name, first, sounds, captions } of lists) {
    const rows = upTo(sounds * captions).map((row) => {
      const item = first + Math.floor(row / captions);
      return `${91_000 + 10 * first + row},${videoId(item)},${30 * (item % 7)},${quoted(caption(item, row % captions))}\n`;
    });
    copy.write(`${name}.csv`, `audiocap_id,youtube_id,start_time,caption\n${rows.join("")}`);
    if (media) for (const item of upTo(sounds)) copy.sound(`audio/Y${videoId(first + item)}.wav`, (first + item) % THINGS.length, item);
  }
  return copy;
}

/** AudioCaps as WavCaps hands it on: `file_name,caption` for training, five columns of captions for the others. */
export function writeWavCapsAudioCaps(root: string, { items = 12, media = true }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const sounds = (name: string, first: number, count: number, columns: string, captions: (item: number) => readonly string[]): void => {
    const rows = upTo(count).map((item) => [`Y${videoId(first + item)}.wav`, ...captions(first + item).map(quoted)].join(","));
    copy.write(`${name}.csv`, `file_name,${columns}\n${rows.join("\n")}\n`);
    if (media) for (const item of upTo(count)) copy.sound(`audio/Y${videoId(first + item)}.wav`, (first + item) % THINGS.length, item);
  };
  sounds("train", 0, items, "caption", (item) => [caption(item)]);
  sounds("val", 300, Math.max(1, items >> 2), FIVE_COLUMNS, (item) => FIVE.map((number) => caption(item, number)));
  sounds("test", 600, Math.max(2, items >> 1), FIVE_COLUMNS, (item) => FIVE.map((number) => caption(item, number)));
  return copy;
}

/** Clotho: three lists of five captions, the sounds in a folder for each; names with spaces and brackets. */
export function writeClotho(root: string, { items = 12, media = true }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  for (const [at, split] of ["development", "validation", "evaluation"].entries()) {
    const count = at === 0 ? items : Math.max(2, items >> 1);
    const name = (item: number): string => `Distant ${THINGS[item % THINGS.length] ?? ""} (take ${item}) ${split}.wav`;
    const rows = upTo(count).map((item) => [name(item), ...FIVE.map((number) => quoted(caption(item, number)))].join(","));
    copy.write(`clotho_captions_${split}.csv`, `file_name,${FIVE_COLUMNS}\n${rows.join("\n")}\n`);
    if (media) for (const item of upTo(count)) copy.sound(`${split}/${name(item)}`, item % THINGS.length, item);
  }
  return copy;
}

/** COCO's captions of two years' splits and Karpathy's test split; the first image of each has six captions, as a few of COCO's have. */
export function writeCoco(root: string, { items = 12, media = true }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  for (const [split, first, count] of [["train2014", 9, items], ["val2014", 5000, Math.max(2, items >> 1)]] as const) {
    const images = upTo(count).map((item) => ({ id: first + 13 * item, file_name: `COCO_${split}_${String(first + 13 * item).padStart(12, "0")}.jpg` }));
    const captions = images.flatMap(({ id }, item) => upTo(item === 0 ? 6 : 5).map((number) => ({ image_id: id, id: 10 * id + number, caption: caption(item, number) })));
    copy.write(`captions_${split}.json`, JSON.stringify({ info: { year: 2014 }, images, licenses: [], annotations: captions }));
    if (split === "val2014") copy.write("coco_test_karpathy.json", JSON.stringify({ images, annotations: captions }));
    if (media) for (const [item, { file_name: name }] of images.entries()) copy.picture(`${split}/${name}`, item % 6, item);
  }
  return copy;
}

/** CC3M: captions and addresses with a tab between them, no header, quotes that mean nothing: the second caption begins with one that is never closed. */
export function writeCc3m(root: string, { items = 12 }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const lines = (count: number): string => upTo(count).map((item) => `${item === 1 ? '"' : ""}${caption(item)}\thttp://pictures.example/${item}.jpg\n`).join("");
  copy.write("Train_GCC-training.tsv", lines(items));
  copy.write("Validation_GCC-1.1.0-Validation.tsv", lines(Math.max(2, items >> 2)));
  return copy;
}

/** MSR-VTT as CLIP4Clip has it: twenty sentences a video in the JSON, the test list 1k-A and the training list of the others. */
export function writeMsrVtt(root: string, { items = 12 }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const name = (item: number): string => `video${item}`;
  const videos = upTo(items).map((item) => ({ video_id: name(item), category: item % 20, start_time: 0, end_time: 10, split: "train", id: item }));
  const sentences = upTo(20 * items).map((row) => ({ caption: caption(Math.floor(row / 20), row % 20), video_id: name(Math.floor(row / 20)), sen_id: row }));
  copy.write("MSRVTT_data.json", JSON.stringify({ videos, sentences }));
  const test = upTo(items).filter((item) => item % 4 === 3);
  copy.write("MSRVTT_JSFUSION_test.csv", `key,vid_key,video_id,sentence\n${test.map((item, at) => `ret${at},msr${item},${name(item)},${quoted(caption(item, 1))}\n`).join("")}`);
  copy.write("MSRVTT_train.9k.csv", `video_id\n${upTo(items).filter((item) => item % 4 !== 3).map((item) => `${name(item)}\n`).join("")}`);
  return copy;
}
