import { readFile, rename, rm, writeFile } from "node:fs/promises";

import { SetCopy } from "../../data/sets/copy.js";
import type { SetDefinition } from "../../data/sets/definition.js";
import { followingLook } from "../../data/sources/look.js";
import { systemCode } from "../../errors.js";

/** The list of items whose image and sound are both there. */
export const PAIRS = "pairs.csv";

/** What became of the list. */
export interface Pairs {
  readonly count: number;
  /** `other`: one that says something else is there, and was left as it is. */
  readonly state: "written" | "same" | "other";
}

/**
 * Writes `pairs.csv`: id, image, audio and the definition's own columns, a row for each item whose image
 * and sound are both there, so that a copy with missing files has pairs. A list that is there is left as it
 * is. Null where there is no pair.
 */
export async function writePairs({ read, prepare }: SetDefinition, root: string, signal: AbortSignal): Promise<Pairs | null> {
  const columns = prepare.pairs;
  if (columns === undefined) return null;
  const copy = new SetCopy(root, { signal, report: () => undefined });
  const disk = followingLook();
  const isFile = async (name: string): Promise<boolean> => (await disk.at(copy.path(name)))?.isFile() === true;
  const lines = [["id", "image", "audio", ...columns].join(",")];
  for await (const { id, claims, attributes = {} } of read(copy)) {
    signal.throwIfAborted();
    const [image, audio] = (["image", "audio"] as const).map((kind) => claims.find((claim) => claim.kind === kind)?.path);
    if (image === undefined || audio === undefined || !(await isFile(image)) || !(await isFile(audio))) continue;
    lines.push([id, image, audio, ...columns.map((column) => attributes[column] ?? "")].map(field).join(","));
  }
  const count = lines.length - 1;
  if (count === 0) return null;
  const path = copy.path(PAIRS);
  const text = `${lines.join("\n")}\n`;
  const before = await readFile(path, "utf8").catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  });
  if (before !== null) return { count, state: before === text ? "same" : "other" };
  const partial = copy.path(`.${PAIRS}.partial`);
  try {
    await writeFile(partial, text);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
  return { count, state: "written" };
}

function field(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
