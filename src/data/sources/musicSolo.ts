import { badAnnotation, cornersOf, type SoundingEntry } from "./boxAnnotations.js";

/** What follows the video's id in a name: the second, and the frame of 30 a second. Ids hold underscores themselves. */
const NAME = /^(.+)_(\d{3})_(\d{5})$/;
const ORIGINAL = /^((.+?)(?:_\d+_\d+)?\/frame_(\d+)\/(\d+))\.\w+$/;
/** Of solotest.json, from the code that came with it. */
const CATEGORIES: Readonly<Record<number, string>> = { 1: "cello", 3: "acoustic_guitar", 8: "saxophone", 10: "trumpet", 11: "violin", 12: "flute", 13: "accordion" };

type Fields = Readonly<Record<string, unknown>>;

/**
 * The frames of MUSIC-Solo. music_solo.json is a list of `file`, `class` and `bbox`; the original solotest.json a map from
 * `VIDEO_0_1000/frame_SSS/NNNNN.jpg` to its boxes. In both a box is x, y, width and height, although code that reads the first takes
 * it for corners, by which most boxes would be degenerate. Thrown with exit 3 where an entry is not as either has it.
 */
export function* parseMusicSolo(document: unknown, path: string): Generator<SoundingEntry> {
  if (Array.isArray(document)) yield* document.map((entry, index) => listed(entry, `${path}, item ${index}`));
  else if (isFields(document)) yield* original(document, path);
  else throw badAnnotation(path, "expected a list of frames, or a map of them");
}

function listed(entry: unknown, place: string): SoundingEntry {
  const { file, class: name, bbox } = isFields(entry) ? entry : {};
  if (typeof file !== "string" || typeof name !== "string") throw badAnnotation(place, "expected an entry with file, class and bbox");
  const found = NAME.exec(file);
  if (found === null) throw badAnnotation(place, `expected a file named VIDEO_SSS_FFFFF, found ${JSON.stringify(file)}`);
  const [, video = "", second = ""] = found;
  const own = `${place} (${file})`;
  return { file, boxes: [cornersOf(bbox, "size", own)], values: { class: name, media: video, video, second }, place: own };
}

function* original(document: Fields, path: string): Generator<SoundingEntry> {
  const frames = Object.entries(document).map(([key, entry]) => frameOf(key, entry, path));
  // A frame without a box has its video's class: each video is one solo.
  const classes = new Map(frames.flatMap(({ video, name }) => (name === null ? [] : [[video, name] as const])));
  for (const { key, file, video, second, boxes, place } of frames) {
    yield { file, boxes, values: { class: classes.get(video) ?? "unknown", media: video, video, second, path: key }, place };
  }
}

function frameOf(key: string, entry: unknown, path: string) {
  const place = `${path} (${key})`;
  const [, file, video, second] = ORIGINAL.exec(key) ?? [];
  if (file === undefined || video === undefined || second === undefined) throw badAnnotation(place, "expected a key such as VIDEO_0_1000/frame_013/00411.jpg");
  const annotated = isFields(entry) ? entry["bbox"] : undefined;
  if (!Array.isArray(annotated)) throw badAnnotation(place, "expected a list bbox");
  const fields = annotated.map((box: unknown) => (isFields(box) ? box : {}));
  const [category] = fields.map((box) => box["category_id"]).filter((id) => typeof id === "number");
  const name = category === undefined ? null : (CATEGORIES[category] ?? `category ${category}`);
  return { key, file, video, second: String(Number(second)), boxes: fields.map((box) => cornersOf(box["normbox"], "size", place)), name, place };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
