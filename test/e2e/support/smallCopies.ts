import { writeAudioCaps, writeCc3m, writeClotho, writeCoco, writeMsrVtt } from "./smallCopiesCaptions.js";
import { writeAudioSet, writeImageNet, writeModelNet40 } from "./smallCopiesMemories.js";
import type { CopyWriter, SmallCopyOptions } from "./smallCopiesMedia.js";
import { writeAve, writeFlickrSoundnet, writeFlickrSoundnetExtended, writeMusicSolo, writeVggSs, writeVggSsExtended } from "./smallCopiesSounding.js";

export { writeWavCapsAudioCaps } from "./smallCopiesCaptions.js";
export { MODELNET_CLASSES, writeModelNet40Cache, writeModelNet40Clouds, writeModelNet40Coloured } from "./smallCopiesMemories.js";
export { CopyWriter, type SmallCopyOptions } from "./smallCopiesMedia.js";

/** What writes a small copy of each data set, by the names that `cmcr data` knows. */
export const SMALL_COPIES = {
  ave: writeAve,
  "flickr-soundnet": writeFlickrSoundnet,
  "vgg-ss": writeVggSs,
  "music-solo": writeMusicSolo,
  "vgg-ss-extended": writeVggSsExtended,
  "flickr-soundnet-extended": writeFlickrSoundnetExtended,
  modelnet40: writeModelNet40,
  audiocaps: writeAudioCaps,
  clotho: writeClotho,
  coco: writeCoco,
  cc3m: writeCc3m,
  "msr-vtt": writeMsrVtt,
  audioset: writeAudioSet,
  imagenet: writeImageNet,
} as const satisfies Readonly<Record<string, (root: string, options?: SmallCopyOptions) => CopyWriter>>;

export type SmallCopyName = keyof typeof SMALL_COPIES;

/**
 * Writes a small copy of a data set in its true format into the folder `root`, which is made:
 * annotations as they are published, with a few of their oddities, and files that can be decoded
 * (JPEG of 64 x 48 pixels, WAV of a second, clouds of 64 points). Items of one class look and
 * sound alike. The same arguments write the same bytes. Videos are never written.
 */
export function writeSmallCopy(name: SmallCopyName, root: string, options: SmallCopyOptions = {}): CopyWriter {
  return SMALL_COPIES[name](root, options);
}

/** Writes small copies of all data sets as `PARENT/NAME`, the layout that `experiments/paper` expects below its folder of data. */
export function writeSmallCopies(parent: string, options: SmallCopyOptions = {}): void {
  for (const name of Object.keys(SMALL_COPIES) as SmallCopyName[]) writeSmallCopy(name, `${parent}/${name}`, options);
}
