import { SeenTexts } from "../sources/uniqueIds.js";
import { type SetCopy, textField } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";
import { HEADED } from "./formats.js";

const LISTS = [["unbalanced train", "unbalanced_train_segments.csv"], ["balanced train", "balanced_train_segments.csv"], ["eval", "eval_segments.csv"]] as const;
const COLUMNS = ["YTID", "start_seconds", "end_seconds", "positive_labels"] as const;
const FORMAT = { ...HEADED, columns: COLUMNS, comment: "#", skipSpace: true };
const LABELS = "class_labels_indices.csv";
const FIX = "Correct the line, or load the file again";

/** AudioSet. */
export const audioset: SetDefinition = {
  name: "audioset",
  title: "AudioSet",
  uses: ["memory"],
  purpose: "The memory of sounds (the paper's has 1.8 M clips)",
  size: "2,084,320 ten-second clips",
  cite: "Gemmeke et al., Audio Set: An ontology and human-labeled dataset for audio events, ICASSP 2017",
  from: [{ what: "the lists of segments and of labels", at: "https://research.google.com/audioset/download.html" }],
  licence: "the lists: CC BY 4.0, the ontology CC BY-SA 4.0, as published by its authors; the sounds are those of YouTube's uploaders",
  layout: [
    ...LISTS.map(([name, path]) => ({ path, what: `the clips of ${name}: YTID, start, end, labels`, need: { choice: "lists" }, by: "download" as const, get: `${path} of the page` })),
    { path: LABELS, what: "the labels' names: index,mid,display_name", need: "optional", by: "download", get: `${LABELS} of the page` },
    { path: "audio/", what: "the sounds", files: "<YTID>.wav", need: "needed", by: "prepare", get: "Cut from videos/ by cmcr data prepare, or put there (.wav, .flac, .mp3, .ogg or .m4a)" },
    { path: "videos/", what: "the ten-second clips", files: "<YTID>.mp4", need: "optional", by: "download", get: "The seconds of each video that the lists name" },
  ],
  counts: [
    { name: "unbalanced train", published: 2041789 },
    { name: "balanced train", published: 22160 },
    { name: "eval", published: 20371 },
    { name: "labels", published: 527 },
  ],
  faults: [
    { key: "comments-and-spaces", what: "three lines of comment, the last with the columns' names, and a space after each comma", published: null, handling: "both are passed over" },
    { key: "gone-videos", what: "many clips are no longer online: of the eval and balanced lists about a sixth in 2023", published: null, handling: "missing files are counted, and left out by experiments (missing: leave-out)" },
  ],
  attrition: true,
  prepare: { clips: { frame: "middle" } },
  read: readAudioSet,
};

async function* readAudioSet(copy: SetCopy): AsyncGenerator<SetItem> {
  const labels = new Set<string>();
  for await (const { values, at } of copy.table(LABELS, HEADED, ["index", "mid", "display_name"])) {
    const label = textField(values, "mid");
    if (labels.has(label)) copy.fault("REPEATED_ID", at, `${label} is there already`, FIX);
    labels.add(label);
  }
  if (labels.size > 0) copy.count("labels", labels.size);
  for (const [name, file] of LISTS) {
    const seen = new SeenTexts();
    for await (const { values, at } of copy.table(file, FORMAT, COLUMNS)) {
      const [video, start, end] = ["YTID", "start_seconds", "end_seconds"].map((column) => textField(values, column)) as [string, string, string];
      copy.count(name);
      if (!/^[\w-]{11}$/.test(video)) {
        copy.fault("BAD_ID", at, `"${video}" is no id of a video: eleven letters, digits, - and _`, FIX);
        continue;
      }
      if (seen.add(video)) copy.fault("REPEATED_ID", at, `${video} is there already`, FIX);
      if (start === "" || end === "" || !(Number(start) >= 0 && Number(end) > Number(start))) copy.fault("BAD_TIMES", at, `expected a start and a later end in seconds; found "${start}" and "${end}"`, FIX);
      for (const label of textField(values, "positive_labels").split(",")) {
        if (!/^\/[mtg]\/\w+$/.test(label.trim())) copy.fault("BAD_LABEL", at, `"${label}" is no label such as /m/09x0r`, FIX);
        else if (labels.size > 0 && !labels.has(label.trim())) copy.fault("UNKNOWN_LABEL", at, `${label.trim()} is not in ${LABELS}`, FIX);
      }
      yield { id: video, place: `${file}:${at.at}`, claims: [{ path: `audio/${video}.*`, kind: "audio", folder: "audio/", cut: { video } }] };
    }
  }
}
