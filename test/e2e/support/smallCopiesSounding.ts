import { CopyWriter, type SmallCopyOptions, upTo, videoId } from "./smallCopiesMedia.js";
import { orderHdf5 } from "./smallCopiesFiles.js";

/** Small copies of the audio-visual data sets. */

/** Of AVE's 28 categories; names hold commas. */
export const AVE_CATEGORIES = ["Church bell", "Male speech, man speaking", "Bark", "Fixed-wing aircraft, airplane", "Race car, auto racing", "Ukulele"] as const;
/** Of VGGSound's classes; names hold commas. */
export const VGG_CLASSES = ["dog barking", "playing piano", "train horning", "people eating crisps", "bee, wasp, etc. buzzing", "cat purring"] as const;
export const MUSIC_CLASSES = ["flute", "saxophone", "accordion", "trumpet"] as const;

/** AVE: Annotations.txt without a header, its last row the event of a video that is there already; three splits in HDF5, every third row in the test split. */
export function writeAve(root: string, { items = 12, media = true }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const rows = upTo(items).map((item) => {
    const [start, end] = item % 3 === 2 ? [2, 7] : [0, 10];
    return { label: item % AVE_CATEGORIES.length, video: item === items - 1 && items > 3 ? videoId(2) : videoId(item), start, end };
  });
  copy.write("Annotations.txt", rows.map(({ label, video, start, end }) => `${AVE_CATEGORIES[label] ?? ""}&${video}&good&${start}&${end}\n`).join(""));
  const split = (name: string, wanted: (row: number) => boolean): void => {
    // The order in the file is not that of the rows.
    copy.write(`${name}_order.h5`, orderHdf5(upTo(items).filter(wanted).reverse()));
  };
  split("test", (row) => row % 3 === 0);
  split("val", (row) => row % 3 === 1 && row % 2 === 0);
  split("train", (row) => row % 3 === 2 || (row % 3 === 1 && row % 2 === 1));
  if (!media) return copy;
  for (const [item, { label, video }] of rows.entries()) {
    if (copy.files.includes(`frames/${video}.jpg`)) continue;
    copy.picture(`frames/${video}.jpg`, label, item);
    copy.sound(`audio/${video}.wav`, label, item);
  }
  return copy;
}

/** Flickr-SoundNet: the test list with its second column, and an XML of three annotators for each. Ids are numbers. */
export function writeFlickrSoundnet(root: string, { items = 12, media = true }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const ids = upTo(items).map(flickrId);
  copy.write("flickr_test.csv", ids.map((id, item) => `${id},${item}\n`).join(""));
  for (const [item, id] of ids.entries()) {
    copy.write(`Annotations/${id}.xml`, flickrXml(item));
    if (media) {
      copy.picture(`frames/${id}.jpg`, item % 6, item);
      copy.sound(`audio/${id}.wav`, item % 6, item);
    }
  }
  return copy;
}

const flickrId = (item: number): string => String(3_908_875_350 + 1_013_579 * item);

/** Boxes of three annotators in pixels of a frame of 256 x 256; the first child of a box is no coordinate. */
function flickrXml(item: number): string {
  const boxes = [0, 1, 2].map((annotator) => {
    const [x, y] = [20 + 8 * (item % 10) + annotator, 30 + 4 * annotator];
    return `\t<annotator${annotator}>\n\t\t<bbox>\n\t\t\t<name>object</name>\n\t\t\t<xmin>${x}</xmin>\n\t\t\t<ymin>${y}</ymin>\n\t\t\t<xmax>${x + 110}</xmax>\n\t\t\t<ymax>${y + 120}</ymax>\n\t\t</bbox>\n\t</annotator${annotator}>\n`;
  });
  return `<annotation>\n${boxes.join("")}</annotation>\n`;
}

