import { type SetCopy, textField } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";
import { tabbed } from "./formats.js";

const LISTS = [["train", "Train_GCC-training.tsv"], ["validation", "Validation_GCC-1.1.0-Validation.tsv"]] as const;

/** Conceptual Captions 3M. */
export const cc3m: SetDefinition = {
  name: "cc3m",
  title: "Conceptual Captions 3M",
  uses: ["queries"],
  purpose: "Captions of images of the web among the texts by which the spaces are connected; the images are not needed for that",
  size: "3,318,333 + 15,840 captions",
  cite: "Sharma et al., Conceptual Captions, ACL 2018",
  from: [
    { what: "the lists of captions and addresses", at: "https://ai.google.com/research/ConceptualCaptions/download" },
    { what: "the repository", at: "https://github.com/google-research-datasets/conceptual-captions" },
  ],
  licence: "may be used for any purpose, acknowledgement of Google appreciated, as published by its authors; the images are those of their sites",
  layout: [
    { path: LISTS[0][1], what: "caption<TAB>address", need: "needed", by: "download", get: "Train_GCC-training.tsv, the training split" },
    { path: LISTS[1][1], what: "the same of the validation split", need: "optional", by: "download", get: "Validation_GCC-1.1.0-Validation.tsv, the validation split" },
  ],
  counts: [
    { name: "train", published: 3318333 },
    { name: "validation", published: 15840 },
  ],
  faults: [
    { key: "no-header", what: "the lists have no header, and users of img2dataset put one there (caption, url)", published: null, handling: "a header is passed over, and is no caption" },
    { key: "no-quoting", what: "quotes in captions are characters like any other", published: null, handling: "fields are parted at tabs alone" },
    { key: "gone-images", what: "many images are no longer online: open_clip's authors got 2,905,954 pairs of the training split", published: null, handling: "captions are all there; images come as tars of img2dataset, of which those that are there are taken" },
  ],
  attrition: true,
  prepare: {},
  read: readCc3m,
};

async function* readCc3m(copy: SetCopy): AsyncGenerator<SetItem> {
  for (const [name, file] of LISTS) {
    for await (const { values, at } of copy.table(file, tabbed("caption", "url"), ["caption", "url"])) {
      copy.count(name);
      if (textField(values, "caption") === "") copy.fault("EMPTY_CAPTION", at, "its caption is empty", "Remove the line, or load the file again");
      if (!/^\S+:\/\/\S+$/.test(textField(values, "url"))) copy.fault("BAD_ADDRESS", at, `"${textField(values, "url").slice(0, 60)}" is no address`, "Correct the line, or load the file again");
      // So that others have their turn, and what reads this can count.
      if ((copy.counts.get(name) ?? 0) % 10_000 === 0) yield { id: at.at, place: `${file}:${at.at}`, claims: [] };
    }
  }
}
