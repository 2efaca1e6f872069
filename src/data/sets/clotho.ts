import { type SetCopy, textField } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";
import { HEADED } from "./formats.js";

const SPLITS = ["development", "validation", "evaluation"] as const;
const PUBLISHED = { development: 3839, validation: 1045, evaluation: 1045 } as const;
const FIVE = [1, 2, 3, 4, 5].map((number) => `caption_${number}`);
const FIX = "Correct the line, or load the file again";

/** Clotho. */
export const clotho: SetDefinition = {
  name: "clotho",
  title: "Clotho",
  uses: ["queries"],
  purpose: "Captions of sounds among the texts by which the spaces are connected; the sounds are not needed for that",
  size: "5,929 sounds, five captions each",
  cite: "Drossos et al., Clotho: an Audio Captioning Dataset, ICASSP 2020 (arXiv 1910.09387)",
  from: [{ what: "captions (clotho_captions_*.csv) and sounds (clotho_audio_*.7z), version 2.1", at: "https://zenodo.org/record/4783391" }],
  licence: "captions: Tampere University's licence, without commercial use; sounds: each under the Creative Commons licence that clotho_metadata_*.csv names, as published by its authors",
  layout: SPLITS.flatMap((split) => [
    { path: `clotho_captions_${split}.csv`, what: `file_name,caption_1 to caption_5 of the ${split} split`, need: split === "development" ? ("needed" as const) : ("optional" as const), by: "download" as const, get: `clotho_captions_${split}.csv of the record` },
    { path: `${split}/`, what: "its sounds", files: "<file_name>", need: "optional" as const, by: "download" as const, get: `What is in clotho_audio_${split}.7z` },
  ]),
  counts: SPLITS.map((name) => ({ name, published: PUBLISHED[name] })),
  faults: [
    { key: "damaged-sounds", what: "versions before 2.1 have about 150 damaged sounds, and about ten names that file systems refuse", published: null, handling: "damaged sounds are named by verify; take version 2.1" },
    { key: "one-less", what: "the record speaks of 3,840 and 1,046 sounds, the lists have 3,839 and 1,045", published: null, handling: "the lists count" },
  ],
  attrition: false,
  prepare: {},
  read: readClotho,
};

async function* readClotho(copy: SetCopy): AsyncGenerator<SetItem> {
  for (const split of SPLITS) {
    const file = `clotho_captions_${split}.csv`;
    const names = new Set<string>();
    for await (const { values, at } of copy.table(file, HEADED, ["file_name", ...FIVE])) {
      const name = textField(values, "file_name");
      copy.count(split);
      if (name === "") copy.fault("BAD_ID", at, "file_name is empty", FIX);
      if (names.has(name)) copy.fault("REPEATED_ID", at, `${name} is there already`, FIX);
      names.add(name);
      for (const column of FIVE) if (textField(values, column) === "") copy.fault("EMPTY_CAPTION", at, `${column} is empty`, FIX);
      if (name !== "") yield { id: name, place: `${file}:${at.at}`, claims: [{ path: `${split}/${name}`, kind: "audio", folder: `${split}/` }] };
    }
  }
}
