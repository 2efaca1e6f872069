import type { SetDefinition } from "./definition.js";
import { FLICKR_COUNTS, FLICKR_FAULTS, FLICKR_LAYOUT, readFlickr } from "./flickrSoundnet.js";
import { readSilent, silentEntry } from "./silent.js";

const SILENT = "flickr_test_plus_silent.csv";

/** The extended Flickr-SoundNet, with images in which nothing sounds. */
export const flickrSoundnetExtended: SetDefinition = {
  name: "flickr-soundnet-extended",
  title: "Extended Flickr-SoundNet",
  uses: ["test"],
  purpose: "Counterfactual audio-image recognition: AP, max-F1, LocAcc",
  size: "250 clips and 250 that don't sound",
  cite: "Mo and Morgado, A Closer Look at Weakly-Supervised Audio-Visual Source Localization, NeurIPS 2022 (arXiv 2209.09634)",
  from: [
    { what: "both lists (metadata/), and the address of an archive of images and sounds", at: "https://github.com/stoneMo/SLAVC" },
    { what: "boxes of the clips that sound", at: "https://github.com/ardasnck/learning_to_localize_sound_source" },
  ],
  licence: "the lists: not stated by their authors; ask them. The Sound Localization Dataset: research purposes only, as published by its authors",
  layout: [silentEntry(SILENT), ...FLICKR_LAYOUT],
  counts: [
    ...FLICKR_COUNTS,
    { name: "silent rows", published: 250 },
    { name: "mismatched", published: 250, with: "silent rows" },
    { name: "different sounds", published: 160, with: "silent rows" },
  ],
  faults: [
    ...FLICKR_FAULTS,
    { key: "list-of-negatives-alone", what: "the list has the negatives only; the positives are the test items with their boxes", published: null, handling: "the source extended puts both together" },
  ],
  attrition: false,
  prepare: { clips: { frame: "middle" }, pairs: ["sounding"] },
  async *read(copy) {
    const ids = new Set<string>();
    for await (const item of readFlickr(copy)) {
      ids.add(item.id);
      yield item;
    }
    yield* readSilent(copy, { file: SILENT, ids, ownAllowed: false, id: /^\d+$/ });
  },
};
