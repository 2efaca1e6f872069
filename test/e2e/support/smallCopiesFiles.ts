/** Bytes of small files in the formats that data sets come in, made without any library. */

/** Colour of a block of eight by eight pixels: red, green, blue, 0 to 255. */
export type BlockColour = (column: number, row: number) => readonly [number, number, number];

const marker = (code: number, content: readonly number[]): number[] => [0xff, code, (content.length + 2) >> 8, (content.length + 2) & 0xff, ...content];

/** Lengths of the standard codes for a difference of so many bits (ITU-T T.81, table K.3), and the codes. */
const DC_LENGTHS = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0] as const;
const DC_CODES = ["00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110", "11111110", "111111110"] as const;
/** One code, that of the end of a block: blocks are of one colour. */
const AC_LENGTHS = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] as const;
const END_OF_BLOCK = "0";

/** A baseline JPEG of `columns` by `rows` blocks of eight pixels, each of one colour. */
export function jpeg(columns: number, rows: number, colour: BlockColour): Buffer {
  const [width, height] = [8 * columns, 8 * rows];
  // A step of 8 makes the one coefficient of a block its mean.
  const head = [
    0xff,
    0xd8,
    ...marker(0xe0, [0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]),
    ...marker(0xdb, [0, ...new Array<number>(64).fill(8)]),
    ...marker(0xc0, [8, height >> 8, height & 0xff, width >> 8, width & 0xff, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]),
    ...marker(0xc4, [0x00, ...DC_LENGTHS, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ...marker(0xc4, [0x10, ...AC_LENGTHS, 0]),
    ...marker(0xda, [3, 1, 0, 2, 0, 3, 0, 0, 63, 0]),
  ];
  let bits = "";
  const before = [0, 0, 0];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const [r, g, b] = colour(column, row);
      const means = [0.299 * r + 0.587 * g + 0.114 * b - 128, -0.1687 * r - 0.3313 * g + 0.5 * b, 0.5 * r - 0.4187 * g - 0.0813 * b].map(Math.round);
      for (const [component, mean] of means.entries()) {
        bits += differenceBits(mean - (before[component] ?? 0)) + END_OF_BLOCK;
        before[component] = mean;
      }
    }
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  const data: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = parseInt(bits.slice(at, at + 8), 2);
    // A 0xff in the data would be taken for a marker.
    data.push(...(byte === 0xff ? [0xff, 0] : [byte]));
  }
  return Buffer.from([...head, ...data, 0xff, 0xd9]);
}

function differenceBits(difference: number): string {
  const size = difference === 0 ? 0 : Math.floor(Math.log2(Math.abs(difference))) + 1;
  const value = difference < 0 ? difference + 2 ** size - 1 : difference;
  return (DC_CODES[size] ?? "") + (size === 0 ? "" : value.toString(2).padStart(size, "0"));
}

/** A mono WAV of 16 bits; `wave` gives a value from -1 to 1 at a time in seconds. */
export function monoWav(seconds: number, rate: number, wave: (time: number) => number): Buffer {
  const frames = Math.round(seconds * rate);
  const bytes = Buffer.alloc(44 + 2 * frames);
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(36 + 2 * frames, 4);
  bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(2 * rate, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(2 * frames, 40);
  for (let frame = 0; frame < frames; frame += 1) bytes.writeInt16LE(Math.round(32767 * wave(frame / rate)), 44 + 2 * frame);
  return bytes;
}

const UNDEFINED_ADDRESS = 0xffffffffffffffffn;

/**
 * An HDF5 file with the one dataset `order` of int64, in the layout that h5py gives AVE's splits: superblock 0, a group
 * with a symbol table, data in one piece. After the format's specification, version 3.0.
 */
export function orderHdf5(numbers: readonly number[]): Buffer {
  const at = { header: 96, tree: 136, heap: 680, names: 712, symbols: 800, dataset: 1128, data: 1240 } as const;
  const bytes = Buffer.alloc(at.data + 8 * numbers.length);
  const address = (value: bigint | number, offset: number): number => bytes.writeBigUInt64LE(BigInt(value), offset);
  const message = (offset: number, type: number, length: number): number => {
    bytes.writeUInt16LE(type, offset);
    bytes.writeUInt16LE(length, offset + 2);
    return offset + 8;
  };
  const objectHeader = (offset: number, messages: number, length: number): void => {
    bytes.writeUInt8(1, offset);
    bytes.writeUInt16LE(messages, offset + 2);
    bytes.writeUInt32LE(1, offset + 4);
    bytes.writeUInt32LE(length, offset + 8);
  };

  bytes.set([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a], 0);
  bytes.set([8, 8], 13);
  bytes.set([4, 0, 16, 0], 16);
  address(UNDEFINED_ADDRESS, 32);
  address(bytes.length, 40);
  address(UNDEFINED_ADDRESS, 48);
  address(at.header, 64);
  bytes.writeUInt32LE(1, 72);
  address(at.tree, 80);
  address(at.heap, 88);

  objectHeader(at.header, 1, 24);
  const group = message(at.header + 16, 0x11, 16);
  address(at.tree, group);
  address(at.heap, group + 8);

  bytes.write("TREE", at.tree, "latin1");
  bytes.writeUInt16LE(1, at.tree + 6);
  address(UNDEFINED_ADDRESS, at.tree + 8);
  address(UNDEFINED_ADDRESS, at.tree + 16);
  address(at.symbols, at.tree + 32);
  address(8, at.tree + 40);

  bytes.write("HEAP", at.heap, "latin1");
  address(88, at.heap + 8);
  address(16, at.heap + 16);
  address(at.names, at.heap + 24);
  bytes.write("order", at.names + 8, "latin1");
  address(1, at.names + 16);
  address(72, at.names + 24);

  bytes.write("SNOD", at.symbols, "latin1");
  bytes.set([1, 0, 1, 0], at.symbols + 4);
  address(8, at.symbols + 8);
  address(at.dataset, at.symbols + 16);

  objectHeader(at.dataset, 4, 96);
  const space = message(at.dataset + 16, 0x01, 16);
  bytes.set([1, 1], space);
  address(numbers.length, space + 8);
  const type = message(space + 16, 0x03, 16);
  bytes.set([0x10, 0x08, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0], type);
  const fill = message(type + 16, 0x05, 8);
  bytes.set([2, 2, 2, 1], fill);
  const layout = message(fill + 8, 0x08, 24);
  bytes.set([3, 1], layout);
  address(at.data, layout + 2);
  address(8 * numbers.length, layout + 10);
  for (const [index, number] of numbers.entries()) bytes.writeBigInt64LE(BigInt(number), at.data + 8 * index);
  return bytes;
}