/** VGG-SS: vggss.json with several boxes for each fourth item; the fifth has a degenerate box and the sixth one with negative values, as some of the published ones have. */
export function writeVggSs(root: string, options: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const items = vggItems(options.items ?? 12);
  copy.write("vggss.json", JSON.stringify(items.map(({ file, name, boxes }) => ({ file, class: name, bbox: boxes }))));
  copy.write("vggss_test.csv", items.map(({ file }) => `${file}\n`).join(""));
  if (options.media ?? true) for (const [item, { file, label }] of items.entries()) writePair(copy, file, label, item);
  return copy;
}

function vggItems(count: number) {
  return upTo(count).map((item) => {
    const label = item % VGG_CLASSES.length;
    const at = 0.1 + 0.04 * (item % 8);
    const first = [at, 0.2, at + 0.45, 0.8];
    const boxes = item === 4 ? [[0.5, 0.2, 0.5, 0.8], first] : item === 5 ? [[-0.02, 0.1, 0.5, 0.6]] : item % 4 === 3 ? [first, [0.6, 0.55, 0.95, 1]] : [first];
    return { file: `${videoId(item)}_${String(10 * item).padStart(6, "0")}`, label, name: VGG_CLASSES[label] ?? "", boxes };
  });
}

function writePair(copy: CopyWriter, id: string, label: number, item: number): void {
  copy.picture(`frames/${id}.jpg`, label, item);
  copy.sound(`audio/${id}.wav`, label, item);
}

/** MUSIC-Solo: music_solo.json, frames of two videos, boxes as x, y, width and height; a sound for each video. */
export function writeMusicSolo(root: string, { items = 12, media = true }: SmallCopyOptions = {}): CopyWriter {
  const copy = new CopyWriter(root);
  const frames = upTo(items).map((item) => {
    const label = item % 2;
    const second = 3 + item;
    // x + width may be a little more than 1, as in the published ones.
    const bbox = [0.4 + 0.02 * (item % 6), 0.25, item % 6 === 5 ? 0.51 : 0.3, 0.5];
    return { video: videoId(100 + label), label, file: `${videoId(100 + label)}_${String(second).padStart(3, "0")}_${String(30 * second).padStart(5, "0")}`, bbox };
  });
  copy.write("music_solo.json", JSON.stringify(frames.map(({ file, label, bbox }) => ({ file, class: MUSIC_CLASSES[label], bbox }))));
  copy.write("music_solo_test.csv", frames.map(({ file, label }) => `${file},${MUSIC_CLASSES[label] ?? ""}\n`).join(""));
  if (!media) return copy;
  for (const [item, { file, label, video }] of frames.entries()) {
    copy.picture(`frames/${file}.jpg`, label, item);
    if (item < 2) copy.sound(`audio/${video}.wav`, label, item, 3);
  }
  return copy;
}

/**
 * The extended VGG-SS: the test items, and as many rows that sound nowhere in their image. One of
 * them has an id that is not of the test, with its own sound; the others pair test images with sounds of others.
 */
export function writeVggSsExtended(root: string, options: SmallCopyOptions = {}): CopyWriter {
  const copy = writeVggSs(root, options);
  const files = vggItems(options.items ?? 12).map(({ file }) => file);
  const other = `${videoId(900)}_000050`;
  copy.write("vggss_test_plus_silent.csv", silentRows(files, other));
  if (options.media ?? true) writePair(copy, other, 3, 1);
  return copy;
}

/** The extended Flickr-SoundNet: every silent row pairs a test image with the sound of another. */
export function writeFlickrSoundnetExtended(root: string, options: SmallCopyOptions = {}): CopyWriter {
  const copy = writeFlickrSoundnet(root, options);
  copy.write("flickr_test_plus_silent.csv", silentRows(upTo(options.items ?? 12).map(flickrId), null));
  return copy;
}

function silentRows(ids: readonly string[], own: string | null): string {
  const pairs = ids.map((id, at) => `${id},${ids[(at + 1) % ids.length] ?? ""},non-sounding\n`);
  if (own !== null) pairs[pairs.length - 1] = `${own},${own},non-sounding\n`;
  return `video,audio,label\n${pairs.join("")}`;
}
