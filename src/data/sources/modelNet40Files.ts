/** Beside unpacked clouds: the class of each in a line, in the clouds' order. */
export const CLOUD_CLASSES = "classes.txt";

/** The file of an unpacked cloud, counted from 0. */
export function cloudFile(number: number): string {
  return `${String(number).padStart(6, "0")}.npy`;
}
