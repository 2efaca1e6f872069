import { mkdtemp, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readNpy, readNpyHeader, readNpyRows, writeNpy } from "../../../src/data/npy.js";
import { findNonFinite, readFloats, readLabels, readNpyBlocks } from "../../../src/data/npyContents.js";
import { CmcrError, EXIT } from "../../../src/errors.js";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cmcr-npy-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const HEADER_END = "}\n";

/** A .npy file made by hand: any header text, any version. */
function npyBytes(header: string, data: Uint8Array = new Uint8Array(0), version: 1 | 2 | 3 = 1): Buffer {
  const text = Buffer.from(header, version === 3 ? "utf8" : "latin1");
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]), length, text, data]);
}

const header = (descr: string, shape: string, fortran = "False") => `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, ${HEADER_END}`;

async function given(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

async function failure(promise: Promise<unknown>): Promise<CmcrError> {
  const error: unknown = await promise.then(
    () => new Error("nothing was thrown"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof CmcrError)) throw error;
  return error;
}

describe("writing and reading back", () => {
  const arrays = [
    ["float32", new Float32Array([1.5, -0, NaN, Infinity, 2, 3])],
    ["float64", new Float64Array([1e300, -2.25, 0.1, 4, 5, 6])],
    ["int8", new Int8Array([-128, 127, 0, 1, 2, 3])],
    ["uint8", new Uint8Array([255, 0, 1, 2, 3, 4])],
    ["int16", new Int16Array([-32768, 32767, 0, 1, 2, 3])],
    ["uint16", new Uint16Array([65535, 0, 1, 2, 3, 4])],
    ["int32", new Int32Array([-2147483648, 2147483647, 0, 1, 2, 3])],
    ["uint32", new Uint32Array([4294967295, 0, 1, 2, 3, 4])],
    ["int64", new BigInt64Array([-9223372036854775808n, 1n, 2n, 3n, 4n, 5n])],
    ["uint64", new BigUint64Array([18446744073709551615n, 1n, 2n, 3n, 4n, 5n])],
  ] as const;

  it.each(arrays)("keeps %s", async (dtype, data) => {
    const path = join(folder, `${dtype}.npy`);
    await writeNpy(path, data, [2, 3]);
    expect(await readNpy(path)).toEqual({ dtype, shape: [2, 3], data });
    const read = await readNpyHeader(path);
    expect(read).toEqual({ dtype, shape: [2, 3], dataOffset: 128, bytes: data.byteLength, fortran: false });
    expect((await readNpyRows(path, 1, 1)).data).toEqual(data.slice(3));
  });

  it("writes the header that numpy writes, and leaves nothing beside the file", async () => {
    const path = join(folder, "numpy", "one.npy");
    await mkdir(join(folder, "numpy"));
    await writeNpy(path, new Float32Array(3), [3]);
    const bytes = await readFile(path);
    const text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
    expect(bytes.subarray(0, 128)).toEqual(npyBytes(`${text.padEnd(117)}\n`));
    expect(await readdir(join(folder, "numpy"))).toEqual(["one.npy"]);
  });

  it("writes the window of a larger buffer, not the buffer", async () => {
    const path = join(folder, "window.npy");
    await writeNpy(path, new Float32Array([0, 1, 2, 3]).subarray(1, 3), [2]);
    expect((await readNpy(path)).data).toEqual(new Float32Array([1, 2]));
  });

  it.each([[[]], [[0, 4]], [[2, 1, 3]]])("keeps the shape %j", async (shape) => {
    const path = join(folder, "shape.npy");
    await writeNpy(path, new Uint8Array(shape.reduce((a, b) => a * b, 1)), shape);
    expect((await readNpy(path)).shape).toEqual(shape);
  });

  it("reports a folder that is not there when writing", async () => {
    const error = await failure(writeNpy(join(folder, "none", "x.npy"), new Uint8Array(1), [1]));
    expect(error).toMatchObject({ code: EXIT.data, reason: "FILE_UNWRITABLE" });
  });

  it("refuses rows that the array has not", async () => {
    const path = join(folder, "rows.npy");
    await writeNpy(path, new Uint8Array(6), [3, 2]);
    expect(await failure(readNpyRows(path, 2, 2))).toMatchObject({ reason: "NPY_SHAPE" });
  });

  it("gives blocks of rows that make up the whole", async () => {
    const path = join(folder, "blocks.npy");
    await writeNpy(path, Float32Array.from({ length: 21 }, (_, i) => i), [7, 3]);
    const seen: number[] = [];
    const lengths: number[] = [];
    for await (const block of readNpyBlocks(path, 2, { maxBytes: 24 })) {
      seen.push(...Array.from(block.data, Number));
      lengths.push(block.shape[0] ?? -1);
    }
    expect(seen).toEqual(Array.from({ length: 21 }, (_, i) => i));
    expect(lengths).toEqual([2, 2, 2, 1]);
  });
});

describe("what numpy may write", () => {
  it.each([1, 2, 3] as const)("reads version %i", async (version) => {
    const path = await given("version.npy", npyBytes(header("'<i2'", "(2,)"), new Uint8Array([1, 0, 255, 255]), version));
    expect((await readNpy(path)).data).toEqual(new Int16Array([1, -1]));
  });

  it("reads data that start anywhere", async () => {
    const path = await given("odd.npy", npyBytes(` ${header("'<f4'", "(1,)")}`, new Uint8Array(new Float32Array([2.5]).buffer)));
    expect((await readNpyHeader(path)).dataOffset % 4).not.toBe(0);
    expect((await readNpy(path)).data).toEqual(new Float32Array([2.5]));
  });

  it("reads Python 2's long integers, double quotes, and other orders of the keys", async () => {
    const path = await given("two.npy", npyBytes(`{"shape": (2L,), "fortran_order": False, "descr": "|b1"}`, new Uint8Array([1, 0])));
    expect(await readNpy(path)).toEqual({ dtype: "bool", shape: [2], data: new Uint8Array([1, 0]) });
  });

  it("reads a vector that is called Fortran-ordered: its order is the same", async () => {
    const path = await given("vector.npy", npyBytes(header("'|u1'", "(2,)", "True"), new Uint8Array([7, 8])));
    expect((await readNpy(path)).data).toEqual(new Uint8Array([7, 8]));
  });

  it("widens float16 exactly", async () => {
    // One, the largest, the smallest subnormal, the smallest normal, -0, -inf, NaN, a third.
    const bits = new Uint16Array([0x3c00, 0x7bff, 0x0001, 0x0400, 0x8000, 0xfc00, 0x7e01, 0x3555]);
    const path = await given("half.npy", npyBytes(header("'<f2'", "(8,)"), new Uint8Array(bits.buffer)));
    const { data, dtype } = await readNpy(path);
    expect(dtype).toBe("float16");
    expect([...data]).toEqual([1, 65504, 2 ** -24, 2 ** -14, -0, -Infinity, NaN, 0.333251953125]);
  });
});

describe("what is refused, each with exit 3 and the file's name", () => {
  const two = new Uint8Array(8);
  const cases: readonly (readonly [string, Uint8Array, string, string])[] = [
    ["an empty file", new Uint8Array(0), "NPY_INVALID", "empty"],
    ["another kind of file", Buffer.from("\x89PNG\r\n\x1a\n and so on", "latin1"), "NPY_INVALID", "numpy.save"],
    ["an unknown version", Buffer.concat([Buffer.from([0x93]), Buffer.from("NUMPY\x07\x00\x00\x00\x00\x00", "latin1")]), "NPY_INVALID", "version 7.0"],
    ["only the magic", npyBytes("").subarray(0, 7), "NPY_TRUNCATED", "header"],
    ["a cut header", npyBytes(header("'<f4'", "(2,)")).subarray(0, 40), "NPY_TRUNCATED", "header"],
    ["an absurd header", Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 0xff, 0xff, 0xff, 0x7f]), "NPY_INVALID", "2147483647"],
    ["pickled objects", npyBytes(header("'|O'", "(2,)"), two), "NPY_PICKLED", "never loaded"],
    ["structured elements", npyBytes(header("[('a', '<f4'), ('b', '<i4')]", "(1,)"), two), "NPY_DTYPE", "named fields"],
    ["strings", npyBytes(header("'<U2'", "(1,)"), two), "NPY_DTYPE", "<U2"],
    ["complex numbers", npyBytes(header("'<c8'", "(1,)"), two), "NPY_DTYPE", "<c8"],
    ["big-endian numbers", npyBytes(header("'>f4'", "(2,)"), two), "NPY_BIG_ENDIAN", "astype('<f4')"],
    ["Fortran order", npyBytes(header("'<f4'", "(1, 2)", "True"), two), "NPY_FORTRAN_ORDER", "ascontiguousarray"],
    ["cut data", npyBytes(header("'<f4'", "(2,)"), new Uint8Array(7)), "NPY_TRUNCATED", "8 bytes of data, and 7"],
    ["data beyond the shape", npyBytes(header("'<f4'", "(2,)"), new Uint8Array(9)), "NPY_TRAILING_DATA", "8 bytes of data, and 9"],
    ["an impossible shape", npyBytes(header("'<f8'", "(9007199254740991, 9007199254740991)"), two), "NPY_SHAPE", "impossibly large"],
    ["a shape of no file", npyBytes(header("'<f8'", "(1000000000000, 512)"), two), "NPY_TRUNCATED", "(1000000000000, 512)"],
    ["a negative length", npyBytes(header("'<f4'", "(-2,)"), two), "NPY_INVALID", "'shape'"],
    ["a shape that is a number", npyBytes(header("'<f4'", "(2)"), two), "NPY_INVALID", "'shape'"],
    ["a header that computes", npyBytes(header("'<f4'", "(1+1,)"), two), "NPY_INVALID", "malformed"],
    ["a header that calls", npyBytes(header("__import__('os')", "(2,)"), two), "NPY_INVALID", "malformed"],
    ["a key too many", npyBytes(`{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}`, two), "NPY_INVALID", "its keys are"],
    ["a key twice", npyBytes(`{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (2,)}`, two), "NPY_INVALID", "twice"],
    ["bottomless nesting", npyBytes("(".repeat(60_000), two), "NPY_INVALID", "deeper"],
  ];

  it.each(cases)("%s", async (_, bytes, reason, part) => {
    const path = await given("refused.npy", bytes);
    for (const read of [readNpyHeader, readNpy]) {
      const error = await failure(read(path));
      expect(error).toMatchObject({ code: EXIT.data, reason, path });
      expect(error.message).toContain(path);
      expect(error.message).toContain(part);
    }
  });

  it("a file that is not there, a folder, and too much at once", async () => {
    expect(await failure(readNpy(join(folder, "absent.npy")))).toMatchObject({ code: EXIT.data, reason: "FILE_MISSING" });
    expect(await failure(readNpy(folder))).toMatchObject({ code: EXIT.data, reason: "NOT_A_FILE" });
    const path = join(folder, "large.npy");
    await writeNpy(path, new Uint8Array(100), [100]);
    expect(await failure(readNpy(path, { maxBytes: 99 }))).toMatchObject({ code: EXIT.data, reason: "NPY_TOO_LARGE" });
    expect((await readNpy(path, { maxBytes: 100 })).data.length).toBe(100);
    await truncate(path, 200);
    expect(await failure(readNpy(path))).toMatchObject({ reason: "NPY_TRUNCATED" });
  });

  it("whatever a damaged file looks like, the error is one that a user can act on", async () => {
    const sound = npyBytes(header("'<f4'", "(2, 3)"), new Uint8Array(24));
    const path = join(folder, "fuzz.npy");
    const damage = fc.array(fc.record({ at: fc.nat(sound.length - 1), byte: fc.integer({ min: 0, max: 255 }) }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(damage, fc.option(fc.nat(sound.length)), async (changes, cut) => {
        const bytes = Buffer.from(sound);
        for (const { at, byte } of changes) bytes[at] = byte;
        await writeFile(path, cut === null ? bytes : bytes.subarray(0, cut));
        const result = await readNpy(path).catch((error: unknown) => error);
        if (result instanceof Error) {
          expect(result).toBeInstanceOf(CmcrError);
          expect(result).toMatchObject({ code: EXIT.data, path });
        }
      }),
      { numRuns: 400 },
    );
  });

  it("whatever text the header holds", async () => {
    const path = join(folder, "fuzz-text.npy");
    const token = fc.constantFrom("{", "}", "(", ")", "[", "]", "'", '"', ",", ":", "\\", " ", "'descr'", "'shape'", "'fortran_order'", "'<f4'", "True", "False", "None", "1", "-3", "9".repeat(30), "L", "é");
    await fc.assert(
      fc.asyncProperty(fc.array(token, { maxLength: 30 }), fc.constantFrom(1 as const, 2 as const, 3 as const), async (tokens, version) => {
        await writeFile(path, npyBytes(tokens.join(""), new Uint8Array(4), version));
        const result = await readNpy(path).catch((error: unknown) => error);
        expect(result).toBeInstanceOf(CmcrError);
      }),
      { numRuns: 400 },
    );
  });
});

