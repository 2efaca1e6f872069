import { type SetCopy, textField } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";
import { HEADED } from "./formats.js";
import { columnsOf } from "./columns.js";

const SPLITS = ["train", "val", "test"] as const;
const FIVE = [1, 2, 3, 4, 5].map((number) => `caption_${number}`);
const ORIGINAL = ["audiocap_id", "youtube_id", "start_time", "caption"] as const;
const FIX = "Correct the line, or load the file again";
const WAVCAPS = "WavCaps' copy";

/** AudioCaps. */
export const audiocaps: SetDefinition = {
  name: "audiocaps",
  title: "AudioCaps",
  uses: ["queries"],
  purpose: "Captions of sounds among the texts by which the spaces are connected; the sounds are not needed for that",
  size: "49,838 + 495 + 975 sounds, about 57,000 captions",
  cite: "Kim et al., AudioCaps: Generating Captions for Audios in The Wild, NAACL 2019",
  from: [
    { what: "the lists as first published (dataset/train.csv, val.csv, test.csv)", at: "https://github.com/cdjkim/audiocaps" },
    { what: "WavCaps' copy: file_name,caption", at: "https://github.com/XinhaoMei/WavCaps" },
  ],
  licence: "free for academic purposes only, as published by its authors; the sounds are AudioSet's, of YouTube's uploaders",
  layout: [
    ...SPLITS.map((split) => ({ path: `${split}.csv`, what: `captions of the ${split} split`, need: split === "train" ? ("needed" as const) : ("optional" as const), by: "download" as const, get: `${split}.csv, as first published or as WavCaps has it` })),
    { path: "audio/", what: "the sounds", files: "Y<youtube_id>.wav", need: "optional", by: "prepare", get: "Cut from videos/ by cmcr data prepare, or put there" },
    { path: "videos/", what: "the ten-second clips", files: "Y<youtube_id>.mp4", need: "optional", by: "download", get: "Ten seconds from start_time of each video" },
  ],
  counts: [
    { name: "train", published: 49838, variants: [{ count: 49274, what: WAVCAPS }] },
    { name: "val", published: 495, variants: [{ count: 494, what: WAVCAPS }] },
    { name: "test", published: 975, variants: [{ count: 957, what: WAVCAPS }] },
  ],
  faults: [
    { key: "two-layouts", what: "the first lists have five rows for each sound of val and test (2,475 and 4,875 rows), WavCaps' five columns", published: null, handling: "the layout is told by the columns" },
    { key: "smaller-copies", what: "copies differ in how many clips were still online: 49,838, 495 and 975 at first, 49,274, 494 and 957 in WavCaps'", published: null, handling: "the list that is there is taken, and a run's counts say which it is" },
  ],
  attrition: true,
  prepare: { clips: { frame: "middle" } },
  read: readAudioCaps,
};

async function* readAudioCaps(copy: SetCopy): AsyncGenerator<SetItem> {
  for (const split of SPLITS) {
    const file = `${split}.csv`;
    const columns = await columnsOf(copy, file);
    if (columns === null) continue;
    const layout = columns.includes("file_name") ? ["file_name", ...(columns.includes("caption") ? ["caption"] : FIVE)] : ORIGINAL;
    const seen = new Set<string>();
    const ids = new Set<string>();
    for await (const { values, at } of copy.table(file, HEADED, layout)) {
      const video = textField(values, "youtube_id");
      const name = layout === ORIGINAL ? `Y${video}.wav` : textField(values, "file_name");
      if (layout === ORIGINAL) {
        const id = textField(values, "audiocap_id");
        if (ids.has(id)) copy.fault("REPEATED_ID", at, `audiocap_id ${id} is there already`, FIX);
        ids.add(id);
        if (!(Number(textField(values, "start_time") || "x") >= 0)) copy.fault("BAD_TIMES", at, `start_time is no number of seconds: "${textField(values, "start_time")}"`, FIX);
      }
      if (!/^Y[\w-]{11}\.wav$/.test(name)) copy.fault("BAD_ID", at, `"${name}" is no Y<id of a YouTube video>.wav`, FIX);
      for (const column of layout.filter((column) => column.startsWith("caption"))) {
        copy.count("captions");
        if (textField(values, column) === "") copy.fault("EMPTY_CAPTION", at, `${column} is empty`, FIX);
      }
      if (seen.has(name)) continue;
      seen.add(name);
      copy.count(split);
      yield { id: name, place: `${file}:${at.at}`, claims: [{ path: `audio/${name}`, kind: "audio", folder: "audio/", cut: { video: name.replace(/\.wav$/, "") } }] };
    }
  }
}
