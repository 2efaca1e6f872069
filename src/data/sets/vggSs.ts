import { checkCorners } from "./boxes.js";
import { type SetCopy, textField } from "./copy.js";
import type { KnownFault, LayoutEntry, PublishedCount, SetDefinition, SetItem } from "./definition.js";
import { headless } from "./formats.js";
import { pairClaims, pairFolders } from "./sounding.js";

export const BOXES = "vggss.json";
const TEST = "vggss_test.csv";
const FIX = "Correct it, or load the file again";

export const VGG_LAYOUT: readonly LayoutEntry[] = [
  { path: BOXES, what: "a clip an object: file, class, bbox (corners, fractions of the image)", need: "needed", by: "download", get: "metadata/vggss.json of the repository Localizing-Visual-Sounds-the-Hard-Way" },
  { path: TEST, what: "the ids of the clips, one a line", need: "optional", by: "download", get: "metadata/vggss_test.csv of the same repository" },
  ...pairFolders({ id: "<YouTube id>_<start, six digits>", videos: "The ten-second clips of VGGSound's test split that vggss.json names, each from its start" }),
];

export const VGG_COUNTS: readonly PublishedCount[] = [
  { name: "items", published: 5158 },
  { name: "classes", published: 221, with: "items" },
  { name: "boxes", published: 5941, with: "items" },
];

export const VGG_FAULTS: readonly KnownFault[] = [
  { key: "degenerate-box", what: "18 boxes have no area: x2 <= x1 or y2 <= y1", published: 18, with: "items", handling: "it is reported and kept: it covers nothing, and where it is the only box of an item, that one's cIoU is 0" },
  { key: "negative-box", what: "12 boxes have negative values, one of them -2.9e16", published: 12, with: "items", handling: "values are cut to 0 and 1 before they become pixels" },
  { key: "boxes-updated", what: "its authors have corrected some boxes since the paper; results differ by 2 to 3 % between the versions, as they say", published: null, handling: "the file's checksum is in the manifest of each run" },
  { key: "annotated-frame", what: "the boxes were drawn on frame 125 of 25 a second (as users of the set report), which is at 5 s", published: null, handling: "cmcr data prepare cuts frames at 5 s unless --frame says otherwise" },
];

/** VGG-SS, boxes of what sounds. */
export const vggSs: SetDefinition = {
  name: "vgg-ss",
  title: "VGG-SS",
  uses: ["test"],
  purpose: "Audio-visual source localization: cIoU@0.5, AUC",
  size: "5,158 clips, 5,941 boxes",
  cite: "Chen et al., Localizing Visual Sounds the Hard Way, CVPR 2021 (arXiv 2104.02691)",
  from: [
    { what: "boxes and list", at: "https://github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way" },
    { what: "the project's page", at: "https://www.robots.ox.ac.uk/~vgg/research/lvs/" },
    { what: "VGGSound, whose test split the clips are of", at: "https://www.robots.ox.ac.uk/~vgg/data/vggsound/" },
  ],
  licence: "the boxes: not stated by their authors; ask them. VGGSound: CC BY 4.0, as published by its authors; the videos are those of YouTube's uploaders",
  layout: VGG_LAYOUT,
  counts: VGG_COUNTS,
  faults: VGG_FAULTS,
  attrition: false,
  prepare: { clips: { frame: 5 }, pairs: ["class"] },
  read: readBoxes,
};

/** The clips of vggss.json with their boxes checked; vggss_test.csv is held against them where it is there. */
export async function* readBoxes(copy: SetCopy): AsyncGenerator<SetItem> {
  const ids = new Set<string>();
  const classes = new Set<string>();
  for await (const { values, at } of copy.objects(BOXES, null)) {
    const [id, name] = [textField(values, "file"), textField(values, "class")];
    copy.count("items");
    if (!/^[\w-]{11}_\d{6}$/.test(id)) {
      copy.fault("BAD_ID", at, `"${id}" is no clip: <YouTube id>_<start in six digits> is expected under file`, FIX);
      continue;
    }
    if (ids.has(id)) copy.fault("REPEATED_ID", at, `${id} is there already`, "Remove one of them, or load the file again");
    ids.add(id);
    if (name === "") copy.fault("NO_CLASS", at, `${id} has no class`, FIX);
    else classes.add(name);
    const boxes = values.get("bbox");
    if (!Array.isArray(boxes) || boxes.length === 0) copy.fault("NO_BOX", at, `${id} has no list of boxes under bbox`, FIX);
    else for (const [index, box] of (boxes as readonly unknown[]).entries()) checkCorners(copy, at, id, index, box);
    copy.count("boxes", Array.isArray(boxes) ? boxes.length : 0);
    yield { id, place: `${at.file}, ${at.at}`, claims: pairClaims(id), attributes: { class: name, sounding: "yes" } };
  }
  copy.count("classes", classes.size);
  await checkTestList(copy, ids);
}

async function checkTestList(copy: SetCopy, ids: ReadonlySet<string>): Promise<void> {
  if (!(await copy.has(TEST)) || copy.unread.has(BOXES)) return;
  const listed = new Set<string>();
  for await (const { values, at } of copy.table(TEST, headless("file"), ["file"])) {
    const id = textField(values, "file");
    if (!ids.has(id)) copy.fault("UNKNOWN_ID", at, `${id} is not in ${BOXES}`, "Load both again; they don't belong together");
    listed.add(id);
  }
  if (copy.unread.has(TEST)) return;
  for (const id of ids) if (!listed.has(id)) copy.fault("UNKNOWN_ID", { file: BOXES, at: id }, `is not in ${TEST}`, "Load both again; they don't belong together");
}