describe("labels and finite values", () => {
  it("reads labels of any integer type as int32", async () => {
    const path = join(folder, "labels.npy");
    await writeNpy(path, new BigInt64Array([3n, -1n, 2147483647n]), [3]);
    expect(await readLabels(path)).toEqual(new Int32Array([3, -1, 2147483647]));
    await writeNpy(path, new Uint8Array([0, 255]), [2]);
    expect(await readLabels(path)).toEqual(new Int32Array([0, 255]));
  });

  it.each([
    ["two dimensions", new Int32Array(2), [2, 1], "NPY_SHAPE", "(2, 1)"],
    ["fractions", new Float32Array(2), [2], "NPY_DTYPE", "float32"],
    ["a label beyond 32 bits", new BigInt64Array([0n, 4294967296n]), [2], "LABELS_INVALID", "row 1"],
  ])("refuses labels of %s", async (_, data, shape, reason, part) => {
    const path = join(folder, "labels-wrong.npy");
    await writeNpy(path, data, shape);
    const error = await failure(readLabels(path));
    expect(error).toMatchObject({ code: EXIT.data, reason });
    expect(error.message).toContain(part);
  });

  it("names the first value that is not finite", async () => {
    expect(findNonFinite([1, 2, 3, NaN, 5, Infinity], 2)).toEqual({ row: 1, column: 1 });
    expect(findNonFinite([1, 2], 2)).toBeNull();
    const path = join(folder, "nan.npy");
    await writeNpy(path, new Float32Array([1, 2, 3, 4, -Infinity, 6]), [3, 2]);
    expect((await failure(readFloats(path, 2))).message).toContain("row 2");
    expect(await failure(readFloats(path, 1))).toMatchObject({ reason: "NPY_SHAPE" });
    await writeNpy(path, new Int32Array([1, 2]), [1, 2]);
    expect(await readFloats(path, 2)).toEqual({ shape: [1, 2], data: new Float64Array([1, 2]) });
  });
});
