/** A count with its noun in the right number: `1 file`, `3 files`; `2 classes` with its plural given. */
export function plural(count: number, noun: string, several = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : several}`;
}

/** What items of a modality are called, where its own name has no plural. */
const ITEMS: Readonly<Record<string, string>> = { audio: "sound", pointcloud: "point cloud" };

/** So many items of a modality in words: `1 sound`, `3 images`. */
export function pluralOfModality(count: number, modality: string): string {
  return plural(count, ITEMS[modality] ?? modality);
}

/** What items of a modality are called: `sounds`, `images`. */
export function itemsOfModality(modality: string): string {
  return `${ITEMS[modality] ?? modality}s`;
}
