import { join } from "node:path";

import picomatch from "picomatch";

import type { Modality } from "../../config/compiled.js";
import type { CompiledPart } from "../../config/compiledSource.js";
import { type CmcrError, dataError } from "../../errors.js";
import type { Json } from "../../store/checksums.js";
import { realFolder } from "./belowRoot.js";
import { className } from "./className.js";
import type { ItemSource, Oddity, SourceContext, SourceItem, SourceReader } from "./items.js";
import { endingOf, partOf, searchedEndings } from "./mediaKinds.js";
import { filesBelow, folderTimes } from "./walk.js";

/** Every file of the modality's kinds below a folder, in the order of the relative paths' UTF-16 units. */
export const readFolder: SourceReader<"folder"> = async ({ path, part = null }, context) => {
  return filesSource(path, context, { identity: { type: "folder", part: partJson(part) }, part });
};

/** The files below a folder whose relative paths match a pattern, in the order of those paths. */
export const readGlob: SourceReader<"glob"> = async ({ path, pattern, part }, context) => {
  // Without a part that can stand for several folders, a path has as many slashes as its pattern at most.
  const endless = pattern.includes("**") || pattern.includes("(");
  return filesSource(path, context, {
    identity: { type: "glob", pattern, part: partJson(part) },
    part,
    match: picomatch(pattern),
    ...(endless ? {} : { depth: pattern.split("/").length - 1 }),
  });
};

/** A folder with a folder for each class, as ImageNet has them: the attribute `class` is the first folder's name, its underscores spaces. */
export const readClassFolder: SourceReader<"class-folder"> = async ({ path, part }, context) => {
  return filesSource(path, context, { identity: { type: "class-folder", part: partJson(part) }, part, classes: true });
};

interface FilesOptions {
  readonly identity: Json;
  readonly part: CompiledPart | null;
  readonly match?: (path: string) => boolean;
  readonly depth?: number;
  readonly classes?: boolean;
}

async function filesSource(path: string, context: SourceContext, { identity, part, match, depth, classes = false }: FilesOptions): Promise<ItemSource> {
  const { modality, signal } = context;
  const endings = searchedEndings(modality, part);
  if (endings.length === 0) throw wrongModality(context.place, modality);
  const root = await realFolder(path);
  async function* scan(onOddity: (oddity: Oddity) => void): AsyncGenerator<SourceItem> {
    let count = 0;
    const accept = (name: string): boolean => endings.includes(endingOf(name));
    for await (const id of filesBelow(root, { accept, signal, onOddity, ...(depth === undefined ? {} : { depth }) })) {
      if (match?.(id) === false) continue;
      const slash = id.indexOf("/");
      if (classes && slash < 0) {
        onOddity({ reason: "NO_CLASS", place: id, message: `${id} lies beside the classes' folders, so it has no class and is left out` });
        continue;
      }
      count += 1;
      const wanted = partOf(id, modality, part);
      yield {
        id,
        content: { kind: "file", path: join(root, id) },
        ...(wanted === undefined ? {} : { part: wanted }),
        ...(classes ? { attributes: { class: className(id.slice(0, slash)) } } : {}),
      };
    }
    if (count === 0) throw noItems(path, modality, endings, match === undefined ? "" : " that match the pattern");
  }
  return { identity, roots: [root], attributes: classes ? ["class"] : [], fingerprint: () => folderTimes(root, signal), scan };
}

/** The options of a part as an identity has them. */
export function partJson(part: CompiledPart | null): Json {
  return part === null ? null : { frame: part.frame === null ? null : { ...part.frame }, segment: part.segment === null ? null : { ...part.segment } };
}

function wrongModality(place: string, modality: Modality): CmcrError {
  return dataError(`${place}: a folder cannot be read as ${modality}; it holds images, sounds, videos or point clouds. For texts use { type: lines }.`, {
    reason: "WRONG_MODALITY",
    path: place,
  });
}

function noItems(path: string, modality: Modality, endings: readonly string[], matching: string): CmcrError {
  return dataError(`${path} has no ${modality} files${matching} (${endings.join(", ")}).`, { reason: "NO_ITEMS", path });
}
