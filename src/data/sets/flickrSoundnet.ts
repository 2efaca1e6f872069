import { type SetCopy, textField } from "./copy.js";
import type { KnownFault, LayoutEntry, PublishedCount, SetDefinition, SetItem } from "./definition.js";
import { checkFlickrXml } from "./flickrXml.js";
import { headless } from "./formats.js";
import { pairClaims, pairFolders } from "./sounding.js";

const TEST = "flickr_test.csv";
/** What the shorter of the two published lists lacks. */
const LACKING = "3908875350";
const SHORTER = 249;

export const FLICKR_LAYOUT: readonly LayoutEntry[] = [
  { path: TEST, what: "id,number, a line for each clip; the number is not used", need: "needed", by: "download", get: "metadata/flickr_test.csv of the repository SLAVC (250 lines)" },
  { path: "Annotations/", what: "the boxes of three annotators for each clip, in pixels of a frame of 256 x 256", files: "<id>.xml", need: "needed", by: "download", get: "The XML files of the Sound Localization Dataset; all 5,000 may stay there" },
  ...pairFolders({ id: "<id>", videos: "Of clips that are there as videos; the Sound Localization Dataset has images and sounds, which go to frames/ and audio/ as they are" }),
];

export const FLICKR_COUNTS: readonly PublishedCount[] = [
  { name: "items", published: 250, variants: [{ count: SHORTER, what: `the copy of Localizing-Visual-Sounds-the-Hard-Way, which lacks ${LACKING}; compare results with those on the same list alone` }] },
];

export const FLICKR_FAULTS: readonly KnownFault[] = [
  { key: "249-of-250", what: `there are two test lists: that of SLAVC has 250 clips, that of Localizing-Visual-Sounds-the-Hard-Way 249, without ${LACKING}`, published: null, handling: "the list that is there is taken, and a run's counts say which it is" },
  { key: "first-child", what: "the first child of each bbox is no coordinate", published: null, handling: "it is passed over" },
  { key: "three-annotators", what: "each clip has the boxes of up to three annotators, not of several objects", published: null, handling: "the truth of a pixel is min(annotators / 2, 1), the consensus that all published code takes" },
];

/** Flickr-SoundNet's annotated test. */
export const flickrSoundnet: SetDefinition = {
  name: "flickr-soundnet",
  title: "Flickr-SoundNet",
  uses: ["test"],
  purpose: "Audio-image retrieval; audio-visual source localization: cIoU@0.5, AUC",
  size: "250 clips",
  cite: "Senocak et al., Learning to Localize Sound Source in Visual Scenes, CVPR 2018 (arXiv 1803.03849); Aytar et al., SoundNet, NeurIPS 2016 (arXiv 1610.09001)",
  from: [
    { what: "the Sound Localization Dataset: 5,000 image-sound pairs with boxes", at: "https://github.com/ardasnck/learning_to_localize_sound_source" },
    { what: "the test list of 250 clips (metadata/flickr_test.csv)", at: "https://github.com/stoneMo/SLAVC" },
  ],
  licence: "research purposes only, as published by its authors; the images and sounds are those of Flickr's uploaders",
  layout: FLICKR_LAYOUT,
  counts: FLICKR_COUNTS,
  faults: FLICKR_FAULTS,
  attrition: false,
  prepare: { clips: { frame: "middle" }, pairs: [] },
  read: readFlickr,
};

/** The clips of the test list, with the XML of each checked. */
export async function* readFlickr(copy: SetCopy): AsyncGenerator<SetItem> {
  const ids = new Set<string>();
  for await (const { values, at } of copy.table(TEST, headless("id", "number"), ["id", "number"])) {
    const id = textField(values, "id").replace(/\.(jpg|wav|mp4)$/, "");
    copy.count("items");
    if (!/^\d+$/.test(id)) {
      copy.fault("BAD_ID", at, `"${id}" is no id of Flickr's, which are numbers`, "Correct the line, or load the file again");
      continue;
    }
    if (ids.has(id)) copy.fault("REPEATED_ID", at, `${id} is there already`, "Remove one of them, or load the file again");
    ids.add(id);
    await checkFlickrXml(copy, id, at);
    yield { id, place: `${at.file}:${at.at}`, claims: pairClaims(id), attributes: { class: "", sounding: "yes" } };
  }
  if (ids.size === SHORTER && !ids.has(LACKING)) copy.known("249-of-250", { file: TEST, at: "" }, `it is the list of 249 clips, which lacks ${LACKING}`);
}
