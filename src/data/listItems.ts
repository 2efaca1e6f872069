import { join } from "node:path";

import type { CompiledSource, Modality } from "../config/compiled.js";
import { canonicalJson, type Json, textSha256 } from "../store/checksums.js";
import type { ItemList } from "./itemList.js";
import { openManifest, remakeManifest } from "./manifest.js";
import type { ManifestHeader } from "./manifestFile.js";
import { ManifestItems } from "./manifestItems.js";
import { type DescribeGenerated, generatedItems } from "./sources/builtin.js";
import { openSource } from "./sources/registry.js";

/** What listing the items of a source needs of its surroundings. */
export interface ListingContext {
  readonly modality: Modality;
  /** The field that names the source, for messages. */
  readonly place: string;
  /** Folder of all manifests. */
  readonly manifests: string;
  readonly describeGenerated: DescribeGenerated;
  readonly signal: AbortSignal | undefined;
  /** Hears how many items were read so far, while they are listed for the first time. */
  readonly onItems: (count: number) => void;
  /** Hears what was odd in a source that was listed now. */
  readonly onOddities: (oddities: ManifestHeader["oddities"]) => void;
}

/**
 * Lists the items of a source: from its manifest, which is made where there is none, the source
 * has changed, or `anew` asks for it. Rejects with exit 3 when there are none, or they cannot be read.
 */
export async function listItems(source: CompiledSource, context: ListingContext, { anew = false }: { readonly anew?: boolean } = {}): Promise<ItemList> {
  const { modality, place, signal, manifests } = context;
  if (source.type === "builtin") return generatedItems(source, place, context.describeGenerated);
  const opened = await openSource(source, { modality, place, signal });
  const key = textSha256(canonicalJson({ modality, source: source as unknown as Json, identity: opened.identity })).slice(0, 40);
  const options = { folder: join(manifests, key), source: opened, place, signal, onItems: context.onItems };
  const manifest = await (anew ? remakeManifest(options) : openManifest(options));
  if (manifest.made && manifest.header.oddities.count > 0) context.onOddities(manifest.header.oddities);
  return new ManifestItems(manifest);
}
