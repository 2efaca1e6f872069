/**
 * A class as it is told by the name of a file, a folder or an id: its underscores are spaces, so that the `night_stand` of
 * ModelNet40's ids, `acoustic_guitar` of MUSIC-Solo and a prompt's label `night stand` are equal. Columns and fields
 * that hold a class as people write it stay as they are.
 */
export function className(written: string): string {
  return written.replaceAll("_", " ").trim();
}
