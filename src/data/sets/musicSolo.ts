import { checkCornerAndSize } from "./boxes.js";
import { type SetCopy, textField } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";
import { headless } from "./formats.js";

const BOXES = "music_solo.json";
const TEST = "music_solo_test.csv";
const FIX = "Correct it, or load the file again";
/** Frames of each class, which the published file has. */
const CLASSES = { flute: 918, saxophone: 558, accordion: 454, trumpet: 180, cello: 8, acoustic_guitar: 5, violin: 1 } as const;

/** MUSIC-Solo, frames of solos with the box of the instrument. */
export const musicSolo: SetDefinition = {
  name: "music-solo",
  title: "MUSIC-Solo",
  uses: ["test"],
  purpose: "Audio-visual source localization: cIoU@0.5, AUC",
  size: "2,124 frames of 20 videos",
  cite: "Hu et al., Discriminative Sounding Objects Localization via Self-supervised Audiovisual Matching, NeurIPS 2020 (arXiv 2010.05466); Zhao et al., The Sound of Pixels, ECCV 2018 (MUSIC)",
  from: [
    { what: "the boxes as one list (metadata/music_solo.json)", at: "https://github.com/stoneMo/AVGN" },
    { what: "the boxes as first published (music-exp/solotest.json), and how frames were cut (data/cut_videos.py)", at: "https://github.com/DTaoo/Discriminative-Sounding-Objects-Localization" },
    { what: "MUSIC, whose videos they are of", at: "https://github.com/roudimit/MUSIC_dataset" },
  ],
  licence: "not stated by its authors; ask them. The videos are those of YouTube's uploaders",
  layout: [
    { path: BOXES, what: "a frame an object: file, class, bbox (x, y, width, height, fractions of the image)", need: "needed", by: "download", get: "metadata/music_solo.json of the repository AVGN" },
    { path: TEST, what: "file,class, a line for each frame", need: "optional", by: "download", get: "metadata/music_solo_test.csv of the same repository" },
    { path: "frames/", what: "the annotated frames", files: "<YouTube id>_<second, three digits>_<frame, five digits>.jpg", need: "needed", by: "prepare", get: "Cut from videos/ by cmcr data prepare: frame number FFFFF of the video, counted from 0" },
    { path: "audio/", what: "the sound of each video, 16-bit mono", files: "<YouTube id>.wav", need: "needed", by: "prepare", get: "Cut from videos/ by cmcr data prepare, or put there" },
    { path: "videos/", what: "the 20 videos", files: "<YouTube id>.mp4", need: "optional", by: "download", get: "The videos that music_solo.json names, at their own frame rate" },
  ],
  counts: [
    { name: "items", published: 2124 },
    { name: "videos", published: 20, with: "items" },
    { name: "classes", published: 7, with: "items" },
    ...Object.entries(CLASSES).map(([name, published]) => ({ name, published, with: "items" })),
  ],
  faults: [
    { key: "corner-and-size", what: "boxes are x, y, width and height, and published code takes them for corners: 1,647 of 2,124 are degenerate then, and count 0", published: null, handling: "they are read as x, y, width and height" },
    { key: "beyond-edge", what: "x + width is up to 1.02", published: null, handling: "boxes are cut at the image's edge" },
    { key: "few-of-a-class", what: "seven classes, of which violin has one frame, acoustic_guitar five and cello eight; frames of one video are alike", published: null, handling: "results are means over frames, as in the published code; the attribute media tells the video" },
  ],
  attrition: false,
  prepare: { clips: { frame: "middle" }, pairs: ["class"] },
  read: readMusic,
};

async function* readMusic(copy: SetCopy): AsyncGenerator<SetItem> {
  const files = new Set<string>();
  const videos = new Set<string>();
  const classes = new Set<string>();
  for await (const { values, at } of copy.objects(BOXES, null)) {
    const [file, name] = [textField(values, "file"), textField(values, "class")];
    copy.count("items");
    const parts = /^(.{11})_(\d{3})_(\d{5})$/.exec(file);
    if (parts === null) {
      copy.fault("BAD_ID", at, `"${file}" is no frame: <YouTube id>_<second in three digits>_<frame in five> is expected under file`, FIX);
      continue;
    }
    const [, video = "", , frame = ""] = parts;
    if (files.has(file)) copy.fault("REPEATED_ID", at, `${file} is there already`, "Remove one of them, or load the file again");
    files.add(file);
    videos.add(video);
    if (Object.hasOwn(CLASSES, name)) copy.count(name);
    else copy.fault("UNKNOWN_CLASS", at, `${file}: "${name}" is none of ${Object.keys(CLASSES).join(", ")}`, FIX);
    classes.add(name);
    checkCornerAndSize(copy, at, file, values.get("bbox"));
    yield {
      id: file,
      place: `${at.file}, ${at.at}`,
      claims: [
        { path: `frames/${file}.jpg`, kind: "image", folder: "frames/", cut: { video, frame: Number(frame) } },
        { path: `audio/${video}.wav`, kind: "audio", folder: "audio/", cut: { video } },
      ],
      attributes: { class: name },
    };
  }
  copy.count("videos", videos.size);
  copy.count("classes", classes.size);
  if (copy.unread.has(BOXES) || !(await copy.has(TEST))) return;
  for await (const { values, at } of copy.table(TEST, headless("file", "class"), ["file", "class"])) {
    const file = textField(values, "file");
    if (!files.has(file)) copy.fault("UNKNOWN_ID", at, `${file} is not in ${BOXES}`, "Load both again; they don't belong together");
  }
}
