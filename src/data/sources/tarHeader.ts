/**
 * The headers of a tar, as POSIX.1-2017 (pax) and GNU tar write them: 512 bytes with
 * octal numbers in text fields, padded with zeros.
 */

/** Headers and the members after them are multiples of it. */
export const BLOCK = 512;

/** What one header says. */
export interface TarHeader {
  readonly name: string;
  readonly bytes: number;
  /** One character; a file is `0`. */
  readonly type: string;
  /** Of a GNU sparse file: whether blocks of its map follow. */
  readonly extended: boolean;
}

const CHECKSUM = { offset: 148, length: 8 } as const;
const decoder = new TextDecoder();

/** Whether a block holds nothing but zeros, as those at a tar's end. */
export function isZeroBlock(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** The header in a block of 512 bytes, or null where its checksum or its size is not right. */
export function parseTarHeader(block: Buffer): TarHeader | null {
  if (!checksumFits(block)) return null;
  const bytes = numberAt(block, 124, 12);
  if (bytes === null) return null;
  const ustar = block.subarray(257, 262).toString("latin1") === "ustar";
  // GNU's own format has times where POSIX has a prefix.
  const posix = ustar && block[262] === 0;
  const prefix = posix ? textAt(block, 345, 155) : "";
  const name = textAt(block, 0, 100);
  const type = String.fromCharCode(block[156] ?? 0);
  return { name: prefix === "" ? name : `${prefix}/${name}`, bytes, type: type === "\0" || type === "7" ? "0" : type, extended: type === "S" && block[482] === 1 };
}

/** The fields of a pax header, `length key=value\n` each; null where it is malformed. */
export function parsePax(data: Buffer): ReadonlyMap<string, string> | null {
  const fields = new Map<string, string>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = space < 0 ? NaN : Number(data.subarray(at, space).toString("latin1"));
    if (!Number.isSafeInteger(length) || length <= space - at + 1 || at + length > data.length || data[at + length - 1] !== 0x0a) return null;
    const record = decoder.decode(data.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    if (equals < 1) return null;
    fields.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return fields;
}

/** Text up to its first zero. */
export function zeroEnded(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function textAt(block: Buffer, offset: number, length: number): string {
  return zeroEnded(block.subarray(offset, offset + length));
}

/** An octal number, or GNU's binary one whose first bit is set; null for anything else, negative, or beyond 2^53. */
function numberAt(block: Buffer, offset: number, length: number): number | null {
  const field = block.subarray(offset, offset + length);
  const [first = 0] = field;
  if ((first & 0x80) !== 0) {
    if (first !== 0x80) return null;
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    return Number.isSafeInteger(value) ? value : null;
  }
  const text = zeroEnded(field).trim();
  if (text === "") return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : null;
}

/** The sum of all bytes, those of the checksum's own field counted as spaces; some old writers summed signed bytes. */
function checksumFits(block: Buffer): boolean {
  const stored = numberAt(block, CHECKSUM.offset, CHECKSUM.length);
  if (stored === null) return false;
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK; at += 1) {
    const byte = at >= CHECKSUM.offset && at < CHECKSUM.offset + CHECKSUM.length ? 0x20 : (block[at] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  return stored === unsigned || stored === signed;
}
