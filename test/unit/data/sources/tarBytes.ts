/** Bytes of tars, as POSIX and GNU tar write them, and wrong ones. */

export interface Entry {
  readonly name: string;
  readonly content?: string | Buffer;
  /** One character; `0` is a file. */
  readonly type?: string;
  /** Announced in place of the content's own. */
  readonly size?: number;
  /** The size as GNU's binary number. */
  readonly binarySize?: boolean;
  readonly prefix?: string;
  readonly magic?: "posix" | "gnu" | "none";
  readonly damaged?: boolean;
}

/** Header, content and padding of a member. */
export function member({ name, content = "", type = "0", size, binarySize = false, prefix = "", magic = "posix", damaged = false }: Entry): Buffer {
  const data = Buffer.from(content as string);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, "utf8");
  header.write("0000644\0", 100, "latin1");
  header.write("0000000\0", 108, "latin1");
  header.write("0000000\0", 116, "latin1");
  const length = size ?? data.length;
  if (binarySize) {
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(BigInt(length), 128);
  } else header.write(`${length.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  header.write("14000000000\0", 136, "latin1");
  header.write(type, 156, "latin1");
  if (magic === "posix") header.write("ustar\x0000", 257, "latin1");
  if (magic === "gnu") header.write("ustar  \0", 257, "latin1");
  header.write(prefix, 345, 155, "utf8");
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  if (damaged) header.write("XX", 148, "latin1");
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

/** A tar of these members, with the two empty blocks at its end. */
export function tar(...entries: readonly (Entry | Buffer)[]): Buffer {
  return Buffer.concat([...entries.map((entry) => (Buffer.isBuffer(entry) ? entry : member(entry))), Buffer.alloc(1024)]);
}

/** A pax header for the member after it. */
export function pax(fields: Readonly<Record<string, string>>): Buffer {
  const records = Object.entries(fields).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest) + 1;
    while (String(length).length + Buffer.byteLength(rest) !== length) length += 1;
    return `${length}${rest}`;
  });
  return member({ name: "PaxHeaders/x", content: records.join(""), type: "x" });
}

/** GNU's long name for the member after it. */
export function longName(name: string): Buffer {
  return member({ name: "././@LongLink", content: `${name}\0`, type: "L", magic: "gnu" });
}
