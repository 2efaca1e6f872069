import { createHash } from "node:crypto";

import type { EncoderDescription, PatchSource } from "../bridge/types.js";
import type { CompiledEncoder, CompiledRegions } from "../config/compiled.js";
import { readRegionBoxes } from "../data/regionBoxes.js";
import { cropBoxes, gridBoxes, MOST_REGIONS, type RegionBox, type RegionLayout } from "../data/regions.js";
import { usageError } from "../errors.js";
import type { Json } from "../store/checksums.js";

/** Raised when the rows of regions would be others than before, for a cause on this side of the wire. */
const REGIONS_VERSION = 1;
/** Of the rows of one batch: the worker holds a shard of rows in its memory, and a shard has a batch at least. */
const BATCH_BYTES = 2 ** 31;

/** Which rows the items of a collection give: one for each region of each. */
export interface RegionPlan {
  /** The regions of an item, by its number; at least one. */
  readonly boxesOf: (item: number) => readonly RegionBox[];
  /** Whether every item has the same ones. */
  readonly same: boolean;
  readonly squash: boolean;
  /** Null: the regions are cut out. Else they are the encoder's patches. */
  readonly patches: PatchSource | null;
  readonly grid: RegionLayout["grid"];
  /** All that the rows depend on besides the items and the encoder; part of their key. */
  readonly identity: Json;
}

/** What the rows are planned for. */
interface Planned {
  readonly space: CompiledEncoder;
  readonly encoder: EncoderDescription;
  /** Items of the collection. */
  readonly count: number;
  /** The collection, for messages. */
  readonly collection: string;
}

/**
 * The rows of a view with regions. Exit 2 when its encoder has no patches, or a batch would have too many rows,
 * 3 for boxes that do not fit.
 */
export async function planRegions(regions: CompiledRegions, { space, encoder, count, collection }: Planned): Promise<RegionPlan> {
  const revisions = JSON.parse(encoder.preprocessing === "" ? "{}" : encoder.preprocessing) as Readonly<Record<string, Json>>;
  const identity = { version: REGIONS_VERSION, regions: revisions["regions"] ?? null };
  if (regions.kind === "patches") {
    const { patchGrid: grid, patchesMissing } = encoder;
    if (grid === null) {
      throw usageError(`the encoder of ${space.name} has no embeddings of patches: ${patchesMissing}. Look at crops of the images (regions: { kind: crops }), or through another encoder.`, {
        reason: "IMPOSSIBLE_VALUE",
        path: `spaces.${space.name}`,
      });
    }
    const boxes = gridBoxes(grid);
    checkBatch(space, encoder, boxes.length);
    return {
      boxesOf: () => boxes,
      same: true,
      squash: true,
      patches: regions.from,
      grid,
      identity: { ...identity, kind: "patches", from: regions.from, patches: revisions["patches"] ?? null, grid: [grid.rows, grid.columns] },
    };
  }
  const { squash } = regions;
  if (regions.kind === "crops") {
    const boxes = cropBoxes(regions.windows);
    if (boxes.length > MOST_REGIONS) {
      throw usageError(`the grid on ${collection} has ${boxes.length} crops of each image; at most ${MOST_REGIONS} can be embedded. Take fewer steps.`, { reason: "IMPOSSIBLE_VALUE", path: `data.${collection}` });
    }
    checkBatch(space, encoder, boxes.length);
    return { boxesOf: () => boxes, same: true, squash, patches: null, grid: null, identity: { ...identity, kind: "crops", squash, boxes: boxesSha256([boxes]) } };
  }
  const lists = await readRegionBoxes(regions.path, count, `the regions of ${collection}`);
  checkBatch(space, encoder, lists.reduce((most, list) => Math.max(most, list.length), 0));
  return {
    boxesOf: (item) => {
      const boxes = lists[item];
      if (boxes === undefined) throw new Error(`no boxes of item ${item}`);
      return boxes;
    },
    same: false,
    squash,
    patches: null,
    grid: null,
    identity: { ...identity, kind: "boxes", squash, boxes: boxesSha256(lists) },
  };
}

function checkBatch({ name, batchSize }: CompiledEncoder, { dimension }: EncoderDescription, most: number): void {
  const largest = Math.floor(BATCH_BYTES / (4 * dimension * most));
  if (batchSize <= largest) return;
  throw usageError(`a batch of ${batchSize} images with up to ${most} regions each has more rows than can be held at once. Set spaces.${name}.batchSize to ${Math.max(1, largest)} or less.`, {
    reason: "IMPOSSIBLE_VALUE",
    path: `spaces.${name}.batchSize`,
  });
}

/** SHA-256 over the boxes as they travel, and how many each list has. */
function boxesSha256(lists: readonly (readonly RegionBox[])[]): string {
  const hash = createHash("sha256");
  for (const list of lists) {
    hash.update(Uint32Array.of(list.length));
    hash.update(Float32Array.from(list.flat()));
  }
  return hash.digest("hex");
}
