import { readIntegers } from "../hdf5.js";
import { type SetCopy, textField } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";
import { headless } from "./formats.js";
import { pairClaims, pairFolders } from "./sounding.js";

const LIST = "Annotations.txt";
const SPLITS = ["train", "val", "test"] as const;
const COLUMNS = ["Category", "VideoID", "Quality", "StartTime", "EndTime"] as const;
const FORMAT = { ...headless(...COLUMNS), delimiter: "&", quote: null };

/** The 28 categories of AVE (Tian et al., ECCV 2018). */
const CATEGORIES: ReadonlySet<string> = new Set([
  "Church bell", "Male speech, man speaking", "Bark", "Fixed-wing aircraft, airplane", "Race car, auto racing", "Female speech, woman speaking", "Helicopter",
  "Violin, fiddle", "Flute", "Ukulele", "Frying (food)", "Truck", "Shofar", "Motorcycle", "Acoustic guitar", "Train horn", "Clock", "Banjo", "Goat",
  "Baby cry, infant cry", "Bus", "Chainsaw", "Cat", "Horse", "Toilet flush", "Rodents, rats, mice", "Accordion", "Mandolin",
]);

/** AVE, audio-visual events. */
export const ave: SetDefinition = {
  name: "ave",
  title: "AVE",
  uses: ["test"],
  purpose: "Audio-image retrieval: the test split's images and sounds, found by each other",
  size: "4,143 events in 4,097 clips",
  cite: "Tian et al., Audio-Visual Event Localization in Unconstrained Videos, ECCV 2018 (arXiv 1803.08842)",
  from: [
    { what: "lists and splits (data/Annotations.txt, data/*_order.h5), and the address of the videos (AVE_Dataset.zip)", at: "https://github.com/YapengTian/AVE-ECCV18" },
  ],
  licence: "not stated by its authors; ask them. The videos are those of YouTube's uploaders",
  layout: [
    { path: LIST, what: "an event a line: Category&VideoID&Quality&StartTime&EndTime", need: "needed", by: "download", get: "data/Annotations.txt of the repository" },
    ...SPLITS.map((split) => ({
      path: `${split}_order.h5`,
      what: `the rows of the ${split} split, from 0`,
      need: split === "test" ? ("needed" as const) : ("optional" as const),
      by: "download" as const,
      get: `data/${split}_order.h5 of the repository; ${split}_order_match.h5 is another split, for matching`,
    })),
    ...pairFolders({ id: "<VideoID>", videos: "The folder AVE/ of AVE_Dataset.zip" }),
  ],
  counts: [
    { name: "events", published: 4143 },
    { name: "clips", published: 4097, with: "events" },
    { name: "categories", published: 28, with: "events" },
    { name: "train", published: 3339, with: "events" },
    { name: "val", published: 402, with: "events" },
    { name: "test", published: 402, with: "events" },
  ],
  faults: [
    { key: "repeated-video", what: "45 videos are in the list two or three times, with one event each time (46 lines too many); 8 test videos are in the training split too", published: 46, with: "events", handling: "each line is an item: the second has the id VIDEO~2, and both belong to each other in retrieval by the attribute media" },
    { key: "header", what: "some releases of Annotations.txt begin with a header, the repository's does not", published: null, handling: "a header is passed over, and row numbers don't count it" },
    { key: "comma-in-category", what: "names of categories hold commas", published: null, handling: "fields are parted at & alone" },
  ],
  attrition: false,
  prepare: { clips: { frame: "middle" }, pairs: ["category", "split"] },
  read: readAve,
};

async function* readAve(copy: SetCopy): AsyncGenerator<SetItem> {
  const splits = await readSplits(copy);
  const videos = new Set<string>();
  const categories = new Set<string>();
  let rows = 0;
  for await (const { values, at, number } of copy.table(LIST, FORMAT, COLUMNS)) {
    rows = number + 1;
    const [category, video] = [textField(values, "Category"), textField(values, "VideoID")];
    copy.count("events");
    categories.add(category);
    if (!CATEGORIES.has(category)) copy.fault("UNKNOWN_CATEGORY", at, `"${category}" is none of the 28 categories`, "Correct the line, or load the file again");
    if (!/^[\w-]{11}$/.test(video)) copy.fault("BAD_ID", at, `"${video}" is no id of a video: eleven letters, digits, - and _`, "Correct the line, or load the file again");
    checkTimes(copy, at, textField(values, "StartTime"), textField(values, "EndTime"));
    if (videos.has(video)) copy.known("repeated-video", at, `${video} is there already`);
    videos.add(video);
    yield { id: video, place: `${LIST}:${at.at}`, claims: pairClaims(video), attributes: { category, split: splits?.of.get(number) ?? "" } };
  }
  copy.count("clips", videos.size);
  copy.count("categories", categories.size);
  if (rows > 0) checkSplits(copy, splits, rows);
}

function checkTimes(copy: SetCopy, at: Parameters<SetCopy["fault"]>[1], start: string, end: string): void {
  const [from, to] = [Number(start), Number(end)];
  if (start === "" || end === "" || !(from >= 0 && to > from && to <= 10)) copy.fault("BAD_TIMES", at, `expected an event that begins and ends within the ten seconds of a clip; found ${start} to ${end}`, "Correct the line, or load the file again");
}

interface Splits {
  readonly of: ReadonlyMap<number, string>;
  readonly whole: boolean;
}

/** The split of each row; null where no list of a split is there. */
async function readSplits(copy: SetCopy): Promise<Splits | null> {
  const of = new Map<number, string>();
  let read = 0;
  for (const split of SPLITS) {
    const file = `${split}_order.h5`;
    if (!(await copy.has(file))) continue;
    const numbers = await copy.attempt(file, (path) => readIntegers(path, "order"));
    if (numbers === null) continue;
    read += 1;
    copy.count(split, numbers.length);
    for (const row of numbers) {
      const other = of.get(row);
      if (other !== undefined) copy.fault("REPEATED_ROW", { file, at: `row ${row}` }, other === split ? "is picked twice" : `is in the ${other} split too`, "Load the splits again; *_order_match.h5 are others, which don't belong to these");
      of.set(row, split);
    }
  }
  return read === 0 ? null : { of, whole: read === SPLITS.length };
}

function checkSplits(copy: SetCopy, splits: Splits | null, rows: number): void {
  if (splits === null || copy.unread.has(LIST)) return;
  for (const [row, split] of splits.of) {
    if (row < 0 || row >= rows) copy.fault("NO_SUCH_ROW", { file: `${split}_order.h5`, at: `row ${row}` }, `${LIST} has the rows 0 to ${rows - 1}`, "Load both again; they don't belong together");
  }
  if (!splits.whole) return;
  let without = 0;
  let first = 0;
  for (let row = rows - 1; row >= 0; row -= 1) if (!splits.of.has(row)) [without, first] = [without + 1, row];
  if (without > 0) copy.fault("ROW_IN_NO_SPLIT", { file: LIST, at: `row ${first}` }, `${without} row${without === 1 ? " is" : "s are"} in none of the splits, this the first`, "Load the list and the splits again; they don't belong together");
}
