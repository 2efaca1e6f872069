import { type SetCopy, textField } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";
import { HEADED } from "./formats.js";

const DATA = "MSRVTT_data.json";
const TEST = "MSRVTT_JSFUSION_test.csv";
const TRAIN = "MSRVTT_train.9k.csv";
const FIX = "Correct it, or load the file again";

/** MSR-VTT as CLIP4Clip uses it. */
export const msrVtt: SetDefinition = {
  name: "msr-vtt",
  title: "MSR-VTT",
  uses: ["queries"],
  purpose: "Captions of videos among the texts by which the spaces are connected; the videos are not needed for that",
  size: "10,000 videos, 200,000 captions",
  cite: "Xu et al., MSR-VTT: A Large Video Description Dataset for Bridging Video and Language, CVPR 2016",
  from: [
    { what: "MSRVTT_data.json and the lists of 1k-A (msrvtt_data.zip), and where the videos are (MSRVTT.zip)", at: "https://github.com/ArrowLuo/CLIP4Clip" },
  ],
  licence: "not stated with these files; ask its authors. The videos are those of YouTube's uploaders",
  layout: [
    { path: DATA, what: "videos, and twenty sentences of each", need: "needed", by: "download", get: "MSRVTT_data.json of msrvtt_data.zip" },
    { path: TEST, what: "the test 1k-A: key,vid_key,video_id,sentence", need: "optional", by: "download", get: "MSRVTT_JSFUSION_test.csv of msrvtt_data.zip" },
    { path: TRAIN, what: "the training videos that go with it: video_id", need: "optional", by: "download", get: "MSRVTT_train.9k.csv of msrvtt_data.zip" },
    { path: "videos/", what: "the videos", files: "<video_id>.mp4", need: "optional", by: "download", get: "The videos of MSRVTT.zip, train and test together" },
  ],
  counts: [
    { name: "videos", published: 10000 },
    { name: "sentences", published: 200000, with: "videos" },
    { name: "test 1k-A", published: 1000 },
    { name: "train 9k", published: 9000 },
  ],
  faults: [
    { key: "1k-a", what: "the test of most papers, 1k-A, is 1,000 pairs of the 10,000 videos, not the set's own test split; its training list has the 9,000 others", published: null, handling: "lists say which videos; queries of the training list leave the test out" },
    { key: "noisy-captions", what: "captions are repeated and misspelt", published: null, handling: "they are taken as they are" },
  ],
  attrition: false,
  prepare: {},
  read: readMsrVtt,
};

async function* readMsrVtt(copy: SetCopy): AsyncGenerator<SetItem> {
  const videos = new Set<string>();
  for await (const { values, at } of copy.objects(DATA, "videos")) {
    const id = textField(values, "video_id");
    copy.count("videos");
    if (id === "") copy.fault("BAD_ID", at, "has no video_id", FIX);
    if (videos.has(id)) copy.fault("REPEATED_ID", at, `${id} is there already`, FIX);
    videos.add(id);
    yield { id, place: `${DATA}, ${at.at}`, claims: [{ path: `videos/${id}.*`, kind: "video", folder: "videos/" }] };
  }
  if (!copy.unread.has(DATA)) {
    for await (const { values, at } of copy.objects(DATA, "sentences")) {
      copy.count("sentences");
      if (textField(values, "caption") === "") copy.fault("EMPTY_CAPTION", at, "its caption is empty, or no text", FIX);
      if (!videos.has(textField(values, "video_id"))) copy.fault("UNKNOWN_ID", at, `its video_id "${textField(values, "video_id")}" is that of no video`, FIX);
    }
  }
  const test = new Set<string>();
  for await (const { values, at } of copy.table(TEST, HEADED, ["key", "vid_key", "video_id", "sentence"])) {
    copy.count("test 1k-A");
    if (textField(values, "sentence") === "") copy.fault("EMPTY_CAPTION", at, "its sentence is empty", FIX);
    checkListed(copy, videos, test, textField(values, "video_id"), at);
  }
  const train = new Set<string>();
  for await (const { values, at } of copy.table(TRAIN, HEADED, ["video_id"])) {
    const id = textField(values, "video_id");
    copy.count("train 9k");
    checkListed(copy, videos, train, id, at);
    if (test.has(id)) copy.fault("IN_TWO_SPLITS", at, `${id} is in the test too`, "Load both lists again; they don't belong together");
  }
}

function checkListed(copy: SetCopy, videos: ReadonlySet<string>, seen: Set<string>, id: string, at: Parameters<SetCopy["fault"]>[1]): void {
  if (!copy.unread.has(DATA) && !videos.has(id)) copy.fault("UNKNOWN_ID", at, `${id} is no video of ${DATA}`, "Load both again; they don't belong together");
  if (seen.has(id)) copy.fault("REPEATED_ID", at, `${id} is there already`, FIX);
  seen.add(id);
}
