import type { SetDefinition } from "./definition.js";
import { readSilent, silentEntry } from "./silent.js";
import { readBoxes, VGG_COUNTS, VGG_FAULTS, VGG_LAYOUT } from "./vggSs.js";

const SILENT = "vggss_test_plus_silent.csv";

/** The extended VGG-SS, with images in which nothing sounds. */
export const vggSsExtended: SetDefinition = {
  name: "vgg-ss-extended",
  title: "Extended VGG-SS",
  uses: ["test"],
  purpose: "Counterfactual audio-image recognition: AP, max-F1, LocAcc",
  size: "5,158 clips and 5,158 that don't sound",
  cite: "Mo and Morgado, A Closer Look at Weakly-Supervised Audio-Visual Source Localization, NeurIPS 2022 (arXiv 2209.09634)",
  from: [
    { what: "the list (metadata/vggss_test_plus_silent.csv), and the address of an archive of images and sounds", at: "https://github.com/stoneMo/SLAVC" },
    { what: "boxes of the clips that sound", at: "https://github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way" },
  ],
  licence: "not stated by its authors; ask them",
  layout: [silentEntry(SILENT), ...VGG_LAYOUT],
  counts: [
    ...VGG_COUNTS,
    { name: "silent rows", published: 5158 },
    { name: "mismatched", published: 4779, with: "silent rows" },
    { name: "with their own sound", published: 379, with: "silent rows" },
    { name: "different sounds", published: 3471, with: "silent rows" },
  ],
  faults: [
    ...VGG_FAULTS,
    { key: "silent-of-two-kinds", what: "of the silent rows 4,779 pair a test image with the sound of another test clip, and 379 are clips outside of the test, with their own sound", published: null, handling: "both are negatives, as in the authors' code; the attribute sounding says which rows" },
    { key: "list-of-negatives-alone", what: "the list has the negatives only; the positives are the test items with their boxes", published: null, handling: "the source extended puts both together" },
  ],
  attrition: false,
  prepare: { clips: { frame: 5 }, pairs: ["class", "sounding"] },
  async *read(copy) {
    const ids = new Set<string>();
    for await (const item of readBoxes(copy)) {
      ids.add(item.id);
      yield item;
    }
    yield* readSilent(copy, { file: SILENT, ids, ownAllowed: true, id: /^[\w-]{11}_\d{6}$/ });
  },
};
