import { lstat, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

import type { CompiledUnreadable } from "../config/compiled.js";
import { canonicalJson, type Json } from "../store/checksums.js";
import { ENTRY_FILE, entryKey, type EntryManifest, sealOf } from "../store/pendingFolder.js";
import { badArgument } from "./arguments.js";
import { refuseExisting } from "./newFile.js";
import { mostSkipped } from "./unreadable.js";

const STAGE = "encode";

/** What can be told of an encoding before its items are listed and its encoder is loaded. */
export interface Requested {
  readonly provider: string;
  readonly model: string;
  readonly modality: string;
  readonly batchSize: number;
}

/**
 * Refuses a place where there is something, unless that may be what is asked for: a whole folder of
 * `cmcr encode`, of the same modality, model and batch size. Exit 2.
 */
export async function refuseOther(out: string, format: string, requested: Requested): Promise<void> {
  if (!(await isThere(out))) return;
  const inputs = format === "store" ? (await wholeEntry(out))?.inputs : undefined;
  const found = typeof inputs === "object" && inputs !== null && !Array.isArray(inputs) ? (inputs as Readonly<Record<string, Json>>) : {};
  if (Object.entries(requested).every(([name, value]) => found[name] === value)) return;
  await refuseExisting("out", out);
}

/**
 * The folder that is there, if it was made from the same inputs and leaves out no more items than may be; null when
 * there is nothing. Exit 2 when there is something else.
 */
export async function madeBefore(
  out: string,
  inputs: Json,
  { format, policy, count }: { readonly format: string; readonly policy: CompiledUnreadable; readonly count: number },
): Promise<EntryManifest | null> {
  if (!(await isThere(out))) return null;
  const entry = format === "store" ? await wholeEntry(out) : null;
  if (entry === null || canonicalJson(entry.inputs) !== canonicalJson(inputs)) {
    throw badArgument("out", `${out} is there already, made from other inputs, and is left as it is; name another place`);
  }
  const { skipped } = entry.facts;
  if (typeof skipped !== "number" || skipped > mostSkipped(policy, count)) {
    throw badArgument("out", `${out} is there already, made from the same inputs, but lacks more items than may be left out; name another place`);
  }
  return entry;
}

/** The description of a folder that `cmcr encode` finished: sealed, and its files of the sizes that it says. Null for any other. */
async function wholeEntry(folder: string): Promise<EntryManifest | null> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, ENTRY_FILE), "utf8")) as EntryManifest;
    if (manifest.stage !== STAGE || manifest.seal !== sealOf(manifest) || manifest.key !== entryKey(STAGE, manifest.inputs)) return null;
    for (const [name, { bytes }] of Object.entries(manifest.files)) if ((await stat(join(folder, name))).size !== bytes) return null;
    return manifest;
  } catch {
    return null;
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
