import type { Modality } from "../../config/compiled.js";

/**
 * The folders that clip-retrieval writes (rom1504/clip-retrieval, clip_inference/writer.py):
 * `img_emb/img_emb_0.npy`, `text_emb/text_emb_0.npy` and `metadata/metadata_0.parquet`, a set of
 * them for each partition. `audio_emb` and `pc_emb` are ours, of the same form.
 */

/** What the parts of a modality are called; null: clip-retrieval has no like of it. */
export const PARTS: Readonly<Record<Modality, string | null>> = {
  image: "img_emb",
  text: "text_emb",
  audio: "audio_emb",
  pointcloud: "pc_emb",
  video: null,
};

export const METADATA = "metadata";

/** Column of the metadata with each row's item: its key, or its caption. */
export const ITEM_COLUMN: Readonly<Record<Modality, string>> = {
  image: "image_path",
  text: "caption",
  audio: "audio_path",
  pointcloud: "pointcloud_path",
  video: "video_path",
};

/** Rows of a partition; clip-retrieval's default `write_batch_size`. */
export const ROWS_PER_PARTITION = 1_000_000;

/**
 * What a part's name ends with. clip-retrieval pads the number with zeros to int(log10(partitions)) + 1
 * digits, since its consumers take the files in the order of sorted(glob(...)): 10 partitions have two digits.
 */
export function partSuffix(partition: number, partitions: number): string {
  return String(partition).padStart(String(partitions).length, "0");
}
