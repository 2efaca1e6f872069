/** All files at or below `path`, in a fixed order; none when it does not exist. */
export function filesBelow(path: string, accept?: (file: string) => boolean): string[];
/** SHA-256 in hex over the names (relative to `root`) and contents of `files`. */
export function fingerprint(root: string, files: readonly string[]): string;
/** The text of a stamp file, or undefined where there is none. */
export function readStamp(path: string): string | undefined;
