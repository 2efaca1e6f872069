import { type SetCopy, textField } from "./copy.js";
import type { LayoutEntry, SetItem } from "./definition.js";
import { HEADED } from "./formats.js";
import { pairClaims } from "./sounding.js";

/** The lists by which SLAVC extends a test set with images whose sound is not that of anything in them. */

/** The list's entry in a layout. */
export function silentEntry(path: string): LayoutEntry {
  return { path, what: "what does not sound: video,audio,label, each label non-sounding", need: "needed", by: "download", get: `metadata/${path} of the repository SLAVC` };
}

export interface SilentList {
  readonly file: string;
  /** Ids of the test. */
  readonly ids: ReadonlySet<string>;
  /** Whether clips outside of the test may stand there with their own sound. */
  readonly ownAllowed: boolean;
  readonly id: RegExp;
}

const COLUMNS = ["video", "audio", "label"] as const;
const FIX = "Correct the line, or load the file again";

/** The rows of such a list: an image and a sound each. */
export async function* readSilent(copy: SetCopy, { file, ids, ownAllowed, id }: SilentList): AsyncGenerator<SetItem> {
  const sounds = new Set<string>();
  for await (const { values, at } of copy.table(file, HEADED, COLUMNS)) {
    const [video, audio, label] = COLUMNS.map((column) => textField(values, column)) as [string, string, string];
    copy.count("silent rows");
    sounds.add(audio);
    if (label !== "non-sounding") copy.fault("BAD_LABEL", at, `expected the label non-sounding; found "${label}"`, FIX);
    const wrong = [video, audio].find((name) => !id.test(name));
    if (wrong !== undefined) {
      copy.fault("BAD_ID", at, `"${wrong}" is no id of a clip`, FIX);
      continue;
    }
    if (video === audio) {
      copy.count("with their own sound");
      if (ids.has(video) || !ownAllowed) copy.fault("SOUNDS", at, `${video} stands there with its own sound${ids.has(video) ? ", and is in the test as one that sounds" : ""}`, FIX);
    } else {
      copy.count("mismatched");
      const unknown = [video, audio].find((name) => ids.size > 0 && !ids.has(name));
      if (unknown !== undefined) {
        copy.fault("UNKNOWN_ID", at, `${unknown} is none of the test's clips`, "Load the lists again; they don't belong together");
        continue;
      }
    }
    yield { id: `${video}+${audio}`, place: `${at.file}:${at.at}`, claims: pairClaims(video, audio), attributes: { class: "", sounding: "no" } };
  }
  copy.count("different sounds", sounds.size);
}
